"""The only place that wires things together: the supervisor's process and a worker's process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import uvloop

from gateway.admin.api import AdminApi
from gateway.admin.health import Probes
from gateway.admin.listener import Listener
from gateway.audit.chain import Seal
from gateway.audit.copies import CopyTo
from gateway.audit.heads import StoreHeads
from gateway.audit.record import Digest, make_digest
from gateway.audit.sinks import Sink, Stdout
from gateway.audit.writer import AuditWriter
from gateway.config.keys import derive, load_master_key
from gateway.config.load import load_texts
from gateway.config.settings import (
    Address,
    Settings,
    UnixSocket,
    parse_address,
    read_settings,
)
from gateway.control import GoneError, Line
from gateway.detectors.names import Names
from gateway.detectors.scan_cache import ScanCache
from gateway.errors import ConfigError
from gateway.exchange import Exchange
from gateway.identity.kept_stand_ins import KeptStandIns
from gateway.identity.session_book import SessionBook, counts_sessions, times_runs
from gateway.identity.task_outcomes import TaskOutcomes
from gateway.identity.tenant import KeyRing
from gateway.lifecycle import Supervisor, check_settings
from gateway.memory import give_back
from gateway.policy.compile import compile_policy
from gateway.policy.content_rule import ContentRule
from gateway.policy.pipeline import Pipeline
from gateway.policy.rule import Workshop
from gateway.proxy.begin import Current
from gateway.proxy.closing import Closer
from gateway.proxy.connection import Patience
from gateway.proxy.front import Front
from gateway.proxy.handler import Handler
from gateway.proxy.live import Live, TenantLive, upstream_plan
from gateway.proxy.server import DataServer
from gateway.proxy.sessions import Sessions
from gateway.proxy.tunnel import Tunnels
from gateway.proxy.upgrade import Upgrades
from gateway.sockets import bound, listen
from gateway.state.open import open_store, shown_url
from gateway.state.redis_url import is_redis
from gateway.state.same_key import check_same_key
from gateway.state.standby import StandbyStore
from gateway.state.store import Store, StoreError
from gateway.telemetry.dead_letters import DeadLetters
from gateway.telemetry.exchange_log import log_exchange
from gateway.telemetry.last_counts import LastCounts
from gateway.telemetry.logs import set_up
from gateway.telemetry.metrics import Metrics, merge, note
from gateway.telemetry.notice_delivery import Delivery
from gateway.telemetry.notices import Notifier
from gateway.telemetry.tracing import open_tracing, sent_again
from gateway.tls import server_context
from gateway.upstream.client import Client
from gateway.upstream.prices import packaged_prices
from gateway.upstream.router import Router
from gateway.upstream.tunnels import Connector
from gateway.worker import Parts, Worker, pems_of, unpacked

_log = logging.getLogger("portcullis")

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

ORPHAN_DRAIN = 10.0
"""Seconds that calls may run on when the supervisor was killed: below the time for which a new
gateway's worker waits for the audit log (`DEFAULT_LOCK_WAIT`)."""

Announce = Callable[[Settings, str], None]


# --- the supervisor's process ---


def serve(settings: Settings, flags: Mapping[str, str | None], announce: Announce) -> int:
    """Run the gateway until it is told to stop; the exit code.

    Raises:
        ConfigError: the policy, a key or a setting cannot be used.
        OSError: an address cannot be listened on, or the state folder cannot be used.
    """
    set_up()
    check_settings(settings)
    shared = is_redis(settings.state)
    load_master_key(settings.master_key, make=not shared, shared=shared)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, flags, announce))


async def _serve(settings: Settings, flags: Mapping[str, str | None], announce: Announce) -> int:
    data = listen("--listen", settings.listen)
    probes = listen("--probes", settings.probes)
    admin = listen("--admin", settings.admin) if settings.admin is not None else None
    settings = _with_ports(settings, data, probes, admin)
    supervisor = Supervisor(settings, flags, data, os.environ)
    counts = LastCounts(supervisor.samples, note)
    listeners = [Listener(Probes(supervisor, lambda: _scrape(supervisor, counts)).answer)]
    looking = asyncio.ensure_future(counts.keep_looking())
    try:
        await supervisor.start()
        assert supervisor.loaded is not None
        await listeners[0].start(probes)
        if admin is not None:
            api = AdminApi(supervisor, _admin_hosts(settings), _note_admin)
            listeners.append(Listener(api.answer))
            await listeners[1].start(admin)
        announce(settings, supervisor.loaded.digest)
        return await supervisor.run()
    finally:
        looking.cancel()
        if not supervisor.draining:
            await supervisor.drain()
        for listener in listeners:
            await listener.stop()
        if isinstance(settings.admin, UnixSocket):
            settings.admin.path.unlink(missing_ok=True)


