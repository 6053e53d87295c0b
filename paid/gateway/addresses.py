"""Where a tunnel may end: a name on the list, at an address of the public internet."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Container, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_GIVEN_OUT = ip_network("2000::/3")
"""All of IPv6 that belongs to anybody; what embeds IPv4 in other ways than those below is not."""
_NOBODYS = (ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24"), ip_network("3fff::/20"))
"""Not public either, though not every version of Python knows it."""
METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
        ),
    )
)
"""Where clouds tell their machines of themselves, credentials included: AWS, Google, Azure (whose
168.63.129.16 looks public), Alibaba, Oracle; from their documents."""


def is_name(host: str) -> bool:
    """Whether a host is a plain domain name: in ASCII, with a dot, no number, no trailing dot."""
    return _NAME.fullmatch(host) is not None


def is_listed(host: str, port: int, listed: Iterable[str], usual: Container[int]) -> bool:
    """Whether a host is on a list of names and of `*.name` patterns.

    An entry stands for the usual ports, or for its own: `name:8443`.
    """
    for entry in listed:
        name, _, own = entry.lower().partition(":")
        is_open = own == str(port) if own else port in usual
        if is_open and (host == name or (name.startswith("*.") and host.endswith(name[1:]))):
            return True
    return False


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet and to nobody's inside."""
    number = ip_address(address.partition("%")[0])
    if isinstance(number, IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour or _teredo(number)
        if inner is not None:
            return is_public(str(inner))
        if number not in _GIVEN_OUT:
            return False
    if number in METADATA or any(number in network for network in _NOBODYS):
        return False
    return number.is_global and not number.is_multicast and not number.is_reserved


def _teredo(number: IPv6Address) -> IPv4Address | None:
    return None if number.teredo is None else number.teredo[1]


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, in the resolver's order. Raises OSError when it has none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
