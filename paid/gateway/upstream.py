"""The way to the vendors: one pool of connections, no redirects, no cookies, our keys."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from weakref import WeakSet

import aiohttp
from yarl import URL

from paid.gateway.routes import Route
from paid.gateway.spool import Body
from paid.gateway.vendors import Vendor, vendors
from paid.settings import Settings

CONNECT_SECONDS = 15.0
READ_BUFFER_BYTES = 1 << 16


class ClosedMeanwhileError(aiohttp.ClientConnectionError):
    """Raised when a connection that was kept is closed by the vendor before it answers anything.

    Mostly it was about to close it when the request came, and never read that.
    """


class Upstream:
    """Sends requests to vendors. Open it inside the running loop, and close it."""

    def __init__(self, settings: Settings) -> None:
        self._proxy = settings.https_proxy
        self._direct = tuple(
            name.strip().lstrip(".").lower()
            for name in (settings.no_proxy or "").split(",")
            if name.strip()
        )
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, ssl=_tls(settings), keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_SECONDS, sock_read=settings.vendor_read_seconds
            ),
            read_bufsize=READ_BUFFER_BYTES,
            skip_auto_headers=("user-agent", "accept", "content-type"),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(
        self,
        vendor: Vendor,
        key: str,
        route: Route,
        headers: Mapping[str, str],
        body: Body | None = None,
    ) -> aiohttp.ClientResponse:
        """Send one request; the answer is the caller's to read and to leave (`async with`).

        A body of unknown length is framed anew, in chunks: nothing of the client's framing passes.
        Raises aiohttp.ClientError, ClosedMeanwhileError among them, and TimeoutError.
        """
        sent = {**headers, **vendor.authorisation(key), "accept-encoding": "identity"}
        if body is not None and body.length is not None:
            sent["content-length"] = str(body.length)
        url = URL(vendor.base_url + route.upstream, encoded=True)
        _way.set(way := _Way())
        try:
            return await self._session.request(
                "GET" if body is None else "POST",
                url,
                headers=sent,
                data=None if body is None else body.data,
                allow_redirects=False,
                auto_decompress=False,
                proxy=self._proxy_for(url),
            )
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            # Its message is what had come of an answer, or else a text.
            if way.is_old and isinstance(getattr(error, "message", ""), str):
                raise ClosedMeanwhileError(str(error)) from error
            raise

    def _proxy_for(self, url: URL) -> str | None:
        host = (url.host or "").lower()
        if self._proxy is None or url.scheme != "https" or is_loopback(host):
            return None
        if any(host == name or host.endswith(f".{name}") or name == "*" for name in self._direct):
            return None
        return self._proxy


@dataclass
class _Way:
    """What is told of a request's connection: whether it was used before."""

    is_old: bool = False


_way: ContextVar[_Way] = ContextVar("way")
"""That of the task's present request: the session asks for a connection in the same task."""


class _Connector(aiohttp.TCPConnector):
    """Tells of each connection whether it is used again.

    aiohttp's tracing would tell too, at a tenth of what a request costs here.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._used: WeakSet[Any] = WeakSet()

    async def connect(self, *request: Any, **values: Any) -> aiohttp.connector.Connection:
        """As the base has it."""
        connection = await super().connect(*request, **values)
        if connection.protocol in self._used:
            _way.get().is_old = True
        else:
            self._used.add(connection.protocol)
        return connection


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by name or number."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(settings: Settings) -> ssl.SSLContext | bool:
    """Whom to trust. Reading this machine's authorities takes 30 ms, so where every vendor is asked
    without TLS, as by tests and the demonstration, it is aiohttp's own context, which is made
    already."""
    if all(URL(vendor.base_url).scheme == "http" for vendor in vendors(settings).values()):
        return True
    context = ssl.create_default_context()
    if settings.ca_bundle is not None and settings.ca_bundle.exists():
        context.load_verify_locations(cafile=settings.ca_bundle)
    return context
