"""Hosts in one plain form, so that no spelling of a host is taken for another host.

What a resolver would read as an address is one: `0x7f.1`, `2130706433` and `127.1` are 127.0.0.1
to `inet_aton` (POSIX), and so they are here. The rule that decides is the WHATWG URL standard's
("ends in a number"): a host whose last label is a number is an IPv4 address or nothing.
"""

from __future__ import annotations

import functools
import ipaddress
import re

LONGEST = 253
"""Characters of a name (RFC 1035, 2.3.4, without the root's dot)."""

_LONGEST_SPELLING = 1024
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,5}")


@functools.lru_cache(maxsize=1024)
def plain_host(text: str) -> str:
    """The plain form of a host: lower case, no dot at the end, names in their ASCII form
    (IDNA), IPv4 as four decimals, IPv6 in its shortest form without brackets, and an IPv6
    address that stands for an IPv4 one (`::ffff:10.0.0.1`) as that.

    Raises:
        ValueError: it is no host. A zone (`fe80::1%eth0`) has no meaning to anybody else.
    """
    if len(text) > _LONGEST_SPELLING:
        raise ValueError("no host")
    if text.startswith("[") or text.count(":") > 1:
        return _six(text)
    name = _ascii(text).removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _four(labels)
    if len(name) > LONGEST or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("no host name")
    return name


def split_authority(text: str, port: int | None = None) -> tuple[str, int]:
    """`host:port` as (plain host, port).

    Args:
        port: what stands for a port that is not there; None: there must be one.

    Raises:
        ValueError: it is neither.
    """
    head, colon, tail = text.rpartition(":")
    if text.endswith("]") or not colon or (text.count(":") > 1 and not text.startswith("[")):
        host, number = text, port
    else:
        if not _PORT.fullmatch(tail):
            raise ValueError("no port")
        host, number = head, int(tail)
    if number is None or not 0 < number < 65536:
        raise ValueError("no port")
    return plain_host(host), number


def authority(host: str, port: int) -> str:
    """A plain host and a port as one text: `example.com:443`, `[2001:db8::1]:443`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_address(host: str) -> bool:
    """Whether a plain host is an IP address, not a name."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def _ascii(text: str) -> str:
    lowered = text.lower()
    if lowered.isascii():
        return lowered
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError("no host name") from None


def _six(text: str) -> str:
    if text.startswith("["):
        if not text.endswith("]"):
            raise ValueError("no IPv6 address")
        text = text[1:-1]
    if "%" in text:
        raise ValueError("an IPv6 address with a zone")
    address = ipaddress.IPv6Address(text)
    return str(address.ipv4_mapped or address.compressed)


def _four(labels: list[str]) -> str:
    """The IPv4 address that `inet_aton` reads: up to four numbers, the last fills what is left."""
    if len(labels) > 4:
        raise ValueError("no IPv4 address")
    numbers = [_number(label) for label in labels]
    *front, last = numbers
    if any(number > 255 for number in front) or last >= 256 ** (5 - len(numbers)):
        raise ValueError("no IPv4 address")
    value = last + sum(number << 8 * (3 - place) for place, number in enumerate(front))
    return str(ipaddress.IPv4Address(value))


def _number(label: str) -> int:
    if label.startswith("0x"):
        return int(label, 16)
    if len(label) > 16 or not label.isdigit():
        raise ValueError("no IPv4 address")
    return int(label, 8) if label.startswith("0") and len(label) > 1 else int(label)
