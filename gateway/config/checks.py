"""What one part of the policy file must know of another.

The checks of names read the plain document, so that they find what they can in a file whose
other parts are wrong; the warnings read the finished file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from gateway.config.forward_proxy import UPSTREAM as FORWARD_PROXY
from gateway.config.policy_file import PolicyFile, parse_rule
from gateway.config.problems import suggest
from gateway.config.rule_options import RuleOptions
from gateway.config.yaml_tree import Path
from gateway.policy.globs import glob_error, is_glob
from gateway.policy.kinds import KINDS
from gateway.policy.rule import Stage
from gateway.upstream.router import BY_NAME_ONLY
from gateway.verdict import Mode

Problem = tuple[Path, str]

RESERVED_UPSTREAMS = ("v1", "v1beta", FORWARD_PROXY)
_PATHS_OF = {"api": "ollama", "upload": "gemini", "download": "gemini"}
"""How paths begin that a provider's own clients ask for: an upstream of such a name hides them."""

"""First parts of paths that are the providers' own, and what tunnels are called."""

_LIMITS = ("rate_limit", "budget")


def check_names(document: Any) -> list[Problem]:
    """Everything that does not fit together, by the path where it stands."""
    return [
        *_tenants(document),
        *_upstreams(document),
        *_rules(document),
        *_hashes(document),
    ]


def find_warnings(file: PolicyFile) -> list[Problem]:
    """What is allowed, and will not hold what one may expect of it."""
    return [
        *_unbacked(file),
        *_idle_parts(file),
        *_idle_tools(file),
        *_open_doors(file),
        *_proxy(file),
    ]


def anonymous_credentials(file: PolicyFile) -> tuple[str, ...]:
    """Upstreams whose credential a caller without a key would spend.

    Where there is one, a listener that is not loopback needs `--allow-anonymous`.
    """
    if file.default_tenant is None:
        return ()
    return tuple(name for name, up in file.upstreams.items() if up.credential is not None)


