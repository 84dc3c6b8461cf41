"""The only place that wires things together: the supervisor's process and a worker's process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import uvloop

from gateway.admin.api import AdminApi
from gateway.admin.health import Probes
from gateway.admin.listener import Listener
from gateway.audit.chain import Seal
from gateway.audit.heads import StoreHeads
from gateway.audit.record import make_digest
from gateway.audit.writer import AuditWriter
from gateway.config.keys import derive, load_master_key
from gateway.config.load import load_texts
from gateway.config.settings import Address, Settings, parse_address, read_settings
from gateway.control import GoneError, Line
from gateway.detectors.scan_cache import ScanCache
from gateway.errors import ConfigError
from gateway.exchange import Exchange
from gateway.identity.session_book import SessionBook, counts_sessions, times_runs
from gateway.identity.tenant import KeyRing
from gateway.lifecycle import Supervisor
from gateway.policy.compile import compile_policy
from gateway.policy.pipeline import Pipeline
from gateway.policy.rule import Workshop
from gateway.proxy.closing import Closer
from gateway.proxy.handler import Handler
from gateway.proxy.live import Live, TenantLive, upstream_plan
from gateway.proxy.server import DataServer
from gateway.proxy.sessions import Sessions
from gateway.state.open import open_store
from gateway.telemetry.exchange_log import log_exchange
from gateway.telemetry.logs import set_up
from gateway.telemetry.metrics import Metrics, merge
from gateway.upstream.client import Client
from gateway.upstream.prices import packaged_prices
from gateway.upstream.router import Router
from gateway.worker import Current, Parts, Worker

_log = logging.getLogger("portcullis")

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

Announce = Callable[[Settings, str], None]


# --- the supervisor's process ---


def serve(settings: Settings, flags: Mapping[str, str | None], announce: Announce) -> int:
    """Run the gateway until it is told to stop; the exit code.

    Raises:
        ConfigError: the policy, a key or a setting cannot be used.
        OSError: an address cannot be listened on.
    """
    set_up()
    load_master_key(settings.master_key, make=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, flags, announce))


async def _serve(settings: Settings, flags: Mapping[str, str | None], announce: Announce) -> int:
    _check_settings(settings)
    data = _listen(settings.listen)
    probes = _listen(settings.probes)
    where = settings.admin
    admin = _listen(where) if isinstance(where, Address) else where.path if where else None
    settings = _with_ports(settings, data, probes)
    supervisor = Supervisor(settings, flags, data, os.environ)
    listeners: list[Listener] = []
    try:
        await supervisor.start()
        assert supervisor.loaded is not None
        _check_anonymous(settings, supervisor)

        async def exposition() -> str:
            return merge(await supervisor.samples(), supervisor.status)

        listeners.append(Listener(Probes(supervisor, exposition).answer))
        await listeners[0].start(probes)
        if admin is not None:
            listeners.append(Listener(AdminApi(supervisor, LOOPBACK_HOSTS, _note_admin).answer))
            await listeners[1].start(admin)
        announce(settings, supervisor.loaded.digest)
        return await supervisor.run()
    finally:
        if not supervisor.draining:
            await supervisor.drain()
        for listener in listeners:
            await listener.stop()


def _listen(address: Address) -> socket.socket:
    """A listening socket. Raises OSError that names the address."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address.host, address.port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise OSError(f"{address}: {error.strerror or error}") from None
    sock.setblocking(False)
    return sock


def _with_ports(settings: Settings, data: socket.socket, probes: socket.socket) -> Settings:
    """The settings with the ports that the system chose."""
    return replace(
        settings,
        listen=Address(settings.listen.host, data.getsockname()[1]),
        probes=Address(settings.probes.host, probes.getsockname()[1]),
    )


def _check_settings(settings: Settings) -> None:
    if settings.state == "memory://" and settings.workers > 1:
        raise ConfigError(
            ["--state memory:// is one process's own: use sqlite:///PATH with more than one worker"]
        )


def _check_anonymous(settings: Settings, supervisor: Supervisor) -> None:
    """A caller without a key must not spend the operator's credential from elsewhere."""
    assert supervisor.loaded is not None
    file = supervisor.loaded.file
    if settings.listen.loopback or settings.allow_anonymous or file.default_tenant is None:
        return
    paying = sorted(name for name, up in file.upstreams.items() if up.credential is not None)
    if paying:
        raise ConfigError(
            [
                f"--listen {settings.listen} is not loopback, default_tenant lets callers in "
                f"without a key, and the upstream {paying[0]!r} has a credential that they would "
                "spend: take default_tenant out, or say --allow-anonymous"
            ]
        )


