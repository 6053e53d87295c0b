"""What is asked of the agent: the pinned issue, cleaned and marked, or what to mend."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session

from paid.activities.turn_gaps import gaps_of
from paid.containers.absent import Absent
from paid.contracts import TurnInput, Workspace
from paid.github.untrusted import clean, clean_title
from paid.models import Feedback
from paid.prompts.loader import Prompt, render
from paid.store import events
from paid.store.runs import RunFacts

MESSAGE_RULES = "run.message_rules"
"""The event with what the repository's rules say about commit messages."""
MAX_BODY_CHARACTERS = 60_000


@dataclass(frozen=True)
class Ask:
    """A prompt, where it came from, and the agent's session that it continues, if any."""

    prompt: str
    template: str
    sha256: str
    session_id: str | None
    findings: tuple[str, ...]
    """What was stripped from the issue's text, in words."""


def ask_of(
    session: Session,
    facts: RunFacts,
    given: TurnInput,
    workspace: Workspace,
    absent: Absent,
    *,
    continues: bool,
) -> Ask:
    """The prompt of a turn.

    An agent that cannot continue its session gets the task again, with what to mend behind it.
    """
    session_id = facts.run.agent_session if continues else None
    told = events.of_kind(session, given.run_id, MESSAGE_RULES)
    rules = [str(rule) for rule in told[-1].data["must"]] if told else []
    task, findings = _task(facts, workspace.branch, absent, rules)
    parts: list[Prompt] = [] if session_id else [task]
    if given.resumed:
        parts.append(render("continue", reason="the run was paused and goes on"))
    elif given.feedback_id is not None:
        feedback = session.get_one(Feedback, given.feedback_id)
        parts.append(
            render(
                "feedback",
                what=feedback.kind,
                text=feedback.text,
                iteration=given.iteration,
                left_out=list(gaps_of(session, given.run_id).left_out),
            )
        )
    parts = parts or [task]
    return Ask(
        prompt="\n\n".join(part.text for part in parts),
        template="+".join(part.template for part in parts),
        sha256="+".join(part.sha256 for part in parts),
        session_id=session_id,
        findings=findings if task in parts else (),
    )


def _task(
    facts: RunFacts, branch: str, absent: Absent, rules: list[str]
) -> tuple[Prompt, tuple[str, ...]]:
    issue = facts.issue
    title = clean_title(issue.pinned_title or issue.title)
    body = clean(issue.pinned_body or "", max_chars=MAX_BODY_CHARACTERS)
    prompt = render(
        "task",
        repository=facts.project.full_name,
        number=issue.number,
        title=title.text,
        body=body.text,
        branch=branch,
        checks=facts.policy.checks,
        submodules=absent.submodules,
        lfs=absent.lfs,
        message_rules=rules,
    )
    found = [*title.findings, *body.findings]
    return prompt, tuple(f"{finding.kind}: {finding.count}" for finding in found)
