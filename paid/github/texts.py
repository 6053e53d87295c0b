"""What Paid writes on GitHub: one comment on an issue, edited as it goes, and the pull request.

Text of people and of agents goes in neutralised, so that nothing in it mentions, closes, links or
loads anything (threat 25).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from paid import check_lines
from paid.costs import said
from paid.github.neutral import (
    code,
    neutralise,
    neutralise_inline,
    neutralise_title,
    plain_title,
    quoted,
)
from paid.github.words import Comment

STATUS_MARKER = "<!-- paid:status -->"
MOST_BODY_CHARS = 60_000
"""GitHub takes 65,536."""
_MOST_TITLE_CHARS = 170
"""GitHub takes 256, and where all is mentions, every second character gets a joiner."""
_FILES_LISTED = 30
_COMMITS_LISTED = 20

WAITING = "waiting"
PAUSED_BY_VENDOR = "paused_by_vendor"
"""Not `RunStatus`es: a run that no host could take so far, and one that waits for a vendor."""

HEADLINES = {
    WAITING: "waits for a machine that can take this.",
    PAUSED_BY_VENDOR: "has paused: the model vendor's limit is reached.",
    "queued": "has seen the label and will start soon.",
    "provisioning": "is preparing a container.",
    "running": "is working on this.",
    "verifying": "is checking the change.",
    "reviewing": "is reviewing the change.",
    "awaiting_approval": "waits for an approval.",
    "creating_pr": "is opening the pull request.",
    "completed": "has opened a pull request.",
    "no_changes": "ended without a change.",
    "failed": "could not do this.",
    "cancelled": "was told to stop.",
    "budget_exceeded": "has paused: the budget is used up.",
    "needs_input": "needs an answer from a person.",
    "refused": "did not start.",
}
"""The first line for each `RunStatus`, and for a label that starts nothing."""


@dataclass(frozen=True)
class StatusView:
    """What the issue's comment says.

    `message` is a sentence for people, `hint` what they can do; both may hold words of strangers.
    `likely` is what the run may cost, shown until its cost is known. `run_url` is None where the
    dashboard cannot be reached by those who read the issue.
    """

    status: str
    message: str = ""
    hint: str = ""
    likely: str = ""
    run_id: int | None = None
    run_url: str | None = None
    agent: str = ""
    branch: str | None = None
    pull_request_url: str | None = None
    cost_microdollars: int | None = None
    estimated_microdollars: int = 0
    tokens: int = 0
    rounds: int = 0
    findings: tuple[str, ...] = ()

    @property
    def cost(self) -> str:
        """Dollars, or nothing while none is known."""
        if self.cost_microdollars is None:
            return ""
        return said(self.cost_microdollars, self.estimated_microdollars, dollars)


@dataclass(frozen=True)
class CheckSeen:
    """One of the project's own checks: its command and how it ended on base and head."""

    command: tuple[str, ...]
    passed: bool
    seconds: float | None = None
    passed_on_base: bool | None = None
    ran_no_test: bool = False


@dataclass(frozen=True)
class FileSeen:
    """A changed file; counts are None for a binary one."""

    path: str
    added: int | None
    deleted: int | None


@dataclass(frozen=True)
class PullRequestView:
    """What the pull request says. `summary` is the agent's last word, `commits` its subjects.

    `checked_sha` is the commit that the checks ran on where it is not the head itself: a head with
    the same files and another author. `left_out` is what was not committed as litter, with its
    number of files; `let_go` is what looked like a secret and a person published all the same.
    """

    issue_number: int
    issue_title: str
    issue_body: str
    requested_by: str
    run_id: int
    agent: str
    base_sha: str
    head_sha: str
    summary: str = ""
    commits: tuple[str, ...] = ()
    files: tuple[FileSeen, ...] = ()
    checked_sha: str = ""
    left_out: tuple[tuple[str, int], ...] = ()
    checks: tuple[CheckSeen, ...] = ()
    let_go: tuple[str, ...] = ()
    rounds: int = 1
    cost_microdollars: int = 0
    estimated_microdollars: int = 0
    tokens: int = 0
    minutes: float | None = None
    run_url: str | None = None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class PullRequestText:
    """A pull request's title and body."""

    title: str
    body: str


def status_comment(view: StatusView) -> str:
    """The comment; it ends with a hidden marker by which `find_ours` knows it again."""
    return _render(
        "status.md.j2",
        view=view,
        headline=HEADLINES.get(view.status, "is at work."),
        message=neutralise(view.message, 6000) if view.message else "",
        hint=neutralise(view.hint, 1000) if view.hint else "",
        agent=code(view.agent),
        branch=code(view.branch) if view.branch else "",
        findings=_listed(view.findings),
        marker=STATUS_MARKER,
    )