def _mapping(value: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _sequence(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _tenants(document: Any) -> Iterator[Problem]:
    tenants, policies = _mapping(document, "tenants"), _mapping(document, "policies")
    for name, tenant in tenants.items():
        path: Path = ("tenants", name)
        named = _sequence(tenant, "policies")
        if not named:
            yield path, f"tenant {name!r} has no policies: name at least one"
        for index, policy in enumerate(named):
            if not isinstance(policy, str):
                continue
            if policy not in policies:
                yield (
                    (*path, "policies", index),
                    f"there is no policy {policy!r}{suggest(policy, policies)}",
                )
            elif policy in named[:index]:
                yield (*path, "policies", index), f"policy {policy!r} is named twice"
    default = document.get("default_tenant") if isinstance(document, dict) else None
    if isinstance(default, str) and default not in tenants:
        yield ("default_tenant",), f"there is no tenant {default!r}{suggest(default, tenants)}"
    if "gateway" in policies:
        yield ("policies", "gateway"), "'gateway' is how the gateway itself is named in records"


def _upstreams(document: Any) -> Iterator[Problem]:
    by_provider: dict[str, list[str]] = {}
    upstreams = _mapping(document, "upstreams")
    for name, upstream in upstreams.items():
        if name in RESERVED_UPSTREAMS:
            yield ("upstreams", name), f"{name!r} is a name of the gateway's own"
        hidden = _PATHS_OF.get(name)
        if hidden and any(_mapping(up).get("provider") == hidden for up in upstreams.values()):
            yield (
                ("upstreams", name),
                f"{name!r} would hide paths of the {hidden} upstream (/{name}/...); rename it",
            )
        provider = _mapping(upstream).get("provider")
        if isinstance(provider, str) and provider not in BY_NAME_ONLY:
            by_provider.setdefault(provider, []).append(name)
    for provider, names in by_provider.items():
        defaults = [name for name in names if upstreams[name].get("default") is True]
        if len(names) > 1 and len(defaults) != 1:
            few = "none" if not defaults else "more than one"
            yield (
                ("upstreams", names[-1]),
                f"{', '.join(names)} all speak {provider} and {few} says `default: true`",
            )


def _rules(document: Any) -> Iterator[Problem]:
    for policy, body in _mapping(document, "policies").items():
        seen: dict[str, int] = {}
        for index, raw in enumerate(_sequence(body, "rules")):
            path: Path = ("policies", policy, "rules", index)
            try:
                options = parse_rule(raw)
            except (ValueError, ValidationError):
                continue  # the model has said what is wrong with it
            yield from _when(options, path, document)
            rule_id = options.id or options.default_id()
            if rule_id in seen:
                other = f"the other is number {seen[rule_id] + 1}"
                have = f"two rules of policy {policy!r} have the id {rule_id!r} ({other})"
                yield path, f"{have}: give them ids"
            seen.setdefault(rule_id, index)


def _when(options: RuleOptions, path: Path, document: Any) -> Iterator[Problem]:
    if options.when is None:
        return
    for key, globs in options.when.model_dump(exclude_none=True).items():
        known = _mapping(document, f"{key}s") if key in ("tenant", "upstream") else None
        if known is not None and key == "upstream":
            known = {**known, FORWARD_PROXY: None}
        for index, glob in enumerate(globs):
            where = (*path, "when", key, index)
            if wrong := glob_error(glob):
                yield where, wrong
            elif known is not None and not is_glob(glob) and glob not in known:
                yield where, f"there is no {key} {glob!r}{suggest(glob, known)}"


def _hashes(document: Any) -> Iterator[Problem]:
    """Two keys alike: nobody could tell who calls."""
    lists: list[tuple[Path, list[Any]]] = [
        (("tenants", tenant, "keys"), _sequence(body, "keys"))
        for tenant, body in _mapping(document, "tenants").items()
    ]
    lists.append((("admin", "tokens"), _sequence(_mapping(document, "admin"), "tokens")))
    hashes: set[str] = set()
    for path, entries in lists:
        names: set[str] = set()
        for index, entry in enumerate(entries):
            name, hashed = _mapping(entry).get("name"), _mapping(entry).get("hash")
            if isinstance(name, str):
                if name in names:
                    yield (*path, index), f"the name {name!r} is given twice"
                names.add(name)
            if isinstance(hashed, str):
                if hashed in hashes:
                    yield (*path, index), "the same hash stands for two keys"
                hashes.add(hashed)


def _unbacked(file: PolicyFile) -> Iterator[Problem]:
    """Sessions are free: who is stopped in one begins another."""
    said: set[Path] = set()
    for tenant in file.tenants.values():
        limits = [
            (("policies", name, "rules", position), options, _scopes(options))
            for name, position, options in file.rules()
            if name in tenant.policies
            and options.kind in _LIMITS
            and (options.mode or file.policies[name].mode) is Mode.ENFORCE
        ]
        for path, options, scopes in limits:
            backed = any(
                other.kind == options.kind and "session" not in others
                for _, other, others in limits
            )
            if "session" in scopes and not backed and path not in said:
                said.add(path)
                kind = options.kind
                alone = f"a {kind} per session has no {kind} per tenant or user behind it"
                yield path, f"{alone}: a caller that opens new sessions is not limited"


def _scopes(options: RuleOptions) -> tuple[str, ...]:
    per = getattr(options, "per", ())
    return (per,) if isinstance(per, str) else tuple(per or ())


def _idle_parts(file: PolicyFile) -> Iterator[Problem]:
    used = {name for tenant in file.tenants.values() for name in tenant.policies}
    for name in file.policies:
        if name not in used:
            yield ("policies", name), f"policy {name!r} is used by no tenant"
    for name, tenant in file.tenants.items():
        if not tenant.keys and name != file.default_tenant:
            yield (
                ("tenants", name),
                f"tenant {name!r} has no keys and is not the default: nobody is it",
            )
    if file.environment is None:
        for name, position, options in file.rules():
            if options.when is not None and options.when.environment is not None:
                yield (
                    ("policies", name, "rules", position),
                    "`when.environment` never holds: the file names no `environment`",
                )


def _idle_tools(file: PolicyFile) -> Iterator[Problem]:
    """Rules that wait for calls of tools where no upstream has any."""
    if any(upstream.provider in BY_NAME_ONLY for upstream in file.upstreams.values()):
        return
    idle = (
        "`when.tool` never holds: for this kind it means calls to an MCP or HTTP upstream, and "
        "there is none"
    )
    for name, position, options in file.rules():
        judges_tools = KINDS[options.kind].stage is Stage.TOOLS
        if options.when is not None and options.when.tool is not None and not judges_tools:
            yield ("policies", name, "rules", position), idle


def _open_doors(file: PolicyFile) -> Iterator[Problem]:
    for name in anonymous_credentials(file):
        spend = f"callers without a key are tenant {file.default_tenant!r} and spend its credential"
        needs = "on a listener that is not loopback this needs --allow-anonymous"
        yield ("upstreams", name), f"upstream {name!r}: {spend}; {needs}"


def _proxy(file: PolicyFile) -> Iterator[Problem]:
    """A forward proxy and its rules: one is nothing without the other."""
    rules = [each for each in file.rules() if each[2].kind == "egress"]
    if file.forward_proxy is None:
        for name, position, _ in rules:
            why = "the file has no `forward_proxy`: CONNECT is refused, and this rule never asked"
            yield ("policies", name, "rules", position), why
        return
    if not any(options.allow is not None for _, _, options in rules):
        yield ("forward_proxy",), "no `egress` rule allows a host: every CONNECT is refused"
    if file.default_tenant is not None:
        proxy = f"callers without a key are tenant {file.default_tenant!r} and may use the proxy"
        needs = "on a listener that is not loopback this needs --allow-anonymous"
        yield ("forward_proxy",), f"{proxy}; {needs}"
