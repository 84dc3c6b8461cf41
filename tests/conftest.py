"""What all tests share."""

from __future__ import annotations

import pytest

LONGEST_ID = 40


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Short and steady ids: a body or a fresh key in a test's name differs from process to process,
    and then the tests cannot be dealt out to several."""
    if isinstance(val, bytes) or (
        isinstance(val, str) and (len(val) > LONGEST_ID or "ptc_" in val)
    ):
        return argname
    return None
