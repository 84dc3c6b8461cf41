"""`portcullis key`: makes gateway keys, and tokens for the admin listener."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from gateway.config.policy_file import AdminToken, Key, Name
from gateway.config.units import parse_duration
from gateway.identity.gateway_key import hash_of, new_key
from gateway.identity.tenant import ASSERTABLE

_LONGEST = 100 * 365 * 86400.0
ROLES = ("viewer", "approver", "operator")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser("key", help="make gateway keys and admin tokens")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    new = verbs.add_parser(
        "new",
        help="make a key",
        description="Make a key. It is printed once, with the line for the policy file, which "
        "holds only its hash. Nothing is written anywhere.",
    )
    new.add_argument("--name", required=True, help="what records call the key")
    new.add_argument("--tenant", default="local", help="whose key it is (default: local)")
    new.add_argument("--agent", help="which program holds it")
    new.add_argument(
        "--may-assert",
        type=_assertable,
        default=(),
        metavar="LIST",
        help=f"what its holder may say of itself: any of {','.join(ASSERTABLE)}",
    )
    new.add_argument(
        "--expires", type=_duration, metavar="TIME", help="how long it is valid, such as 90d"
    )
    new.add_argument(
        "--admin-role", choices=ROLES, help="make a token for the admin listener instead"
    )
    new.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print a key and its line. Exit 2 where a name cannot stand in a policy file."""
    key = new_key()
    try:
        if args.admin_role:
            if args.agent or args.may_assert or args.expires:
                raise ValueError("an admin token has a name and a role, nothing else")
            lines = _token_lines(
                AdminToken(name=args.name, hash=hash_of(key), role=args.admin_role)
            )
        else:
            TypeAdapter(Name).validate_python(args.tenant)
            lines = _key_lines(args, hash_of(key))
    except ValidationError as error:
        for problem in error.errors():
            place = ".".join(map(str, problem["loc"])) or "tenant"
            print(f"portcullis key new: {place}: {problem['msg']}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"portcullis key new: {error}", file=sys.stderr)
        return 2
    print(key)
    print()
    print("# This is the only time that the key is shown. Give it to the caller.")
    print("# For the policy file:")
    print(*lines, sep="\n")
    return 0


def _key_lines(args: argparse.Namespace, hashed: str) -> list[str]:
    entry: dict[str, object] = {"name": args.name, "hash": hashed}
    if args.agent:
        entry["agent"] = args.agent
    if args.may_assert:
        entry["may_assert"] = list(args.may_assert)
    if args.expires:
        moment = datetime.now(UTC) + args.expires
        entry["expires"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    Key.model_validate(entry)
    return ["tenants:", f"  {_yaml(args.tenant)}:", "    keys:", f"      - {_flow(entry)}"]


def _token_lines(token: AdminToken) -> list[str]:
    entry = {"name": token.name, "hash": token.hash, "role": token.role}
    return ["admin:", "  tokens:", f"    - {_flow(entry)}"]


def _flow(entry: Mapping[str, object]) -> str:
    """One YAML flow mapping."""
    pairs = []
    for name, value in entry.items():
        shown = f"[{', '.join(value)}]" if isinstance(value, list) else _yaml(value)
        pairs.append(f"{name}: {shown}")
    return "{" + ", ".join(pairs) + "}"


def _yaml(value: object) -> str:
    """A name as it is where YAML reads it as text, else in quotes (`on`, `1e3`, `sha256:...`)."""
    text = str(value)
    word = text.replace("-", "").replace("_", "")
    plain = word.isalpha() and word.isascii() and word.lower() not in _YAML_WORDS
    return text if plain and not text.startswith("-") else json.dumps(text)


_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def _assertable(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in ASSERTABLE:
            raise argparse.ArgumentTypeError(
                f"{name!r} is none of {', '.join(ASSERTABLE)}; separate several by commas"
            )
    return names


def _duration(text: str) -> timedelta:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if seconds > _LONGEST:
        raise argparse.ArgumentTypeError("that is longer than a century: leave it out")
    return timedelta(seconds=seconds)