def _with_ports(
    settings: Settings, data: socket.socket, probes: socket.socket, admin: socket.socket | None
) -> Settings:
    """The settings with the ports that the system chose."""
    where = settings.admin
    if admin is not None and isinstance(where, Address):
        where = bound(where, admin)
    return replace(
        settings,
        listen=bound(settings.listen, data),
        probes=bound(settings.probes, probes),
        admin=where,
    )


async def _scrape(supervisor: Supervisor, counts: LastCounts) -> str:
    samples, tls = await counts.look(), supervisor.tls
    tls_ok = None if tls is None else not tls.status.problems
    return merge(
        samples,
        supervisor.status,
        supervisor.crew.replaced,
        supervisor.certificates(),
        tls_ok,
        supervisor.self_check,
    )


def _admin_hosts(settings: Settings) -> frozenset[str]:
    """The names by which the admin listener may be called."""
    if isinstance(settings.admin, Address):
        return LOOPBACK_HOSTS | {settings.admin.host.lower()}
    return LOOPBACK_HOSTS


def _note_admin(name: str, what: str) -> None:
    _log.info("admin", extra={"token": name, "path": what})


# --- a worker's process ---


def main_worker(control: int, sock: int) -> int:
    """A worker: told by the supervisor over `control` what to be, serving on `sock`."""
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal's are the supervisor's to handle
        signal.signal(number, signal.SIG_IGN)
    set_up()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_work(socket.socket(fileno=control), socket.socket(fileno=sock)))


