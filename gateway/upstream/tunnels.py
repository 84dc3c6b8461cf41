"""The far end of a tunnel: a TCP connection to exactly the address that was checked.

Rules of this file:
- A host is resolved once. Every address it has must be one that may be reached, else none is:
  what a resolver says the next time (DNS rebinding) is never asked.
- The gateway's own listeners are never reached, whatever the operator opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.dialects.hosts import is_address
from gateway.duplex import DuplexProtocol, TransportDuplex
from gateway.errors import CallerError, UpstreamError
from gateway.upstream.addresses import Network, may_reach, plain
from gateway.verdict import Reason

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, as texts. Raises OSError."""

MOST_ADDRESSES = 32
"""Addresses of one name that are looked at; a name with more is refused."""


@dataclass(frozen=True, slots=True)
class FarEnd:
    """A connection, and the address at its other end."""

    duplex: TransportDuplex
    address: str


class Connector:
    """Connects tunnels.

    Args:
        own_ports: where the gateway itself listens on this machine.
    """

    def __init__(self, own_ports: frozenset[int], resolve: Resolve | None = None) -> None:
        self._own_ports = own_ports
        self.resolve = resolve or _resolve

    async def connect(
        self, host: str, port: int, opened: Sequence[Network], timeout: float
    ) -> FarEnd:
        """Connect to a host in its plain form.

        Args:
            opened: networks that may be reached though they are not public.
            timeout: seconds for all of it.

        Raises:
            CallerError: 400, an address that may not be reached.
            UpstreamError: 502 no such name or no connection, 504 not in time.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = [host] if is_address(host) else await self.resolve(host, port)
                self._check(addresses, port, opened)
                return await _first(addresses, port, timeout / len(addresses))
        except TimeoutError:
            raise UpstreamError(
                Reason.UPSTREAM_TIMEOUT, f"No connection in {timeout:g} s.", status=504
            ) from None
        except OSError as error:
            unknown = isinstance(error, socket.gaierror)
            why = "there is no such name" if unknown else type(error).__name__
            raise UpstreamError(
                Reason.UPSTREAM_UNREACHABLE, f"The host could not be reached ({why})."
            ) from error

    def _check(self, addresses: Sequence[str], port: int, opened: Sequence[Network]) -> None:
        if not 0 < len(addresses) <= MOST_ADDRESSES:
            raise OSError("no address, or too many")
        for address in addresses:
            if not may_reach(address, opened):
                raise CallerError(
                    Reason.ADDRESS_DENIED,
                    "This host is at an address that is not a public one. Nothing was connected. "
                    "The operator of the gateway can open it (`forward_proxy.allow_addresses`).",
                )
            if port in self._own_ports and _is_local(address):
                raise CallerError(
                    Reason.ADDRESS_DENIED,
                    "This host and port are the gateway's own. Nothing was connected.",
                )


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


async def _first(addresses: Sequence[str], port: int, share: float) -> FarEnd:
    """The first of these addresses that takes a connection within its `share` of the time, so that
    one which never answers leaves time for the next. Raises the last one's OSError."""
    loop = asyncio.get_running_loop()
    failed: OSError | None = None
    for address in addresses:
        try:
            async with asyncio.timeout(share):
                _, protocol = await loop.create_connection(
                    DuplexProtocol, address, port, flags=socket.AI_NUMERICHOST
                )
        except OSError as error:
            failed = error
        else:
            return FarEnd(protocol.duplex, address)
    assert failed is not None
    raise failed


def _is_local(address: str) -> bool:
    """Whether an address is this machine's own: only then can a socket be bound to it."""
    found = plain(address)
    if found.is_unspecified:
        return True
    family = socket.AF_INET if found.version == 4 else socket.AF_INET6
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        try:
            probe.bind((str(found), 0))
        except OSError:
            return False
    return True
