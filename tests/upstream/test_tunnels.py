"""The far end of a tunnel: exactly the address that was checked, or none."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from gateway.errors import CallerError, GatewayError, UpstreamError
from gateway.upstream.tunnels import MOST_ADDRESSES, Connector, FarEnd
from gateway.verdict import Reason

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]


def giving(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


async def connect(
    connector: Connector, host: str, port: int, opened: Sequence[ipaddress.IPv4Network] = ()
) -> FarEnd:
    far = await connector.connect(host, port, opened or LOOPBACK, 20.0)
    far.duplex.abort()
    await asyncio.sleep(0)
    return far


def failure(connector: Connector, host: str, port: int = 443, **more: float) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        asyncio.run(connector.connect(host, port, (), more.get("timeout", 20.0)))
    return caught.value


def test_the_first_address_that_answers_is_taken() -> None:
    async def scene() -> FarEnd:
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connector = Connector(frozenset(), giving("::1", "127.0.0.2", "127.0.0.1"))
        try:
            return await connect(connector, "some.example", port)
        finally:
            server.close()

    assert asyncio.run(scene()).address == "127.0.0.1"


def test_an_address_that_never_answers_leaves_time_for_the_next() -> None:
    async def scene() -> FarEnd:
        loop = asyncio.get_running_loop()
        connecting = loop.create_connection

        async def create_connection(make: Any, host: str, port: int, **more: Any) -> Any:
            if host == "127.0.0.3":
                await asyncio.sleep(3600)
            return await connecting(make, host, port, **more)

        loop.create_connection = create_connection  # type: ignore[method-assign, assignment]
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connector = Connector(frozenset(), giving("127.0.0.3", "127.0.0.1"))
        try:
            far = await connector.connect("some.example", port, LOOPBACK, 0.5)
        finally:
            server.close()
        far.duplex.abort()
        return far

    assert asyncio.run(scene()).address == "127.0.0.1"


def test_an_address_is_not_resolved() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("nobody asked for a name")

    async def scene() -> FarEnd:
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await connect(Connector(frozenset(), resolve), "127.0.0.1", port)
        finally:
            server.close()

    assert asyncio.run(scene()).address == "127.0.0.1"


def test_names_are_resolved_by_the_system() -> None:
    async def scene() -> list[str]:
        return await Connector(frozenset()).resolve("localhost", 443)

    found = asyncio.run(scene())
    assert set(found) <= {"127.0.0.1", "::1"}
    assert found


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["fe80::1%lo"]])
def test_one_bad_address_is_enough(addresses: list[str]) -> None:
    error = failure(Connector(frozenset(), giving(*addresses)), "a.example")
    assert isinstance(error, CallerError)
    assert error.reason is Reason.ADDRESS_DENIED
    assert not any(address in error.message for address in addresses)


def test_no_address_and_too_many_are_unreachable() -> None:
    for addresses in ((), tuple(f"1.1.1.{n}" for n in range(MOST_ADDRESSES + 1))):
        error = failure(Connector(frozenset(), giving(*addresses)), "a.example")
        assert isinstance(error, UpstreamError)
        assert error.reason is Reason.UPSTREAM_UNREACHABLE


def test_an_unknown_name_and_a_slow_resolver_have_their_own_words() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async def never(host: str, port: int) -> list[str]:
        await asyncio.sleep(3600)
        return []

    assert "no such name" in failure(Connector(frozenset(), unknown), "a.example").message
    error = failure(Connector(frozenset(), never), "a.example", timeout=0.01)
    assert (error.reason, error.status) == (Reason.UPSTREAM_TIMEOUT, 504)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1"])
def test_the_gateways_own_ports_are_not_reached_on_this_machine(address: str) -> None:
    async def scene() -> None:
        connector = Connector(frozenset({8484}), giving(address))
        with pytest.raises(CallerError) as caught:
            await connector.connect("a.example", 8484, LOOPBACK, 20.0)
        assert caught.value.reason is Reason.ADDRESS_DENIED

    asyncio.run(scene())
