"""Under which names the dashboard may be called; anything else is refused.

A fixed list of hosts stops DNS rebinding and forged links, and a fixed list of origins stops other
sites' forms. `X-Forwarded-*` is never read: behind a proxy, PAID_WEB_URL says the public address.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from paid.errors import ConfigurationError
from paid.settings import Settings

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Addresses:
    """What `Host` and `Origin` may say, and what follows for the session's cookie."""

    public_url: str
    hosts: frozenset[str]
    loopback_hosts: frozenset[str]
    origins: frozenset[str]
    cookie_name: str
    secure: bool


def addresses(settings: Settings, port: int) -> Addresses:
    """The addresses of a dashboard that listens on `port`."""
    loopback = frozenset(f"{name}:{port}" for name in LOOPBACK_NAMES)
    public_url = settings.web_url or f"http://{_bracketed(settings.web_host)}:{port}"
    public = urlsplit(public_url)
    if public.scheme not in _DEFAULT_PORTS or not public.hostname:
        raise ConfigurationError(
            "PAID_WEB_URL is not an http or https address.",
            hint="Write it like https://paid.example.org.",
        )
    secure = public.scheme == "https"
    return Addresses(
        public_url=public_url.rstrip("/"),
        hosts=loopback | _spellings(public.scheme, public.netloc),
        loopback_hosts=loopback,
        origins=frozenset(f"http://{host}" for host in loopback)
        | {f"{public.scheme}://{host}" for host in _spellings(public.scheme, public.netloc)},
        # Browsers share cookies between the ports of a host: two dashboards on one machine must
        # not sign each other out. The __Host- prefix binds the cookie to https and this host.
        cookie_name="__Host-paid" if secure else f"paid_{port}",
        secure=secure,
    )


def _spellings(scheme: str, netloc: str) -> frozenset[str]:
    """Browsers leave the scheme's own port out; other clients may write it."""
    host, _, port = netloc.rpartition(":")
    own = str(_DEFAULT_PORTS[scheme])
    if not host or netloc.endswith("]"):
        return frozenset({netloc, f"{netloc}:{own}"})
    return frozenset({netloc, host} if port == own else {netloc})


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
