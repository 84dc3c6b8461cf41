"""What is remembered of sessions: when they began, when they were last seen, how long they worked.

Rules of this file:
- A session that was silent for `idle`, or is older than `max`, has ended; the next call of the
  same name begins a new one, with another key, so that nothing counted for the old one holds.
- Where a rule counts per session (`shared`), the store says when a session began, so that all
  workers agree and a restart changes nothing. It is asked when a worker first meets a
  session, and told that the session lives at most once in `idle`/30 (a minute by default). A
  session therefore never ends early, and at most that much late.
- Elsewhere nothing depends on it, and no call waits for the store.
- The book is bounded. Who is forgotten is found again in the store.
- A store that does not answer is counted in `failures`. A session that is met meanwhile begins
  here, and is told to the store as it began when that is back; the store's own, if it knows one,
  wins then.
- `begun` counts sessions where they began: of one that the store knows, in one worker only.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.config.policy_file import Sessions
from gateway.config.rule_options import RuleOptions
from gateway.dialects.base import Call, StepKind
from gateway.exchange import Exchange
from gateway.identity import session
from gateway.identity.mac import mac
from gateway.identity.task_outcomes import Facts
from gateway.state.store import Store, StoreError

PAUSE = 120.0
"""Seconds between an answer and the next request of a run that still count as work (a tool
runs); a longer gap is a pause."""

_RUNS = 8  # runs of one session whose time is kept: subagents share their parent's session
_EPOCHS = 4  # ends of one session that are followed in the store before giving up
_RECORD = struct.Struct("<qq16sqq")  # start, last, run, active, ended: milliseconds


def counts_sessions(rules: Iterable[RuleOptions]) -> bool:
    """Whether a rule keeps anything per session, so that workers must agree on sessions."""
    for options in rules:
        per = getattr(options, "per", ())
        if per == "session" or (not isinstance(per, str) and "session" in (per or ())):
            return True
        if getattr(options, "window", None) == "session" or times_runs((options,)):
            return True
    return False


def times_runs(rules: Iterable[RuleOptions]) -> bool:
    """Whether a rule limits active time, so that it must be kept."""
    return any(getattr(options, "max_active", None) is not None for options in rules)


@dataclass(slots=True)
class Run:
    """The work since one human message: active seconds, and when its last answer ended."""

    active: float = 0.0
    ended: float = 0.0


@dataclass(slots=True)
class Entry:
    """One living session. Times are unix seconds; `stored` is when the store was last told.
    `calls` and `cost` (nano-dollars) are of the calls that ended in this worker."""

    name: str
    key: str
    start: float
    last: float
    stored: float = 0.0
    calls: int = 0
    cost: int = 0
    runs: OrderedDict[str, Run] = field(default_factory=OrderedDict)


@dataclass(slots=True)
class Visit:
    """One call inside a session, from `enter` to `leave`."""

    entry: Entry
    settings: Sessions
    shared: bool
    run: Run | None


class SessionBook:
    """The sessions that one worker knows. One for the life of the process."""

    def __init__(self, store: Store, key: bytes, capacity: int = 20_000) -> None:
        self._store = store
        self._key = key
        self._capacity = capacity
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._answers: OrderedDict[str, str] = OrderedDict()
        self.failures = 0
        self.begun = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def enter(
        self, exchange: Exchange, settings: Sessions, *, shared: bool, timed: bool = False
    ) -> Visit:
        """Find the session of a call, and write its key and source into `exchange.identity`.

        Args:
            shared: `counts_sessions` of the rules that apply.
            timed: `times_runs` of them: `exchange.active_seconds` is then filled.
        """
        identity, call = exchange.identity, exchange.call
        source, given = session.claimed(
            exchange.request.headers, call, cache_keys=settings.prompt_cache_key
        )
        identity.session_source = source
        name = ""
        if source == session.PREVIOUS:
            name = await self._session_of_answer(exchange, given)
        name = name or session.session_key(self._key, identity, source, given)
        now = exchange.started
        entry = self._entries.get(name)
        if entry is None or (shared and not entry.stored) or _over(entry, now, settings):
            entry = await self._find(name, now, settings, shared)
        else:
            entry.last = max(entry.last, now)
            self._entries.move_to_end(name)
        identity.session = entry.key
        run = None
        if timed and call is not None:
            run = _run_of(entry, call)
            _resume(run, exchange.now)
            exchange.active_seconds = run.active
        return Visit(entry, settings, shared, run)

    async def leave(
        self, exchange: Exchange, visit: Visit, ended: float, *, held: float = 0.0
    ) -> None:
        """Note that a call's answer has ended, at unix time `ended`.

        Args:
            held: seconds for which the gateway itself kept the call waiting; they are no work.
        """
        entry, run = visit.entry, visit.run
        entry.last = max(entry.last, ended)
        entry.calls += 1
        entry.cost += exchange.cost or 0
        if run is not None:
            begun = max(exchange.started, run.ended)  # parallel calls work once
            run.active += max(0.0, ended - begun - held)
            run.ended = max(run.ended, ended)
        # What the store does not know yet is begun there by the next call, never overwritten.
        if visit.shared and entry.stored and ended - entry.stored >= _refresh(visit.settings):
            await self._save(entry, visit.settings)
        if _may_be_continued(exchange):
            await self._remember_answer(exchange, entry.name, visit.settings)

    def facts(self, session: str) -> Facts | None:
        """What this worker saw of a session, None where it does not know it.

        Args:
            session: its key. Looks through all entries: not for the path of a call.
        """
        for entry in self._entries.values():
            if entry.key == session:
                return Facts(entry.calls, entry.cost, entry.start, entry.last)
        return None

    # --- sessions ---

    async def _find(self, name: str, now: float, settings: Sessions, shared: bool) -> Entry:
        """A session that this worker does not know to be alive: its entry, from now on known."""
        if shared:
            try:
                fresh = await self._open(name, now, settings)
            except StoreError:
                self.failures += 1
                start = self._began_here(name, now, settings)
                self.begun += start == now
                fresh = Entry(name, self._epoch_key(name, start), start, now)
            entry = self._entries.get(name)
            if entry is not None and entry.key == fresh.key:
                entry.stored = max(entry.stored, fresh.stored)
                entry.last = max(entry.last, now)
                return entry  # another call of this worker was first
        else:
            again = name in self._entries
            self.begun += 1
            fresh = Entry(name, self._epoch_key(name, now) if again else name, now, now)
        self._entries[name] = fresh
        self._entries.move_to_end(name)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        return fresh

    async def _open(self, name: str, now: float, settings: Sessions) -> Entry:
        """Ask the store for a session, and begin it there if there is none or it has ended."""
        start = self._began_here(name, now, settings)
        mine = Entry(name, self._epoch_key(name, start), start, now, stored=now)
        place, ttl, slack = f"session:{name}", _ttl(settings), _refresh(settings)
        known = await self._begin(place, mine, ttl)
        for _ in range(_EPOCHS):
            if known is mine or not _over(known, now, settings, slack):
                break
            # The first worker to see that it has ended begins the next; the others find that.
            known = await self._begin(f"{place}:{round(known.start * 1000)}", mine, ttl)
            if known is mine:
                await self._store.put(place, _pack(mine), ttl)
        known.last = max(known.last, now)
        self.begun += known is mine and start == now
        return known

    def _began_here(self, name: str, now: float, settings: Sessions) -> float:
        """When a session that the store has not been told of began: while it was away, or now."""
        known = self._entries.get(name)
        if known is None or known.stored or _over(known, now, settings):
            return now
        return known.start

    async def _begin(self, place: str, mine: Entry, ttl: float) -> Entry:
        """Put an entry at a place of the store, or find the one that was there first."""
        if await self._store.add(place, _pack(mine), ttl):
            return mine
        return self._unpack(mine.name, await self._store.get(place)) or mine

    async def _save(self, entry: Entry, settings: Sessions) -> None:
        if self._entries.get(entry.name, entry) is not entry:
            return  # the call outlived its session: the record is the next one's
        entry.stored = entry.last
        try:
            await self._store.put(f"session:{entry.name}", _pack(entry), _ttl(settings))
        except StoreError:
            self.failures += 1

    def _epoch_key(self, name: str, start: float) -> str:
        return "s_" + mac(self._key, "epoch", name, str(round(start * 1000)))

    def _unpack(self, name: str, raw: bytes | None) -> Entry | None:
        if raw is None or len(raw) != _RECORD.size:
            return None
        start, last, run, active, ended = _RECORD.unpack(raw)
        entry = Entry(
            name, self._epoch_key(name, start / 1000), start / 1000, last / 1000, last / 1000
        )
        marker = run.rstrip(b"\0").decode("ascii", "replace")
        if marker:
            entry.runs[marker] = Run(active / 1000, ended / 1000)
        return entry

    # --- answers that a later request continues ---

    async def _session_of_answer(self, exchange: Exchange, answer_id: str) -> str:
        """The name of the session that gave an answer, "" where nobody remembers it."""
        place = session.answer_key(self._key, exchange.identity, answer_id)
        name = self._answers.get(place)
        if name is not None:
            return name
        try:
            raw = await self._store.get(place)
        except StoreError:
            self.failures += 1
            return ""
        return raw.decode("ascii", "replace") if raw is not None else ""

    async def _remember_answer(self, exchange: Exchange, name: str, settings: Sessions) -> None:
        place = session.answer_key(self._key, exchange.identity, exchange.answer_id)
        self._answers[place] = name
        if len(self._answers) > self._capacity:
            self._answers.popitem(last=False)
        try:
            await self._store.put(place, name.encode(), _ttl(settings))
        except StoreError:
            self.failures += 1


def _may_be_continued(exchange: Exchange) -> bool:
    """Whether a later request may name this answer, and nothing else, to go on."""
    call, source = exchange.call, exchange.identity.session_source
    return (
        call is not None
        and bool(exchange.answer_id)
        and call.dialect == "openai_responses"
        and source in (session.PREVIOUS, session.DERIVED)
        and call.get_field("store") is not False
    )


def _over(entry: Entry, now: float, settings: Sessions, slack: float = 0.0) -> bool:
    return now - entry.last > settings.idle + slack or now - entry.start > settings.max


def _refresh(settings: Sessions) -> float:
    return min(60.0, settings.idle / 30)


def _ttl(settings: Sessions) -> float:
    return max(settings.idle, settings.max) + 2 * _refresh(settings)


def _pack(entry: Entry) -> bytes:
    marker, run = next(reversed(entry.runs.items())) if entry.runs else ("", Run())
    return _RECORD.pack(
        round(entry.start * 1000),
        round(entry.last * 1000),
        marker.encode(),
        round(run.active * 1000),
        round(run.ended * 1000),
    )


def _run_of(entry: Entry, call: Call) -> Run:
    """The run that a call belongs to: the conversation, and how many human messages it has.

    A call that continues a history which the provider keeps shows only what is new: without a
    human message it goes on with the latest run, with one it begins another.
    """
    humans = sum(step.kind is StepKind.HUMAN for step in call.steps)
    if call.previous_id and not humans and entry.runs:
        return next(reversed(entry.runs.values()))
    begins = call.previous_id or session.opening(call)
    marker = mac(b"run", begins, str(humans))[:16]
    run = entry.runs.setdefault(marker, Run())
    entry.runs.move_to_end(marker)
    if len(entry.runs) > _RUNS:
        entry.runs.popitem(last=False)
    return run


def _resume(run: Run, now: float) -> None:
    """Count the gap since the run's last answer, unless it was a pause."""
    gap = now - run.ended
    if run.ended and 0 < gap <= PAUSE:
        run.active += gap
        run.ended = now
