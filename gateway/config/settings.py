"""What `portcullis serve` is told by flags and `PORTCULLIS_*` variables: where to listen, where
to keep things. What is allowed to pass is the policy file's business, not this one's.
"""

from __future__ import annotations

import ipaddress
import os
import re
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.packaged import starter_policy
from gateway.errors import ConfigError
from gateway.state.redis_url import FORMS, is_redis, parse_redis_url

IMAGE_FOLDER = Path("/var/lib/portcullis")
"""Made by the image; used wherever it may be written to."""

MOST_WORKERS = 256

AUDIT_SINKS = ("stdout", "otlp")
"""Where the audit log, or a copy of it, can go besides a folder."""

_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address. Port 0 lets the system choose."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A listener's socket file."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The data listener's certificate and key, and who signs the callers' certificates."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    def parts(self) -> dict[str, Path]:
        """The files by what they are: `cert`, `key`, `ca`."""
        ca = {"ca": self.client_ca} if self.client_ca is not None else {}
        return {"cert": self.cert, "key": self.key, **ca}


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked settings. `folder` is the state folder that the defaults lie in; without `tls` the
    data listener speaks plain HTTP. Where `audit_sink` says `stdout` or `otlp` the audit log goes
    there, and the folder `audit` has nothing of it; `audit_copies` get its lines as well."""

    policies: Path
    listen: Address
    probes: Address
    admin: Address | UnixSocket | None
    state: str
    audit: Path
    workers: int
    allow_anonymous: bool
    folder: Path
    master_key: Path
    tls: TlsFiles | None = None
    audit_sink: str = ""
    audit_copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting: its flag is `--name`, its variable `PORTCULLIS_NAME`."""

    name: str
    metavar: str
    help: str

    @property
    def variable(self) -> str:
        return "PORTCULLIS_" + self.name.upper().replace("-", "_")


FLAGS = (
    Flag("policies", "PATH", "policy file or folder (default: the packaged starter)"),
    Flag("listen", "HOST:PORT", "where agents call (default 127.0.0.1:8484)"),
    Flag("probes", "HOST:PORT", "metrics and health (default 127.0.0.1:9484)"),
    Flag("admin", "ADDRESS", "HOST:PORT, unix:PATH or off (default 127.0.0.1:9485)"),
    Flag("state", "URL", "sqlite:///PATH, redis://... or memory:// (default: in the state folder)"),
    Flag(
        "audit", "DIR", "the audit log: a folder (default: in the state folder), stdout: or otlp:"
    ),
    Flag("audit-copy", "LIST", "who gets its lines as well: stdout, otlp, or both with a comma"),
    Flag("workers", "N", "worker processes (default 1)"),
    Flag("tls-cert", "FILE", "the data listener's certificate, its chain behind it (PEM)"),
    Flag("tls-key", "FILE", "the certificate's private key (PEM)"),
    Flag("tls-client-ca", "FILE", "callers must show a certificate that one of these has signed"),
)
MASTER_KEY_VARIABLE = "PORTCULLIS_MASTER_KEY_FILE"


def add_settings(parser: ArgumentParser) -> None:
    """Give a parser every flag; what is not given stays None, for the environment to say."""
    for flag in FLAGS:
        parser.add_argument(
            f"--{flag.name}", metavar=flag.metavar, help=f"{flag.help} [{flag.variable}]"
        )
    parser.add_argument(
        "--allow-anonymous",
        action="store_const",
        const="true",
        help="let callers without a key spend an upstream's credential on a listener that is not "
        "loopback [PORTCULLIS_ALLOW_ANONYMOUS]",
    )


def read_settings(given: Mapping[str, str | None], variables: Mapping[str, str]) -> Settings:
    """Settings from flags (by name, `-` as `_`), then variables, then defaults.

    Raises:
        ConfigError: with every setting that cannot be used, named as it was given.
    """
    reader = _Reader(given, variables)
    folder = state_folder(variables)
    key = variables.get(MASTER_KEY_VARIABLE)
    settings = Settings(
        policies=Path(reader.text("policies", str(starter_policy()))),
        listen=reader.address("listen", "127.0.0.1:8484"),
        probes=reader.address("probes", "127.0.0.1:9484"),
        admin=reader.admin("127.0.0.1:9485"),
        state=reader.state(f"sqlite:///{folder / 'state.db'}"),
        audit=reader.audit(folder / "audit"),
        workers=reader.workers(),
        allow_anonymous=reader.switch("allow_anonymous"),
        folder=folder,
        master_key=Path(key) if key else folder / "master.key",
        tls=reader.tls(),
        audit_sink=reader.audit_sink(),
        audit_copies=reader.audit_copies(),
    )
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def state_folder(variables: Mapping[str, str]) -> Path:
    """The folder for state: the image's where it may be written to, else the user's own."""
    if os.access(IMAGE_FOLDER, os.W_OK | os.X_OK):
        return IMAGE_FOLDER
    base = variables.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "portcullis"


