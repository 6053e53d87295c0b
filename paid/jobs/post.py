"""Sends news: signed webhooks, and email."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

import httpx

from paid.errors import PaidError
from paid.jobs.news import News
from paid.settings import Settings

SEND_SECONDS = 10.0
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
"""Answers that another try may change; every other refusal is for good."""


class NewsUndeliveredError(PaidError):
    """Raised when a receiver does not answer, or asks to be tried again later."""

    code = "news_undelivered"
    retryable = True


@dataclass(frozen=True)
class Delivery:
    """News on its way. `key` lets the receiver see that a second one is the same."""

    key: str
    kind: str
    address: str
    secret: str
    news: News


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`sha256=` and the HMAC over the time and the body, so that an old one cannot be replayed."""
    signed = timestamp.encode() + b"." + body
    return f"sha256={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


class Post:
    """Sends by the settings: who may be a receiver, and which mail server."""

    def __init__(self, settings: Settings) -> None:
        self._private_too = settings.allow_private_webhooks
        smtp = settings.smtp_url
        self._smtp_url = None if smtp is None else smtp.get_secret_value()
        self._sender = settings.email_from

    def send(self, delivery: Delivery) -> str:
        """Send; returns why the receiver refused for good, or nothing.

        Raises NewsUndeliveredError when it may work later.
        """
        if delivery.kind == "webhook":
            return self._send_webhook(delivery)
        return self._send_email(delivery)

    def _send_webhook(self, delivery: Delivery) -> str:
        parts = urlsplit(delivery.address)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            address = self._checked_address(host, port)
        except ForbiddenAddressError as error:
            return error.message
        body = json.dumps(delivery.news.payload, default=str).encode()
        timestamp = str(int(time.time()))
        # The checked address is what is connected to: a name that resolves anew cannot slip past.
        target = httpx.URL(delivery.address).copy_with(host=address)
        headers = {
            "host": parts.netloc,
            "content-type": "application/json",
            "user-agent": "paid",
            "x-paid-event": str(delivery.news.payload["event"]),
            "x-paid-delivery": delivery.key,
            "x-paid-timestamp": timestamp,
            "x-paid-signature-256": signature(delivery.secret, timestamp, body),
        }
        status = _post(target, body, headers, server_name=host)
        if status in AGAIN:
            raise NewsUndeliveredError(f"The webhook at {host} answered {status}.")
        return "" if 200 <= status < 300 else f"the webhook at {host} answered {status}"

    def _checked_address(self, host: str, port: int) -> str:
        """The first address of the host; none of them may be private."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NewsUndeliveredError(f"The name {host} cannot be resolved: {error}.") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not self._private_too:
            for address in addresses:
                if not ipaddress.ip_address(address.partition("%")[0]).is_global:
                    raise ForbiddenAddressError(
                        f"{host} is at the private address {address}",
                        hint="Set PAID_ALLOW_PRIVATE_WEBHOOKS=true to allow that.",
                    )
        return addresses[0]

    def _send_email(self, delivery: Delivery) -> str:
        if self._smtp_url is None:
            return "no mail server is set: PAID_SMTP_URL"
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = delivery.address
        message["Subject"] = " ".join(f"[Paid] {delivery.news.title}".split())[:200]
        # a mail without a date is taken for spam; nobody's absence note should answer
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Auto-Submitted"] = "auto-generated"
        message["Message-ID"] = f"<{hashlib.sha256(delivery.key.encode()).hexdigest()[:32]}@paid>"
        message.set_content(delivery.news.body)
        try:
            _mail(self._smtp_url, message)
        except smtplib.SMTPRecipientsRefused as error:
            return f"the mail server refused the recipient: {list(error.recipients.values())}"
        except (OSError, smtplib.SMTPException) as error:
            raise NewsUndeliveredError(f"The mail server did not take it: {error}.") from error
        return ""


class ForbiddenAddressError(PaidError):
    """Raised when a webhook's name leads into a private network."""

    code = "forbidden_address"


def _post(url: httpx.URL, body: bytes, headers: dict[str, str], *, server_name: str) -> int:
    """POST without redirects and without a proxy; only the status is read."""
    extensions = {"sni_hostname": server_name}
    # reading this machine's authorities takes 30 ms
    uses_tls = url.scheme == "https"
    try:
        with (
            httpx.Client(
                timeout=SEND_SECONDS, trust_env=False, follow_redirects=False, verify=uses_tls
            ) as client,
            client.stream(
                "POST", url, content=body, headers=headers, extensions=extensions
            ) as answer,
        ):
            return answer.status_code
    except httpx.HTTPError as error:
        raise NewsUndeliveredError(f"The webhook at {server_name}: {error}.") from error


def _mail(url: str, message: EmailMessage) -> None:
    """`smtp://` uses TLS when the server offers it; `smtps://` always."""
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=SEND_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=SEND_SECONDS)
    with server:
        server.ehlo()
        if parts.scheme != "smtps" and server.has_extn("starttls"):
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
