"""What `--state redis://...` says: which servers, how to get in, under which names.

    redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]
    redis+sentinel://[USER[:PASSWORD]@]HOST[:PORT],HOST.../SERVICE[/DB]
    redis+cluster://[USER[:PASSWORD]@]HOST[:PORT],HOST...

`rediss` in the place of `redis` means TLS. Options: `?ca=FILE&cert=FILE&key=FILE`, and
`?namespace=NAME&lease=SECONDS&wait=REPLICAS&wait_ms=MILLISECONDS`. User and password may stand in
the environment instead. Nothing here ever shows a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

from gateway.errors import ConfigError
from gateway.state.ledger import LEASE_SECONDS

Mode = Literal["standalone", "sentinel", "cluster"]

NAMESPACE = "portcullis"
VARIABLES = {
    "username": "PORTCULLIS_REDIS_USERNAME",
    "password": "PORTCULLIS_REDIS_PASSWORD",
    "sentinel_username": "PORTCULLIS_REDIS_SENTINEL_USERNAME",
    "sentinel_password": "PORTCULLIS_REDIS_SENTINEL_PASSWORD",
}
FORMS = (
    "redis://HOST:PORT/DB, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE or "
    "redis+cluster://HOST:PORT,HOST:PORT (rediss for TLS)"
)

_URL = re.compile(r"(rediss?)(?:\+(sentinel|cluster))?://([^/?#]*)([^?#]*)(?:\?([^#]*))?")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]{1,253})(?::(\d{1,5}))?")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PORTS: dict[Mode, int] = {"standalone": 6379, "sentinel": 26379, "cluster": 6379}
_FILES = ("ca", "cert", "key")
_NUMBERS = {"lease": (2, 300), "wait": (0, 10), "wait_ms": (1, 300)}
_OPTIONS = (*_FILES, "namespace", *_NUMBERS)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the state lies. `service` is the name that Sentinel knows the master by.

    `ca`, `cert` and `key` are files; without `ca` the system's authorities are trusted.
    `lease` is in seconds. An admission stands when `wait` replicas have it within `wait_ms`
    milliseconds.
    """

    mode: Mode
    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    db: int = 0
    service: str = ""
    namespace: str = NAMESPACE
    ca: str = ""
    cert: str = ""
    key: str = ""
    lease: int = LEASE_SECONDS
    wait: int = 0
    wait_ms: int = 100
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    sentinel_username: str = field(default="", repr=False)
    sentinel_password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """The URL without whatever could be secret."""
        scheme = "rediss" if self.tls else "redis"
        if self.mode != "standalone":
            scheme += f"+{self.mode}"
        hosts = ",".join(f"{_bracketed(host)}:{port}" for host, port in self.hosts)
        path = f"/{self.service}" if self.service else ""
        path += f"/{self.db}" if self.db else ""
        name = f"?namespace={self.namespace}" if self.namespace != NAMESPACE else ""
        return f"{scheme}://{hosts}{path}{name}"


def is_redis(url: str) -> bool:
    """Whether a URL is meant to name a Redis."""
    return re.match(r"rediss?(\+\w+)?:", url) is not None


def parse_redis_url(url: str, variables: Mapping[str, str]) -> Place:
    """Raises ConfigError with what is wrong, never with what may be a password."""
    found = _URL.fullmatch(url)
    if found is None:
        raise _wrong(f"expected {FORMS}")
    scheme, form, authority, path, query = found.groups()
    mode: Mode = "standalone" if form is None else "sentinel" if form == "sentinel" else "cluster"
    given, at, listed = authority.rpartition("@")
    user, _, password = given.partition(":") if at else ("", "", "")
    hosts = _hosts(listed, mode)
    service, db = _path(path, mode)
    options = _options(query or "")
    if scheme == "redis" and any(options.get(name) for name in _FILES):
        raise _wrong("ca, cert and key are for TLS: write rediss instead of redis")
    if bool(options.get("cert")) != bool(options.get("key")):
        raise _wrong("a client certificate needs both cert=FILE and key=FILE")
    outside = {name: variables.get(variable, "") for name, variable in VARIABLES.items()}
    return Place(
        mode=mode,
        hosts=hosts,
        tls=scheme == "rediss",
        db=db,
        service=service,
        username=unquote(user) or outside["username"],
        password=unquote(password) or outside["password"],
        sentinel_username=outside["sentinel_username"],
        sentinel_password=outside["sentinel_password"],
        **options,
    )


def _hosts(listed: str, mode: Mode) -> tuple[tuple[str, int], ...]:
    hosts = []
    for each in listed.split(","):
        found = _HOST.fullmatch(each)
        if found is None:
            raise _wrong(
                f"expected {FORMS}; in a user or password /, ?, # and @ must be percent-encoded"
            )
        port = int(found[2] or _PORTS[mode])
        if not 0 < port < 65536:
            raise _wrong("a port is a number from 1 to 65535")
        hosts.append((found[1].strip("[]"), port))
    if mode == "standalone" and len(hosts) > 1:
        raise _wrong("several hosts are redis+sentinel:// or redis+cluster://")
    return tuple(hosts)


def _path(path: str, mode: Mode) -> tuple[str, int]:
    """The service and the number of the database."""
    parts = [unquote(each) for each in path.strip("/").split("/")] if path.strip("/") else []
    service = ""
    if mode == "sentinel":
        if not parts:
            raise _wrong("redis+sentinel:// needs the name of the service: .../mymaster")
        service = parts.pop(0)
    if mode == "cluster" and parts:
        raise _wrong("a cluster has one database only: nothing may follow its hosts")
    if len(parts) > 1 or not all(each.isascii() and each.isdigit() for each in parts):
        raise _wrong("a database is a number: redis://HOST:PORT/0")
    return service, int(parts[0]) if parts else 0


def _options(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise _wrong(f"there is no option of that name; there are {', '.join(_OPTIONS)}")
        options[name] = _number(name, value) if name in _NUMBERS else value
    if not _NAME.fullmatch(options.get("namespace", NAMESPACE)):
        raise _wrong("a namespace is up to 64 letters, digits, dots, dashes and underscores")
    for name in _FILES:
        if options.get(name) and not Path(options[name]).is_file():
            raise _wrong(f"{name}={options[name]}: there is no such file")
    return options


def _number(name: str, value: str) -> int:
    least, most = _NUMBERS[name]
    if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise _wrong(f"{name} is a whole number from {least} to {most}")
    return int(value)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _wrong(message: str) -> ConfigError:
    return ConfigError([f"state: {message}"])
