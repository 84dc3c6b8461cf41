"""A tunnel: what travels in it nobody reads, so that `unscannable` decides."""

from __future__ import annotations

from gateway.dialects.base import Surface
from tests.surfaces.row import Row

_UNREAD = dict.fromkeys(
    [surface.value for surface in Surface], "nobody reads it: the rule's `unscannable` decides"
)
ROW = Row(
    provider="forward_proxy", lacks=dict.fromkeys(("requests", "answers", "streams"), _UNREAD)
)
