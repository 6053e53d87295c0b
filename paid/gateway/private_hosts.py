"""Hosts inside that the operator lets runs reach: a company's mirror, named with its network.

`PAID_EGRESS_PRIVATE="mirror.corp=10.20.0.0/16"` belongs to the installation. A project's list says
which hosts its runs may ask for; this says at which private addresses such a host may be. No
project and no repository can add to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from paid.errors import ConfigurationError
from paid.gateway.addresses import METADATA, is_name

Network = IPv4Network | IPv6Network
FORM = "As in `mirror.corp=10.20.0.0/16`, or `*.corp=10.0.0.0/8`; several with blanks between."
_BETWEEN = re.compile(r"[\s,;]+")
_WIDEST = {4: 8, 6: 16}
"""The shortest prefix: half of the internet is nobody's network."""


@dataclass(frozen=True)
class PrivateHosts:
    """Pairs of a name (or `*.name`) and a network where it may be."""

    pairs: tuple[tuple[str, Network], ...] = ()

    def allows(self, host: str, address: str) -> bool:
        """Whether a host may be reached at an address that is not public.

        This host's own addresses, those of a link and those where clouds answer with credentials
        are allowed only by an entry that names that one address.
        """
        number = _plain(address)
        return any(
            number in network and (network.num_addresses == 1 or not _is_guarded(number))
            for name, network in self.pairs
            if _fits(host, name)
        )

    def names(self, host: str) -> bool:
        """Whether there is an entry for the host at all."""
        return any(_fits(host, name) for name, _ in self.pairs)


def read(setting: str) -> PrivateHosts:
    """The pairs in PAID_EGRESS_PRIVATE. Raises ConfigurationError, which names the entry."""
    entries = [entry for entry in _BETWEEN.split(setting.strip()) if entry]
    return PrivateHosts(tuple(_pair(entry) for entry in entries))


def _fits(host: str, name: str) -> bool:
    return host == name or (name.startswith("*.") and host.endswith(name[1:]))


def _pair(entry: str) -> tuple[str, Network]:
    name, equals, written = entry.lower().partition("=")
    example = f"any{name[1:]}" if name.startswith("*.") else name
    if not equals or not is_name(example):
        raise _wrong(entry, "it names no host")
    try:
        network = ip_network(written, strict=True)
    except ValueError as error:
        raise _wrong(entry, str(error)) from None
    if network.prefixlen < _WIDEST[network.version]:
        raise _wrong(entry, f"a network has at least /{_WIDEST[network.version]}")
    return name, network


def _wrong(entry: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"PAID_EGRESS_PRIVATE holds {entry!r}: {why}.", hint=FORM)


def _plain(address: str) -> IPv4Address | IPv6Address:
    """The address; one of IPv4 that is written as one of IPv6 is the former."""
    number = ip_address(address.partition("%")[0])
    mapped = number.ipv4_mapped if isinstance(number, IPv6Address) else None
    return mapped or number


def _is_guarded(number: IPv4Address | IPv6Address) -> bool:
    return (
        number.is_loopback
        or number.is_link_local
        or number.is_multicast
        or number.is_unspecified
        or number.is_reserved
        or number in METADATA
        or (isinstance(number, IPv4Address) and number in _THIS_NETWORK)
    )


_THIS_NETWORK = ip_network("0.0.0.0/8")
"""To Linux, 0.0.0.0 is this host, as 127.0.0.1 is."""
