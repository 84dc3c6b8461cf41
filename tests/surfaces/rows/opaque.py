"""What no dialect reads: there is no surface to put a rule on, so `unscannable` decides."""

from __future__ import annotations

from gateway.dialects.base import Surface
from tests.surfaces.row import Row

_UNREAD = dict.fromkeys(
    [surface.value for surface in Surface], "nobody reads it: the rule's `unscannable` decides"
)
ROW = Row(provider="openai", lacks=dict.fromkeys(("requests", "answers", "streams"), _UNREAD))
