"""Who changed an issue's text, and when: what GitHub tells by GraphQL alone.

The last edit is not enough: a maintainer's edit of a typo would hide an outsider's before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from paid.errors import GitHubError
from paid.github.reading import SILENT, actor, last_edit, moment
from paid.github.words import GHOST, Edit, IssueSeen

MOST_PAGES = 10
"""A thousand edits and a thousand titles; an issue with more is not told of."""

_PERSON = "{ __typename login }"
QUESTION = f"""
query($owner: String!, $name: String!, $number: Int!, $edits: String, $titles: String) {{
  repository(owner: $owner, name: $name) {{
    issue(number: $number) {{
      title
      body
      lastEditedAt
      editor {_PERSON}
      userContentEdits(first: 100, after: $edits) {{
        nodes {{ editedAt editor {_PERSON} deletedAt deletedBy {_PERSON} }}
        pageInfo {{ hasNextPage endCursor }}
      }}
      timelineItems(first: 100, after: $titles, itemTypes: [RENAMED_TITLE_EVENT]) {{
        nodes {{ ... on RenamedTitleEvent {{ createdAt actor {_PERSON} }} }}
        pageInfo {{ hasNextPage endCursor }}
      }}
    }}
  }}
}}
"""
_LISTS = {"edits": "userContentEdits", "titles": "timelineItems"}
"""The variable that holds each list's cursor."""

Ask = Callable[[Mapping[str, Any]], Any]
"""Asks QUESTION with variables beside the issue's; answers its `data`."""


def all_edits(ask: Ask, seen: IssueSeen | None = None, now: datetime | None = None) -> list[Edit]:
    """Every change of an issue's body and title, in no order.

    REST and GraphQL may be answered by two copies of GitHub's database, of which one is behind. So
    where the text is not the one that was `seen`, somebody changes it at this moment: an edit by
    nobody knows whom, `now`. Raises GitHubError when the answers do not say.
    """
    found: list[Edit] = []
    cursors: dict[str, str | None] = dict.fromkeys(_LISTS)
    for _ in range(MOST_PAGES):
        told = ask(cursors)
        last = last_edit(told)
        found += [last] if last else []
        found += _listed(told)
        if seen is not None and now is not None and _is_another_text(told, seen):
            found.append(Edit(GHOST, now))
        following = _following(told)
        if not any(following.values()):
            return found
        cursors = {**cursors, **{name: at for name, at in following.items() if at}}
    raise GitHubError("The issue was edited too often for all of it to be told.")


def _listed(data: Any) -> list[Edit]:
    """What the two lists of an answer hold; a deleted edit counts as such, and as a deed."""
    try:
        issue = data["repository"]["issue"]
        found = []
        for node in _nodes(issue, "userContentEdits"):
            found.append(Edit(actor(node["editor"]), moment(node["editedAt"])))
            if node.get("deletedAt"):
                found.append(Edit(actor(node.get("deletedBy")), moment(node["deletedAt"])))
        for node in _nodes(issue, "timelineItems"):
            found.append(Edit(actor(node["actor"]), moment(node["createdAt"])))
        return found
    except (KeyError, TypeError, ValueError, AttributeError):
        raise GitHubError(SILENT) from None


def _nodes(issue: Any, name: str) -> list[Any]:
    """A list's entries. A server of another make may not have the list at all.

    GitHub's schema allows that an issue has none; with an edit that would be a list not shown.
    """
    if issue.get(name, {}) is None and not issue["lastEditedAt"]:
        return []
    return list(issue[name]["nodes"]) if name in issue else []


def _is_another_text(data: Any, seen: IssueSeen) -> bool:
    """Whether the answer shows another title or body; what it does not show is not compared."""
    issue = data["repository"]["issue"]
    pairs = ((issue.get("title"), seen.title), (issue.get("body"), seen.body))
    return any(isinstance(told, str) and _plain(told) != _plain(had) for told, had in pairs)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _following(data: Any) -> dict[str, str | None]:
    """Where each list goes on; None for one that is at its end."""
    try:
        issue = data["repository"]["issue"]
        lists = {name: issue.get(of) or {} for name, of in _LISTS.items()}
        pages = {name: found.get("pageInfo") or {} for name, found in lists.items()}
        return {
            name: str(page["endCursor"]) if page.get("hasNextPage") else None
            for name, page in pages.items()
        }
    except (KeyError, TypeError, AttributeError):
        raise GitHubError(SILENT) from None