def parse_address(text: str) -> Address:
    """`127.0.0.1:8484`, `[::1]:8484`, `gateway.internal:80`. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif not _HOST.fullmatch(host):
        raise ValueError
    if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65536):
        raise ValueError
    return Address(host, int(port))


class _Reader:
    """Reads one setting after the other and collects what is wrong with them."""

    def __init__(self, given: Mapping[str, str | None], variables: Mapping[str, str]) -> None:
        self._given = given
        self._variables = variables
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        value = self._given.get(name)
        if value is None:
            value = self._variables.get(f"PORTCULLIS_{name.upper()}") or default
        return value

    def address(self, name: str, default: str) -> Address:
        text = self.text(name, default)
        try:
            return parse_address(text)
        except ValueError:
            self._wrong(name, f'expected HOST:PORT, such as "{default}", not {text!r}')
            return parse_address(default)

    def admin(self, default: str) -> Address | UnixSocket | None:
        text = self.text("admin", default)
        if text == "off":
            return None
        if text.startswith("unix:") and len(text) > 5:
            return UnixSocket(Path(text[5:]))
        return self.address("admin", default)

    def state(self, default: str) -> str:
        text = self.text("state", default)
        if text == "memory://" or re.match(r"sqlite:///.", text):
            return text
        if not is_redis(text):
            # No value: a store's address may hold a password.
            self._wrong("state", f"state is kept in sqlite:///PATH, memory://, {FORMS}")
            return default
        try:
            parse_redis_url(text, self._variables)
        except ConfigError as error:
            for problem in error.problems:
                self._wrong("state", problem.removeprefix("state: "))
            return default
        return text

    def audit(self, default: Path) -> Path:
        return default if self.audit_sink() else Path(self.text("audit", str(default)))

    def audit_sink(self) -> str:
        text = self.text("audit", "")
        return text[:-1] if text in tuple(f"{sink}:" for sink in AUDIT_SINKS) else ""

    def audit_copies(self) -> tuple[str, ...]:
        named = [each.strip() for each in self.text("audit_copy", "").split(",") if each.strip()]
        if unknown := [each for each in named if each not in AUDIT_SINKS]:
            known = ", ".join(AUDIT_SINKS)
            self._wrong("audit_copy", f"there is {known}, and no {unknown[0]!r}")
        if self.audit_sink() in named:
            self._wrong("audit_copy", f"the audit log itself goes to {self.audit_sink()} already")
        return tuple(dict.fromkeys(named))

    def tls(self) -> TlsFiles | None:
        cert, key, client_ca = (
            self.text(name, "") for name in ("tls_cert", "tls_key", "tls_client_ca")
        )
        if cert and key:
            return TlsFiles(Path(cert), Path(key), Path(client_ca) if client_ca else None)
        for name, value in (("tls_cert", cert), ("tls_key", key), ("tls_client_ca", client_ca)):
            if value:
                self._wrong(name, "TLS needs both --tls-cert and --tls-key")
        return None

    def workers(self) -> int:
        text = self.text("workers", "1")
        if text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MOST_WORKERS:
            return int(text)
        self._wrong("workers", f"expected a number from 1 to {MOST_WORKERS}, not {text!r}")
        return 1

    def switch(self, name: str) -> bool:
        text = self.text(name, "").lower()
        if text not in _TRUE + _FALSE:
            self._wrong(name, f"expected true or false, not {text!r}")
        return text in _TRUE

    def _wrong(self, name: str, message: str) -> None:
        flag = name.replace("_", "-")
        given = self._given.get(name) is not None
        self.problems.append(f"{f'--{flag}' if given else f'PORTCULLIS_{name.upper()}'}: {message}")
