"""HTTP without TLS, as the tests' own servers speak it."""

from __future__ import annotations

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody; the usual one reads all authorities of this machine, for 30 ms a client."""
