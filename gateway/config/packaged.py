"""Where the policies that come with the gateway are: in the wheel, or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def packaged_policies() -> Path:
    """The folder with `starter.yaml` and the others."""
    inside = _PACKAGE / "_policies"
    return inside if inside.is_dir() else _PACKAGE.parent / "policies"


def starter_policy() -> Path:
    """The policy that is used where none is given."""
    return packaged_policies() / "starter.yaml"