def pull_request_text(view: PullRequestView) -> PullRequestText:
    """Title and body: what was asked, what was done, how it was checked, what it cost."""
    title = plain_title(view.issue_title, _MOST_TITLE_CHARS) or f"Issue {view.issue_number}"
    # letters may become five when they are escaped: what others wrote gives way, Paid's words stay
    bodies = (_body(view, part) for part in (1, 2, 4, 8))
    body = next((body for body in bodies if len(body) <= MOST_BODY_CHARS), _body(view, 16))
    return PullRequestText(title, body[:MOST_BODY_CHARS])


def _body(view: PullRequestView, part: int) -> str:
    """The body, with the `part`th part of what is quoted otherwise."""
    return _render(
        "pull_request.md.j2",
        # the one reference that is meant: Paid's own, to the issue that asked
        closing=f"Closes #{view.issue_number}.",
        requested_by=neutralise_inline(view.requested_by),
        asked=_asked(view, 3000 // part),
        summary=neutralise(view.summary.strip(), 6000 // part),
        commits=[
            neutralise_inline(subject, 200 // part) for subject in view.commits[:_COMMITS_LISTED]
        ],
        size=_size(view.files),
        files=[_file(file) for file in view.files[:_FILES_LISTED]],
        more_files=max(0, len(view.files) - _FILES_LISTED),
        left_out=[_litter(*one) for one in view.left_out[:_FILES_LISTED]],
        checks=[_check(check) for check in view.checks],
        let_go=[neutralise_inline(one) for one in view.let_go[:_FILES_LISTED]],
        rounds=view.rounds,
        head=code((view.checked_sha or view.head_sha)[:12]),
        published=code(view.head_sha[:12]) if view.checked_sha not in ("", view.head_sha) else "",
        base=code(view.base_sha[:12]),
        cost=_cost(view),
        agent=code(view.agent),
        run_id=view.run_id,
        run_url=view.run_url,
        findings=_listed(view.findings),
        marker=f"<!-- paid:run={view.run_id} -->",
    )


def _asked(view: PullRequestView, most_chars: int) -> str:
    """The issue as a quotation: its title, which is plain text, and its text, which is Markdown."""
    title = f"> {neutralise_title(view.issue_title)}".rstrip()
    body = view.issue_body.strip()
    return f"{title}\n>\n{quoted(body, most_chars)}" if body else title


def find_ours(comments: Sequence[Comment], login: str) -> Comment | None:
    """The status comment among an issue's comments, by its marker and its author.

    Anybody can write the marker, so another author's comment is never taken for ours.
    """
    for comment in comments:
        if STATUS_MARKER in comment.body and comment.author.lower() == login.lower():
            return comment
    return None


def dollars(microdollars: int) -> str:
    """$1.23; four digits under ten cents, because most runs of small models cost that."""
    amount = microdollars / 1_000_000
    return f"${amount:.4f}" if 0 < amount < 0.1 else f"${amount:.2f}"


def _size(files: Sequence[FileSeen]) -> str:
    added = sum(file.added or 0 for file in files)
    deleted = sum(file.deleted or 0 for file in files)
    noun = "file" if len(files) == 1 else "files"
    return f"{len(files)} {noun} changed (+{added} -{deleted}):"


def _file(file: FileSeen) -> str:
    counts = "binary" if file.added is None else f"+{file.added} -{file.deleted or 0}"
    return f"{code(file.path)} ({counts})"


def _litter(root: str, files: int) -> str:
    return code(root) + (f" ({files:,} files)" if files > 1 else "")


def _check(check: CheckSeen) -> str:
    ended = "passed" if check.passed else "**failed**"
    took = "" if check.seconds is None else f" in {check.seconds:.1f} s"
    tells = ""
    if check.passed and check.ran_no_test:
        tells = ", **but says that it ran no test**"
    elif check_lines.cannot_fail(check.command):
        tells = "; it passes whatever a commit holds"
    base = {None: "", True: "; on the base it passed too", False: "; on the base it failed"}
    command = code(check_lines.on_one_line(check.command))
    return f"{command} {ended}{took}{base[check.passed_on_base]}{tells}"


def _cost(view: PullRequestView) -> str:
    cost = said(view.cost_microdollars, view.estimated_microdollars, dollars)
    told = f"{cost} for {view.tokens:,} tokens"
    return told + (f", {view.minutes:.1f} minutes." if view.minutes is not None else ".")


def _listed(findings: Sequence[str]) -> str:
    return ", ".join(neutralise_inline(finding, 80) for finding in findings)


@cache
def _templates() -> Environment:
    # nothing is escaped here: what goes in is neutralised Markdown, and no browser reads it raw
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        keep_trailing_newline=False,
    )


def _render(template: str, **values: object) -> str:
    return _templates().get_template(template).render(**values).strip() + "\n"
