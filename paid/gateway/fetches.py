"""What a vendor may fetch for a run: only from the hosts that the run itself may reach.

A link in a request makes the vendor ask an address of the run's choosing, with what the run puts
into it: a way out past the egress proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from paid.gateway.addresses import is_listed, is_name
from paid.gateway.answers import AnswerError
from paid.gateway.egress import PORTS

_ADDRESS = re.compile(r"https://([A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?(?:[/?#][!-~]*)?")
"""Plain: no credentials, and nothing that two readers could take for another host."""


def check_fetches(addresses: Iterable[str], listed: Sequence[str]) -> None:
    """Raises AnswerError for an address that is not on the list of the project's hosts."""
    for address in addresses:
        found = _ADDRESS.fullmatch(address)
        host = found[1].lower() if found else ""
        port = int(found[2] or 443) if found else 0
        if not is_name(host) or not is_listed(host, port, listed, PORTS):
            raise AnswerError(403, _why(address), "address_forbidden")


def _why(address: str) -> str:
    return (
        f"The vendor would fetch {address[:100]!r} for this run, and its host is not on this"
        " project's list of hosts. Send the bytes themselves (base64, or a data: address), or list"
        " the host: `paid project set OWNER/REPO --egress HOST` (name them all)."
    )
