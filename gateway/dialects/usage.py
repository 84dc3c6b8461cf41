"""What an answer tells of its use: tokens, each counted once, and what changes their price.

Other files have both from `dialects/base.py`, where all is that every dialect gives.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class UsageDetails:
    """What few answers tell of their use, and what changes its price.

    Attributes:
        parts: tokens of a sort that may have a price of its own (`audio_input`, `audio_cache_read`,
            `audio_output`, `image_input`, `image_output`, `video_input`), each a part of a count of
            the `Usage`, never beside it.
        searches: web searches that the provider ran and charges one by one.
        served: how it was served, by the request's field that asks for it (`service_tier`,
            `speed`, `inference_geo`), in the provider's words.
        steps: the inferences that made the answer, each with its model ("" for the one that
            serves), where it took several. The counts of the `Usage` are their sums.
    """

    parts: dict[str, int] = field(default_factory=dict)
    searches: int = 0
    served: dict[str, str] = field(default_factory=dict)
    steps: tuple[tuple[str, Usage], ...] = ()


@dataclass(slots=True)
class Usage:
    """Tokens of one exchange, each counted once.

    `input`: uncached input. `cache_read`, `cache_write`, `cache_write_1h`: input read from and
    written to the provider's cache. `output`: all output, `reasoning` the part of it that is
    reasoning. `estimated`: not the provider's own figures.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    details: UsageDetails | None = None

    @property
    def total_input(self) -> int:
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h

    @property
    def total(self) -> int:
        return self.total_input + self.output

    def detailed(self) -> UsageDetails:
        """The details, made where there are none yet."""
        if self.details is None:
            self.details = UsageDetails()
        return self.details
