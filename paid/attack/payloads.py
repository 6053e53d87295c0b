"""All payloads against the host's git."""

from __future__ import annotations

from paid.attack import object_payloads, pack_payloads
from paid.attack.payload import Payload

PAYLOADS: tuple[Payload, ...] = (*pack_payloads.PAYLOADS, *object_payloads.PAYLOADS)
