"""GraphQL: the one question that REST has no answer to, which is who edited an issue, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from paid.demo.forge.calls import Answer, Call, Json
from paid.demo.forge.json_people import maybe_time, time
from paid.demo.forge.world import BodyEdit, Issue, IssueEvent, World

PAGE_SIZE = 100
"""The most that `first` may ask for; no more than that is ever answered at once."""


def answer(call: Call) -> Answer:
    """What an issue's edits are. Errors come with status 200, as GitHub's do."""
    asked = call.body.get("variables") or {}
    if "lastEditedAt" not in str(call.body.get("query", "")):
        return _refused("undefinedField", "The demo's forge knows the edits of an issue alone.")
    issue = _issue(call, asked)
    if issue is None:
        return _refused("NOT_FOUND", "Could not resolve to an Issue.")
    told = _edits_json(call.world, issue, asked)
    return Answer({"data": {"repository": {"issue": told}}})


def _refused(kind: str, message: str) -> Answer:
    return Answer({"data": {"repository": None}, "errors": [{"type": kind, "message": message}]})


def _issue(call: Call, asked: Json) -> Issue | None:
    found = call.world.repository(f"{asked.get('owner')}/{asked.get('name')}")
    allowed = call.token.repositories if call.token else None
    if found is None or found.permission(call.person()) == "none":
        return None
    if allowed is not None and found.full_name not in allowed:
        return None
    return found.issues.get(int(asked.get("number", 0)))


def _edits_json(world: World, issue: Issue, asked: Json) -> Json:
    last = issue.edits[-1] if issue.edits else None
    renames = [event for event in issue.events if event.event == "renamed"]
    return {
        "title": issue.title,
        "body": issue.body,
        "lastEditedAt": maybe_time(last.at if last else None),
        "editor": _actor(world, last.login) if last else None,
        "userContentEdits": _page(
            issue.edits, lambda edit: _edit_json(world, edit), asked.get("edits")
        ),
        "timelineItems": _page(
            renames, lambda event: _rename_json(world, event), asked.get("titles")
        ),
    }


def _edit_json(world: World, edit: BodyEdit) -> Json:
    return {
        "editedAt": time(edit.at),
        "editor": _actor(world, edit.login),
        "deletedAt": maybe_time(edit.deleted_at),
        "deletedBy": _actor(world, edit.deleted_by),
    }


def _rename_json(world: World, event: IssueEvent) -> Json:
    return {"createdAt": time(event.created_at), "actor": _actor(world, event.login)}


def _page(items: Sequence[Any], shown: Callable[[Any], Json], after: str | None) -> Json:
    first = int(after or 0)
    last = min(first + PAGE_SIZE, len(items))
    return {
        "nodes": [shown(item) for item in items[first:last]],
        "pageInfo": {"hasNextPage": last < len(items), "endCursor": str(last)},
    }


def _actor(world: World, login: str | None) -> Json | None:
    if login is None:
        return None
    kind = world.users[login].kind if login in world.users else "User"
    return {"__typename": kind, "login": login.removesuffix("[bot]")}