async def _work(control: socket.socket, sock: socket.socket) -> int:
    line = await Line.open(control)
    try:
        order = await line.receive()
    except GoneError:
        return 0
    try:
        worker = await _start(order, sock)
    except ConfigError as error:
        line.send({"id": order["id"], "problems": error.problems})
        await line.close()
        return 1
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.stop)
    line.send({"id": order["id"], "ready": True})
    told = loop.create_task(line.serve(worker.answer))
    stopped = loop.create_task(worker.stopped.wait())
    await asyncio.wait((told, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not worker.stopped.is_set():  # the supervisor is gone: finish what runs, and go too
        await worker.drain(ORPHAN_DRAIN)
    await line.close()
    told.cancel()
    return 0


async def _start(order: dict[str, Any], sock: socket.socket) -> Worker:
    """A worker that serves. Raises ConfigError with what stands in the way."""
    settings = read_settings(order["flags"], os.environ)
    where = parse_address(order["listen"])
    master = load_master_key(settings.master_key)
    try:
        parts, current = await build(
            settings,
            where,
            unpacked(order["texts"]),
            master,
            order["number"],
            order.get("own_ports", ()),
        )
        worker = Worker(parts, current)
        await worker.start({"listen": str(where), "policy": current.live.digest})
        tls = order.get("tls")
        await parts.server.start(sock, server_context(pems_of(tls)) if tls else None)
    except (StoreError, OSError) as error:
        raise ConfigError([str(error)]) from error
    return worker


async def build(
    settings: Settings,
    listen: Address,
    texts: dict[str, bytes],
    master: bytes,
    number: int,
    own_ports: Sequence[int] = (),
) -> tuple[Parts, Current]:
    """Every part of one worker, wired.

    Args:
        own_ports: where the gateway listens on this machine, besides `listen`.

    Raises:
        ConfigError: the policy cannot be used.
    """
    store = StandbyStore(open_store(settings.state, time.time), time.time, settings.workers)
    await store.open()
    if is_redis(settings.state):
        await check_same_key(store, derive(master, "same-key"))
    metrics = Metrics()
    cache = ScanCache(derive(master, "scan-cache"))
    metrics.watch_cache(cache)
    digest = make_digest(derive(master, "digest"))
    workshop = Workshop(
        prices=packaged_prices(),
        scope_key=derive(master, "scope"),
        pseudonym_key=derive(master, "pseudonym"),
        reader_of=Names().reader,
    )
    audit = await _audit_writer(settings, store, derive(master, "audit"), digest, number)
    metrics.watch_audit(audit)
    metrics.watch_store(store)

    def make(texts: dict[str, bytes]) -> Live:
        return _live(texts, listen, workshop, cache, digest)

    tracing = open_tracing(os.environ)
    if tracing is not None:
        metrics.watch_spans(tracing.queue)
    current = Current(make(texts), tracing)
    client = Client(sent_again if tracing is not None else None)
    delivery = Delivery(client.send, DeadLetters(settings.folder), metrics.notice)
    notifier = Notifier(lambda: current.live.file.notices, store, delivery, digest, number)
    book = SessionBook(store, derive(master, "session"))
    metrics.watch_sessions(book)
    outcomes = TaskOutcomes(store, book, metrics.task, metrics.store_failed)
    sessions = Sessions(
        book, KeptStandIns(store, derive(master, "stand-ins"), metrics.store_failed), outcomes
    )

    def observe(exchange: Exchange) -> None:
        metrics.record(exchange)
        log_exchange(exchange)
        notifier.exchange(exchange)
        if tracing is not None:
            tracing.end(exchange)

    closer = Closer(store, audit, sessions, observe, metrics.store_failed)
    metrics.watch_running(closer.running)
    handler = Handler(
        begin=current.begin,
        store=store,
        client=client,
        closer=closer,
        sessions=sessions,
        digest_key=derive(master, "credential"),
    )
    connector = Connector(frozenset({listen.port, *own_ports}))
    tunnels = Tunnels(
        handler,
        store=store,
        closer=closer,
        sessions=sessions,
        connector=connector,
        digest_key=derive(master, "credential"),
    )
    metrics.watch_tunnels(tunnels)
    front = Front(handler, tunnels, Upgrades(handler, closer=closer, client=client))

    def patience() -> Patience:
        limits = current.live.file.limits
        return Patience(limits.head_timeout, limits.body_timeout)

    server = DataServer(front.handle, patience)
    parts = Parts(
        store,
        audit,
        metrics,
        client,
        closer,
        handler,
        server,
        make,
        connector,
        notifier,
        outcomes,
        tracing,
    )
    return parts, current


def _sink(name: str) -> Sink:
    """A place for the audit log's lines besides a folder. Raises ConfigError."""
    if name == "stdout":
        return Stdout()
    from gateway.telemetry.otlp_logs import OtlpLogs  # costs memory: only where it is asked for

    return OtlpLogs()


async def _audit_writer(
    settings: Settings, store: Store, key: bytes, digest: Digest, number: int
) -> AuditWriter:
    """The writer of one worker's chain, to a folder or to a sink."""
    folder = "" if settings.audit_sink else str(await asyncio.to_thread(settings.audit.resolve))
    return AuditWriter(
        _sink(settings.audit_sink) if settings.audit_sink else settings.audit,
        key,
        StoreHeads(store, Seal(key), folder),
        digest=digest,
        name=f"worker-{number}",
        state=shown_url(settings.state),
        copies=[CopyTo(_sink(name)) for name in settings.audit_copies],
    )


def _live(
    texts: dict[str, bytes],
    listen: Address,
    workshop: Workshop,
    cache: ScanCache,
    digest: Callable[[str], str],
) -> Live:
    """Everything that follows from one policy."""
    loaded = load_texts(texts, os.environ)
    snapshot = compile_policy(loaded, workshop)
    give_back()
    file = snapshot.file
    tenants = {}
    for name, plan in snapshot.tenants.items():
        options = [rule.options for rule in plan.rules]
        tenants[name] = TenantLive(
            Pipeline(plan.rules, cache, digest),
            counts_sessions(options),
            times_runs(options),
            any(isinstance(rule, ContentRule) and rule.per_call for rule in plan.rules),
        )
    return Live(
        digest=snapshot.digest,
        file=file,
        tenants=tenants,
        router=Router(file.upstreams, snapshot.tools),
        keys=KeyRing.build(file),
        upstreams={
            name: upstream_plan(file, name, snapshot.tools[name], loaded.pems.get(name))
            for name in file.upstreams
        },
        prices=snapshot.prices,
        hosts=LOOPBACK_HOSTS | {host.lower() for host in file.listener.hosts},
        origins=frozenset(file.listener.origins),
        check_host=listen.loopback,
    )


if __name__ == "__main__":
    sys.exit(main_worker(int(sys.argv[1]), int(sys.argv[2])))
