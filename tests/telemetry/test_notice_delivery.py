"""Notices arrive in order, are tried again, and are kept where nobody takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.config.notices import Webhook
from gateway.errors import UpstreamError
from gateway.message import Headers
from gateway.telemetry import notice_delivery
from gateway.telemetry.dead_letters import DeadLetters
from gateway.telemetry.notice_delivery import Delivery
from gateway.telemetry.notice_formats import Notice
from gateway.upstream.way import Way
from gateway.verdict import Reason

HOOK = Webhook.model_validate(
    {"name": "ops", "url": "http://127.0.0.1:1/in?token=t", "secret": "s" * 16}
)
Outcome = int | Exception


class Answer:
    def __init__(self, status: int) -> None:
        self.status = status

    async def read(self) -> bytes:
        return b""


class Place:
    """Webhooks that answer as told, the last word again and again."""

    def __init__(self, folder: Path, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[tuple[Way, str, Headers, bytes]] = []
        self.counted: list[tuple[str, str]] = []
        self.letters = DeadLetters(folder)
        self.delivery = Delivery(self._send, self.letters, self._count)

    async def _send(
        self, method: str, way: Way, target: str, headers: Headers, body: bytes, *_: Any
    ) -> Any:
        self.asked.append((way, target, headers, body))
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return Answer(outcome)

    def _count(self, event: str, outcome: str) -> None:
        self.counted.append((event, outcome))

    def ids(self) -> list[str]:
        return [headers.get("webhook-id") for _, _, headers, _ in self.asked]


def notice(number: int) -> Notice:
    return Notice(f"ntc_{number}", "test", "2026-11-21T09:30:00.000Z", "text")


AWAY = UpstreamError(Reason.UPSTREAM_UNREACHABLE, "away")


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[float]], None]:
    def put(pauses: Sequence[float]) -> None:
        monkeypatch.setattr(notice_delivery, "PAUSES", tuple(pauses))

    put((0.0, 0.0, 0.0, 0.0))
    return put


pytestmark = pytest.mark.usefixtures("no_pauses")


def play(place: Place, *numbers: int, limit: float = 5.0) -> None:
    async def run() -> None:
        for number in numbers:
            place.delivery.put(HOOK, notice(number))
        lanes = place.delivery._lanes.values()
        await asyncio.gather(*[lane.task for lane in lanes if lane.task is not None])
        await place.delivery.close(limit)

    asyncio.run(run())


def test_notices_arrive_in_order_at_the_address_with_its_query(tmp_path: Path) -> None:
    place = Place(tmp_path, 200)
    play(place, 1, 2, 3)
    assert place.ids() == ["ntc_1", "ntc_2", "ntc_3"]
    way, target, headers, _ = place.asked[0]
    assert (way.base, target) == ("http://127.0.0.1:1", "/in?token=t")
    assert headers.get("webhook-signature").startswith("v1,")
    assert place.counted == [("test", "sent")] * 3
    assert place.letters.read() == []


def test_a_webhook_that_stumbles_is_asked_again_with_the_same_id(tmp_path: Path) -> None:
    place = Place(tmp_path, 503, AWAY, 429, 200)
    play(place, 1)
    assert place.ids() == ["ntc_1"] * 4
    assert place.counted == [("test", "sent")]


def test_after_its_attempts_a_notice_is_kept_and_later_ones_get_one_each(tmp_path: Path) -> None:
    place = Place(tmp_path, AWAY)
    play(place, 1, 2)
    assert place.ids() == ["ntc_1"] * 5 + ["ntc_2"]
    kept = place.letters.read()
    assert [letter.notice.id for letter in kept] == ["ntc_1", "ntc_2"]
    assert kept[0].why == "upstream_unreachable"
    assert place.counted == [("test", "undelivered")] * 2


def test_a_webhook_that_is_back_gets_all_attempts_again(tmp_path: Path) -> None:
    place = Place(tmp_path, *[AWAY] * 5, 200, AWAY, 200)
    play(place, 1, 2, 3)
    assert place.ids() == ["ntc_1"] * 5 + ["ntc_2", "ntc_3", "ntc_3"]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_a_refusal_is_final(tmp_path: Path, status: int) -> None:
    place = Place(tmp_path, status)
    play(place, 1)
    assert len(place.asked) == 1
    assert place.letters.read()[0].why == f"status {status}"


def test_what_finds_no_room_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_delivery, "MOST_WAITING", 2)
    place = Place(tmp_path, 200)
    play(place, 1, 2, 3)
    assert place.ids() == ["ntc_1", "ntc_2"]
    assert [letter.notice.id for letter in place.letters.read()] == ["ntc_3"]


def test_a_stop_keeps_what_is_still_to_be_sent(
    tmp_path: Path, no_pauses: Callable[[Sequence[float]], None]
) -> None:
    no_pauses((60.0,))
    place = Place(tmp_path, AWAY)

    async def run() -> None:
        for number in (1, 2):
            place.delivery.put(HOOK, notice(number))
        await asyncio.sleep(0.01)
        await place.delivery.close(0.01)
        place.delivery.put(HOOK, notice(3))

    asyncio.run(run())
    assert [letter.notice.id for letter in place.letters.read()] == ["ntc_1", "ntc_2", "ntc_3"]


def test_a_file_that_cannot_be_written_is_counted_as_a_loss(tmp_path: Path) -> None:
    place = Place(tmp_path / "nowhere", 404)
    play(place, 1)
    assert place.counted == [("test", "dropped")]