def _note_admin(name: str, what: str) -> None:
    _log.info("admin", extra={"token": name, "path": what})


# --- a worker's process ---


def main_worker(control: int, sock: int) -> int:
    """A worker: told by the supervisor over `control` what to be, serving on `sock`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the supervisor's to handle
    set_up()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_work(socket.socket(fileno=control), socket.socket(fileno=sock)))


async def _work(control: socket.socket, sock: socket.socket) -> int:
    control.setblocking(False)
    line = await Line.open(control)
    try:
        order = await line.receive()
    except GoneError:
        return 0
    try:
        worker, server = await _start(order)
        await server.start(sock)
    except (ConfigError, OSError) as error:
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        line.send({"id": order["id"], "problems": problems})
        await asyncio.sleep(0.1)
        return 1
    loop = asyncio.get_running_loop()
    drains: list[asyncio.Task[None]] = []
    loop.add_signal_handler(
        signal.SIGTERM, lambda: drains.append(loop.create_task(worker.drain(10.0)))
    )
    line.send({"id": order["id"], "ready": True})
    await line.serve(worker.answer)
    if not worker.stopped.is_set():  # the supervisor is gone: finish what runs, and go too
        await worker.drain(10.0)
    return 0


async def _start(order: dict[str, object]) -> tuple[Worker, DataServer]:
    flags = order["flags"]
    assert isinstance(flags, dict)
    settings = read_settings(flags, os.environ)
    listen = parse_address(str(order["listen"]))
    texts = {name: text.encode() for name, text in order["texts"].items()}  # type: ignore[attr-defined]
    number = int(str(order["number"]))
    master = load_master_key(settings.master_key)
    parts, current = await build(settings, listen, texts, master, number)
    worker = Worker(parts, current, number=number)
    await worker.start({"listen": str(listen), "policy": current.live.digest})
    return worker, parts.server


async def build(
    settings: Settings, listen: Address, texts: dict[str, bytes], master: bytes, number: int
) -> tuple[Parts, Current]:
    """Every part of one worker, wired. Raises ConfigError."""
    store = open_store(settings.state, time.time)
    await store.open()
    metrics = Metrics()
    cache = ScanCache(derive(master, "scan-cache"))
    metrics.watch_cache(cache)
    digest = make_digest(derive(master, "digest"))
    workshop = Workshop(prices=packaged_prices(), scope_key=derive(master, "scope"))
    audit_key = derive(master, "audit")
    audit = AuditWriter(
        settings.audit,
        audit_key,
        StoreHeads(store, Seal(audit_key), str(Path(settings.audit).resolve())),
        digest=digest,
        name=f"worker-{number}",
        state=settings.state,
    )
    metrics.watch_audit(audit)

    def make(texts: dict[str, bytes]) -> Live:
        return _live(texts, listen, workshop, cache, digest)

    current = Current(make(texts))
    sessions = Sessions(SessionBook(store, derive(master, "session")))

    def observe(exchange: Exchange) -> None:
        metrics.record(exchange)
        log_exchange(exchange)

    closer = Closer(store, audit, sessions, observe, metrics.store_failed)
    metrics.watch_running(closer.running)
    client = Client()
    handler = Handler(
        begin=current.begin,
        store=store,
        client=client,
        closer=closer,
        sessions=sessions,
        digest_key=derive(master, "credential"),
    )
    parts = Parts(store, audit, metrics, client, closer, handler, DataServer(handler.handle), make)
    return parts, current


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
    file = snapshot.file
    tenants = {}
    for name, plan in snapshot.tenants.items():
        options = [rule.options for rule in plan.rules]
        tenants[name] = TenantLive(
            Pipeline(plan.rules, cache, digest), counts_sessions(options), times_runs(options)
        )
    return Live(
        digest=snapshot.digest,
        file=file,
        tenants=tenants,
        router=Router(file.upstreams),
        keys=KeyRing.build(file),
        upstreams={name: upstream_plan(file, name) for name in file.upstreams},
        prices=snapshot.prices,
        hosts=LOOPBACK_HOSTS | {host.lower() for host in file.listener.hosts},
        origins=frozenset(file.listener.origins),
        check_host=listen.loopback,
    )


if __name__ == "__main__":
    sys.exit(main_worker(int(sys.argv[1]), int(sys.argv[2])))
