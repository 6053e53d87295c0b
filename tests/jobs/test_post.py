"""News on their way out: signed, never into private networks, never twice by our fault."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.utils import parsedate_to_datetime

import pytest

from paid.jobs.news import News
from paid.jobs.post import Delivery, NewsUndeliveredError, Post
from paid.settings import Settings
from tests.jobs.conftest import MailServer, Receiver

SECRET = "a secret of sixteen and more"
NEWS = News(
    project_id=1,
    title="acme/greeter#1: run 1 completed\r\nBcc: everybody@example.org",
    body="It is done.\n.\nReally.",
    payload={"event": "run.ended", "id": 5},
)


def webhook(url: str) -> Delivery:
    return Delivery("news:5:to:1", "webhook", url, SECRET, NEWS)


def email(address: str) -> Delivery:
    return Delivery("news:5:to:2", "email", address, "", NEWS)


def test_a_webhook_gets_signed_json(settings: Settings, receiver: Receiver) -> None:
    assert Post(settings).send(webhook(receiver.url)) == ""
    (got,) = receiver.received
    signed = got.headers["x-paid-timestamp"].encode() + b"." + got.body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert got.headers["x-paid-signature-256"] == f"sha256={expected}"
    assert got.headers["x-paid-delivery"] == "news:5:to:1"
    assert got.headers["host"] in receiver.url
    assert got.json == {"event": "run.ended", "id": 5}


def test_a_redirect_is_refused_and_not_followed(settings: Settings, receiver: Receiver) -> None:
    receiver.answers = [(302, {"location": receiver.url})]
    assert "302" in Post(settings).send(webhook(receiver.url))
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_receiver_that_is_busy_is_tried_later(
    settings: Settings, receiver: Receiver, status: int
) -> None:
    receiver.answers = [(status, {})]
    with pytest.raises(NewsUndeliveredError):
        Post(settings).send(webhook(receiver.url))


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_receiver_that_refuses_is_left_alone(
    settings: Settings, receiver: Receiver, status: int
) -> None:
    receiver.answers = [(status, {})]
    assert str(status) in Post(settings).send(webhook(receiver.url))


def test_nobody_there_is_tried_later(settings: Settings) -> None:
    with pytest.raises(NewsUndeliveredError):
        Post(settings).send(webhook("http://127.0.0.1:1/hook"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost/x",
        "http://[::1]/x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x",
        "http://192.168.1.1/x",
        "http://100.64.0.1/x",
        "http://0.0.0.0/x",
        "http://2130706433/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[fd00::1]/x",
    ],
)
def test_private_addresses_are_refused(settings: Settings, url: str) -> None:
    post = Post(settings.changed(allow_private_webhooks=False))
    assert "private" in post.send(webhook(url))


def test_an_email_has_one_recipient_and_one_line_of_subject(
    settings: Settings, mail_server: MailServer
) -> None:
    post = Post(Settings(data_dir=settings.data_dir, smtp_url=mail_server.url))
    assert post.send(email("maria@example.org")) == ""
    (message,) = mail_server.messages
    head, _, body = message.partition("\r\n\r\n")
    assert "To: maria@example.org" in head
    assert not any(line.startswith("Bcc") for line in head.splitlines())
    assert "Really." in body


def test_an_email_says_when_it_was_written_and_that_no_person_wrote_it(
    settings: Settings, mail_server: MailServer
) -> None:
    Post(Settings(data_dir=settings.data_dir, smtp_url=mail_server.url)).send(
        email("m@example.org")
    )
    head = message_from_string(mail_server.messages[0])
    age = datetime.now(UTC) - parsedate_to_datetime(head["date"])
    assert abs(age) < timedelta(minutes=10)
    assert head["auto-submitted"] == "auto-generated"


def test_an_unknown_recipient_is_refused_for_good(
    settings: Settings, mail_server: MailServer
) -> None:
    post = Post(Settings(data_dir=settings.data_dir, smtp_url=mail_server.url))
    assert "refused the recipient" in post.send(email("nobody@example.org"))


def test_without_a_mail_server_it_says_so(settings: Settings) -> None:
    assert "PAID_SMTP_URL" in Post(settings).send(email("maria@example.org"))


def test_a_mail_server_that_is_away_is_tried_later(settings: Settings) -> None:
    post = Post(Settings(data_dir=settings.data_dir, smtp_url="smtp://127.0.0.1:1"))
    with pytest.raises(NewsUndeliveredError):
        post.send(email("maria@example.org"))
