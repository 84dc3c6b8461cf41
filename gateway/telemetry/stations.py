"""Where the time of an exchange goes: the stations whose durations it counts.

The count begins when the request's head is there. A station lasts from the moment the one before it
was left to the moment it is left itself (`Exchange.mark`), on a monotonic clock, so that all of
them add up to the whole; a call that waits, or that other calls keep waiting, is on the clock too.
"""

from __future__ import annotations

UPSTREAM = "upstream"

STATIONS = (
    "identify",
    "read",
    "decode",
    "session",
    "rules",
    "open",
    "upstream",
    "answer",
    "answer_rules",
    "settle",
    "record",
)
"""The stations in their order, as marks, metrics and records name them.

`read`: the request's body has come. `rules`: the policy on the request. `open`: the audit's
opening line. `upstream`: until the head of upstream's answer is there. `answer`: until its body
is; of a stream, until its last piece went through the rules. `answer_rules`: the policy on a whole
answer. `settle`: what was reserved is put right. `record`: the audit's closing line.
"""
