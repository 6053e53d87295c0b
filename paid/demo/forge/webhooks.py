"""Webhooks: what happened, in GitHub's form, signed, and sent from a thread of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from paid.demo.forge.deeds import News
from paid.demo.forge.git_store import GitStore
from paid.demo.forge.json_issues import comment_json, issue_json
from paid.demo.forge.json_people import label_json, repository_json, user_json
from paid.demo.forge.json_pulls import full_pull_json
from paid.demo.forge.links import Links
from paid.demo.forge.world import Hook, World

SEND_SECONDS = 5


@dataclass(frozen=True)
class Delivery:
    """One webhook as it was sent; `status` of 0 means that nobody answered."""

    id: str
    event: str
    url: str
    body: bytes
    status: int


class Webhooks:
    """Hears of the deeds and tells those who asked for it."""

    def __init__(self, world: World, git: GitStore) -> None:
        self._world = world
        self._git = git
        self._sender = ThreadPoolExecutor(1, "forge-webhooks")
        self.links = Links("", "")
        self.deliveries: list[Delivery] = []

    def close(self) -> None:
        """Stop sending; what waits is dropped."""
        self._sender.shutdown(wait=False, cancel_futures=True)

    def flush(self) -> None:
        """Block until what waits has been sent; one thread sends, so the last comes last."""
        self._sender.submit(int).result()

    def hear(self, news: News) -> None:
        """Send the news to the repository's hooks."""
        if not news.repository.hooks:
            return
        body = json.dumps(self.payload(news)).encode()
        for hook in news.repository.hooks:
            self._sender.submit(self.send, hook, news.event, body)

    def payload(self, news: News) -> dict[str, Any]:
        """The body of a webhook."""
        world, links, repository = self._world, self.links, news.repository
        shown: dict[str, Any] = {
            "action": news.action,
            "repository": repository_json(repository, world, links, None),
            "sender": user_json(world.user(news.login), links),
        }
        if news.event == "pull_request" and news.issue.pull is not None:
            pull = full_pull_json(news.issue, news.issue.pull, repository, world, links, self._git)
            shown |= {"number": news.issue.number, "pull_request": pull}
        else:
            shown["issue"] = issue_json(news.issue, repository, world, links)
        if news.label is not None:
            shown["label"] = label_json(world.label(repository, news.label), repository, links)
        if news.comment is not None:
            shown["comment"] = comment_json(news.comment, news.issue, repository, world, links)
        return shown

    def send(self, hook: Hook, event: str, body: bytes, delivery: str | None = None) -> Delivery:
        """Send one signed webhook, now; `delivery` repeats an earlier one's id."""
        number = delivery or str(uuid.uuid4())
        signature = hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "user-agent": "GitHub-Hookshot/forge",
            "x-github-event": event,
            "x-github-delivery": number,
            "x-hub-signature-256": f"sha256={signature}",
        }
        try:
            # reading this machine's authorities takes 30 ms, and most hooks are on loopback
            uses_tls = httpx.URL(hook.url).scheme == "https"
            status = httpx.post(
                hook.url, content=body, headers=headers, timeout=SEND_SECONDS, verify=uses_tls
            ).status_code
        except httpx.HTTPError:
            status = 0
        sent = Delivery(number, event, hook.url, body, status)
        self.deliveries.append(sent)
        return sent
