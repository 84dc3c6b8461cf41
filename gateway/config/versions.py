"""Earlier versions of the policy, kept so that `portcullis rollback` can return to one.

In the state folder: `policy/<hex digest>.json` a version's files, `policy/index.json` their order
and what is served, `policy/pin.json` the version that an operator has pinned.

Rules of this file:
- Only the supervisor writes versions and the index; `rollback` only writes the pin.
- Every file appears whole or not at all.
- A pin holds until the operator's own files change: what was written last is what counts.
- The files may hold secrets that an operator wrote in plain, so they are mode 0600. Files that are
  attached to a policy (`config/attached.py`) MUST NOT be handed in: of these only the name is kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError

MOST_VERSIONS = 20


@dataclass(frozen=True, slots=True)
class Version:
    """A kept policy: its digest, and the unix time at which it was first served."""

    digest: str
    since: float


@dataclass(frozen=True, slots=True)
class Pin:
    """A version that is served instead of the operator's files while these have `fingerprint`."""

    digest: str
    fingerprint: str


def fingerprint(texts: Mapping[str, bytes]) -> str:
    """A digest of names and bytes: changes whenever the operator touches anything."""
    whole = hashlib.sha256()
    for name, text in sorted(texts.items()):
        whole.update(f"{len(name.encode())}:{len(text)}:".encode() + name.encode() + text)
    return whole.hexdigest()


class Versions:
    """The versions in one state folder."""

    def __init__(self, folder: Path, keep: int = MOST_VERSIONS) -> None:
        self._folder = folder / "policy"
        self._keep = keep

    # --- for the supervisor ---

    def choose(self, texts: Mapping[str, bytes]) -> tuple[dict[str, bytes], str]:
        """What to serve, given the operator's files: these, or the pinned version.

        Returns the files and the digest of the pin that holds, "" without one. A pin whose
        operator's files have changed since, or whose version is gone, is dropped.
        """
        pin = self.pinned()
        if pin is not None and pin.fingerprint == fingerprint(texts):
            pinned = self.texts(pin.digest)
            if pinned is not None:
                return pinned, pin.digest
        if pin is not None:
            self.unpin()
        return dict(texts), ""

    def serve(
        self, digest: str, texts: Mapping[str, bytes], source: Mapping[str, bytes], now: float
    ) -> None:
        """Remember what is served from now on.

        Args:
            texts: the files of the version served.
            source: the operator's files, which differ where a version is pinned.
            now: unix seconds.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        index = self._index()
        versions = [v for v in index["versions"] if isinstance(v, dict)]
        known = [v["digest"] for v in versions]
        pin = self.pinned()
        # A version that is served because it is pinned keeps its place in the order, so that the
        # next rollback goes further back.
        if digest not in known or (pin is None and known[-1] != digest):
            versions = [v for v in versions if v["digest"] != digest]
            versions.append({"digest": digest, "since": now})
        self._write_version(digest, texts)
        dropped = versions[: -self._keep]
        current = {
            "versions": versions[-self._keep :],
            "current": digest,
            "fingerprint": fingerprint(source),
        }
        _write(self._folder / "index.json", current)
        for version in dropped:
            self._file(version["digest"]).unlink(missing_ok=True)

    def note_source(self, source: Mapping[str, bytes]) -> None:
        """Remember the operator's files as they are now though they cannot be served, so that a
        pin that is made from now on holds against them."""
        index = self._index()
        if index["versions"] and index["fingerprint"] != fingerprint(source):
            _write(self._folder / "index.json", {**index, "fingerprint": fingerprint(source)})

    # --- for `rollback` ---

    def history(self) -> list[Version]:
        """The kept versions, oldest first."""
        return [Version(v["digest"], float(v["since"])) for v in self._index()["versions"]]

    def current(self) -> str | None:
        """The digest of what is served, or was when the gateway last ran."""
        current: str | None = self._index()["current"]
        return current

    def previous(self) -> str | None:
        """The digest of the version before the current one."""
        digests = [version.digest for version in self.history()]
        current = self.current()
        if current not in digests:
            return None
        at = digests.index(current)
        return digests[at - 1] if at else None

    def find(self, digest: str) -> str | None:
        """The full digest of the one version that begins so (`sha256:` may be left out)."""
        wanted = digest if digest.startswith("sha256:") else f"sha256:{digest}"
        found = [v.digest for v in self.history() if v.digest.startswith(wanted)]
        return found[0] if len(found) == 1 else None

    def pin(self, digest: str) -> None:
        """Have a kept version served; a running gateway notices. Raises ConfigError."""
        index = self._index()
        if self.texts(digest) is None:
            raise ConfigError([f"policy version {digest} is not kept any more"])
        _write(self._folder / "pin.json", {"digest": digest, "fingerprint": index["fingerprint"]})

    def unpin(self) -> None:
        """Serve the operator's files again."""
        (self._folder / "pin.json").unlink(missing_ok=True)

    def pinned(self) -> Pin | None:
        found = _read(self._folder / "pin.json")
        try:
            return Pin(str(found["digest"]), str(found["fingerprint"]))
        except (KeyError, TypeError):
            return None

    # --- files ---

    def _index(self) -> dict[str, Any]:
        found = _read(self._folder / "index.json")
        if isinstance(found, dict) and {"versions", "current", "fingerprint"} <= found.keys():
            return found
        return {"versions": [], "current": None, "fingerprint": ""}

    def _file(self, digest: str) -> Path:
        name = digest.removeprefix("sha256:")
        if not name.isalnum():
            raise ConfigError([f"{digest!r} is no policy version"])
        return self._folder / f"{name}.json"

    def texts(self, digest: str) -> dict[str, bytes] | None:
        """The files of a kept version; None where it is not kept, or cannot be read."""
        found = _read(self._file(digest))
        try:
            return {name: base64.b64decode(text) for name, text in found["files"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def _write_version(self, digest: str, texts: Mapping[str, bytes]) -> None:
        files = {name: base64.b64encode(text).decode() for name, text in texts.items()}
        _write(self._file(digest), {"digest": digest, "files": files})


def _read(path: Path) -> Any:
    """A JSON file's value; None where there is none, or none that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _write(path: Path, value: object) -> None:
    own = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        own.replace(path)
    except OSError:
        own.unlink(missing_ok=True)
        raise
