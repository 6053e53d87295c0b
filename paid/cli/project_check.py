"""`paid project check`: try a project's checks on its base, without an agent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from paid import check_ends, check_lines
from paid.check_ends import CheckEnd
from paid.cli import connection, output
from paid.cli.output import Json, plain, say, shown
from paid.cli.projects import Name
from paid.empty_checks import ran_no_test
from paid.store import projects

if TYPE_CHECKING:
    from paid.check_trial import Tried

FAILED = 1


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("check")(check)


def check(name: Name, as_json: Json = False) -> None:
    """Run the checks on the default branch as it is, in a container like a run's.

    Nothing is spent, and nothing is pushed. Run it on a worker's host: it needs its Docker. The
    exit code is 1 when a check fails.

    [dim]paid project check team/app[/]
    """
    # the worker's own adapters: loading them takes longer than most commands
    from paid.check_trial import CheckTrial  # noqa: PLC0415
    from paid.worker import make_host  # noqa: PLC0415

    settings = connection.settings()
    host = make_host(settings)
    try:
        with host.database.session() as session:
            project = projects.find(session, name)
            policy = projects.policy(session, projects.number(project))
        trial = CheckTrial(host, project, policy)
        base_sha = trial.base_sha()
        if not as_json:
            say(f"On {shown(project.default_branch)}, commit {base_sha[:12]}:")
        found = trial.run(base_sha, _nothing if as_json else _tell)
    finally:
        host.database.close()
    if as_json:
        output.print_json({"base": base_sha, "checks": [_as_row(one) for one in found]})
    if any(check_ends.end_of(one.report) is not CheckEnd.PASSED for one in found):
        raise typer.Exit(FAILED)


def _nothing(_: Tried) -> None:
    return


def _tell(one: Tried) -> None:
    end, command = check_ends.end_of(one.report), plain(check_lines.on_one_line(one.argv))
    if end is CheckEnd.PASSED:
        print(f"passed  {command}  ({one.report.get('seconds', 0):.1f} s{_remark(one)})")
    else:
        print(f"FAILED  {command}  ({check_ends.how(one.report)})")
        for line in check_ends.tail(str(one.report.get("output", ""))).split("\n"):
            print(f"        {line}".rstrip())
        if end in check_ends.ADVICE:
            print(f"        What to do: {check_ends.ADVICE[end]}")
    sys.stdout.flush()


def _remark(one: Tried) -> str:
    if ran_no_test(str(one.report.get("output", ""))):
        return "; it ran no test"
    return "; it passes whatever a commit holds" if check_lines.cannot_fail(one.argv) else ""


def _as_row(one: Tried) -> dict[str, Any]:
    return {
        "command": list(one.argv),
        "end": str(check_ends.end_of(one.report)),
        "how": check_ends.how(one.report),
        "code": one.report.get("code"),
        "seconds": one.report.get("seconds"),
        "denied_hosts": one.report.get("denied", []),
        "ran_no_test": ran_no_test(str(one.report.get("output", ""))),
        "output": check_ends.tail(str(one.report.get("output", ""))),
    }
