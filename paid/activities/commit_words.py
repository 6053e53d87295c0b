"""How a run's commits are to look: the project's identity, and messages with nothing active.

What an agent left uncommitted is committed in the container, before anybody knows the agent's
summary. So that commit's message ends in a line that names its turn, and gets its words here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from paid.activities.task_text import MESSAGE_RULES
from paid.containers.commits import Identity, Rules
from paid.github.commit_messages import one_line, publishable
from paid.models import Policy
from paid.store import events
from paid.store.database import Database
from paid.store.runs import RunFacts

_TURN = re.compile(r"\n\nPaid-turn: ([0-9]{1,6})\s*\Z")


def left_over(facts: RunFacts, turn: int) -> str:
    """The message of what a turn's agent left uncommitted, as the container writes it."""
    return f"{_title(facts)}\n\nPaid-turn: {turn}\n"


def rules_of(facts: RunFacts, summaries: Mapping[int, str], wanted: Sequence[str] = ()) -> Rules:
    """The rules for a run's commits; `summaries` are the agent's last words of each turn.

    `wanted` is what the repository's own rules say about messages. Where they ask for an issue's
    number, that of the run's own issue may stay: else no message could ever satisfy them, and the
    agent would be paid to mend what is broken anew each time.
    """
    identity, title = identity_of(facts.policy), _title(facts)
    reference = facts.issue.number if any(map(_asks_for_a_number, wanted)) else None

    def reword(text: str) -> str:
        marked = _TURN.search(text)
        if marked:
            text = f"{text[: marked.start()]}\n\n{summaries.get(int(marked[1]), '')}"
        return publishable(text, title, str(identity), reference).text

    return Rules(identity, reword)


def _asks_for_a_number(rule: str) -> bool:
    return not rule.startswith("not ") and ("#" in rule or "gh-" in rule.lower())


def message_rules(database: Database, run_id: int) -> list[str]:
    """What the repository's rules say about the messages of a run's commits."""
    with database.session() as session:
        told = events.of_kind(session, run_id, MESSAGE_RULES)
    return [str(rule) for rule in told[-1].data["must"]] if told else []


def identity_of(policy: Policy) -> Identity:
    """Who is named in what is published."""
    return Identity(policy.commit_name, policy.commit_email)


def summaries(database: Database, run_id: int) -> dict[int, str]:
    """What the agent said last in each turn that has ended, by the turn's number."""
    found: dict[int, str] = {}
    with database.session() as session:
        ended = events.of_kind(session, run_id, "turn.ended")
    for event in ended:
        number = int(event.data.get("turn", len(found) + 1))
        found[number] = str(event.data.get("message", ""))
    return found


def _title(facts: RunFacts) -> str:
    issue = facts.issue
    return one_line(issue.pinned_title or issue.title) or f"Issue {issue.number}"
