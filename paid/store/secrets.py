"""What is asked of secrets that a change holds: what was found, and letting it go.

Neither events nor settings have a value; both name it by its SHA-256.
"""

from __future__ import annotations

import re

from sqlmodel import Session, col, select

from paid.errors import BadInputError, SecretFoundError
from paid.models import Event, Run
from paid.store import events, projects, runs
from paid.store.events import NewEvent

FOUND = "run.secrets_found"
RELEASED = "run.secrets_released"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_REASON_CHARS = 500
_MOST_ALLOWED = 1000


def found_in(session: Session, run: Run) -> list[dict[str, str]]:
    """What the run's last refusal named: kind, place and fingerprint of each secret.

    Nothing of a run that ended for another reason: what was found before is not in its way.
    """
    if run.ended and run.error_code != SecretFoundError.code:
        return []
    question = select(Event).where(Event.run_id == run.id, Event.kind == FOUND)
    newest = session.exec(question.order_by(col(Event.seq).desc()).limit(1)).first()
    return [] if newest is None else list(newest.data.get("found", []))


def release(session: Session, run_id: int, by: str, reason: str) -> Run:
    """Let the run publish what its last refusal named, and say who did so and why.

    Only those values: what else a change holds is refused as before. Raises BadInputError where
    nothing was refused, or no reason is given.
    """
    reason = _reason(reason)
    run = runs.locked(session, run_id)
    if run.pr_number is not None:
        raise BadInputError(f"Run {run_id} has a pull request: {run.pr_url}.")
    found = found_in(session, run)
    if not found:
        raise BadInputError(
            f"No secret was found in what run {run_id} would publish.",
            hint="Only a run that was refused for one can be released.",
        )
    values = [*run.released_secrets, *(each["fingerprint"] for each in found)]
    run.released_secrets = list(dict.fromkeys(values))
    session.add(run)
    runs.say(session, run, RELEASED, by=by, reason=reason, commit=run.head_sha, found=found)
    return run


def let_go(session: Session, run_id: int) -> list[str]:
    """What people let go for the run, as "a GitHub token in settings.ini, line 2"; each once."""
    released = events.of_kind(session, run_id, RELEASED)
    found = (each for event in released for each in event.data.get("found", []))
    return list(dict.fromkeys(f"{each['kind']} in {each['place']}" for each in found))


def allow(
    session: Session, project_id: int, by: str, reason: str, *, path: str = "", value: str = ""
) -> None:
    """Let every run of a project publish a value (SHA-256 in hex), or any key in files by a glob.

    Our own secrets go by their value alone, never by a path. Raises BadInputError.
    """
    if bool(path) == bool(value):
        raise BadInputError("Name either a path or a value.", hint="As in --path 'tests/keys/**'.")
    if value and not _SHA256.fullmatch(value):
        raise BadInputError("The value's fingerprint is no SHA-256.", hint="It has 64 hex digits.")
    if path.strip("/*?. ") == "" and path:
        raise BadInputError(
            "That glob is of every file, which would end the search for secrets.",
            hint="Name a folder or a kind of file, as in 'tests/keys/**'.",
        )
    entry = {"path": path} if path else {"value": value}
    _change(session, project_id, by, {**entry, "reason": _reason(reason), "by": by}, add=True)


def disallow(
    session: Session, project_id: int, by: str, *, path: str = "", value: str = ""
) -> None:
    """Take back what was let go. Raises BadInputError when there is no such entry."""
    _change(session, project_id, by, {"path": path} if path else {"value": value}, add=False)


def _change(
    session: Session, project_id: int, by: str, entry: dict[str, str], *, add: bool
) -> None:
    projects.get(session, project_id, lock=True)
    policy = projects.policy(session, project_id)
    key = "path" if "path" in entry else "value"
    kept = [each for each in policy.allowed_secrets if each.get(key) != entry[key]]
    if not add and len(kept) == len(policy.allowed_secrets):
        raise BadInputError("There is no such entry.", hint="`paid project show` lists them.")
    if len(kept) >= _MOST_ALLOWED:
        raise BadInputError(f"{_MOST_ALLOWED} entries are the most.")
    policy.allowed_secrets = [*kept, entry] if add else kept
    session.add(policy)
    kind = "project.secret_allowed" if add else "project.secret_disallowed"
    events.append_to_project(session, project_id, NewEvent(kind, {**entry, "by": by}))


def _reason(reason: str) -> str:
    reason = reason.strip()
    if not reason or len(reason) > _MOST_REASON_CHARS:
        raise BadInputError(
            "A reason is needed, of at most 500 characters.",
            hint="As in --reason 'a key of the test server, which is public'.",
        )
    return events.storable(reason)
