"""An event as news for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from paid.github.titles import seen_title
from paid.models import Event, Issue, Project, Run


@dataclass(frozen=True)
class News:
    """One thing worth telling. `title` and `body` are plain text; `payload` is JSON."""

    project_id: int | None
    title: str
    body: str
    payload: dict[str, Any]


def read(session: Session, event_id: int, dashboard_url: str) -> News | None:
    """The news in an event; None when the event is not there."""
    event = session.get(Event, event_id)
    if event is None:
        return None
    project = session.get(Project, event.project_id) if event.project_id else None
    run = session.get(Run, event.run_id) if event.run_id else None
    issue = session.get(Issue, run.issue_id) if run else None
    title = _title(event, project, run, issue)
    url = f"{dashboard_url}/runs/{run.id}" if run else dashboard_url
    payload = {
        "event": event.kind,
        "id": event.id,
        "at": event.at.isoformat(),
        "title": title,
        "project": project.full_name if project else None,
        "run": _run(run, url) if run else None,
        "issue": _issue(issue) if issue else None,
        "data": event.data,
    }
    lines = [title, "", *_lines(event, run, issue), url]
    return News(event.project_id, title, "\n".join(lines), payload)


def _title(event: Event, project: Project | None, run: Run | None, issue: Issue | None) -> str:
    what = event.kind.replace(".", " ").replace("_", " ")
    if event.kind == "run.ended" and run is not None:
        what = f"run {run.id} {run.status.replace('_', ' ')}"
    place = f"{project.full_name}#{issue.number}" if project and issue else ""
    if project and not issue:
        place = project.full_name
    return f"{place}: {what}" if place else what


def _run(run: Run, url: str) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": run.status,
        "url": url,
        "pull_request": run.pr_url,
        "error_code": run.error_code or None,
        "error": run.error_message or None,
    }


def _issue(issue: Issue) -> dict[str, Any]:
    return {"number": issue.number, "title": issue.title, "url": issue.html_url}


def _lines(event: Event, run: Run | None, issue: Issue | None) -> list[str]:
    found = []
    if issue is not None:
        found += [f"Issue: {seen_title(issue.title)}", issue.html_url]
    if run is not None and run.pr_url:
        found.append(f"Pull request: {run.pr_url}")
    if run is not None and run.error_message:
        found.append(f"Why: {run.error_message}")
    elif event.data.get("reason"):
        found.append(f"Why: {event.data['reason']}")
    return found
