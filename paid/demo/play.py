"""The demo from beginning to end: set the stage, label an issue, watch, sum up."""

from __future__ import annotations

import time

from paid.contracts import RunStatus
from paid.demo import sample
from paid.demo.lines import Line, line_of
from paid.demo.options import Options
from paid.demo.screen import Screen, dollars
from paid.demo.stage import BUILD_LABEL, Stage
from paid.demo.story import RunState, Story
from paid.settings import Settings

LONGEST_RUN_SECONDS = {"scripted": 600, "real": 3600}


def play(options: Options, found: Settings, screen: Screen) -> str | None:
    """Run the demo; answers the pull request's address, or None when there is none."""
    screen.say("Paid's demo: a labelled issue becomes a pull request.\n", "bold")
    with Stage(options, found, screen.progress) as stage:
        story = Story(stage.database, stage.project_id)
        _announce(stage, screen)
        with screen:
            _watch_one(stage, story, screen)
        run = story.run
        _sum_up(stage, run, screen)
        if not options.once:
            _stay(story, screen)
    return run.pr_url if run and run.status == RunStatus.COMPLETED else None


def _announce(stage: Stage, screen: Screen) -> None:
    number = stage.options.issue
    screen.say()
    screen.table(
        [
            ("dashboard", f"{stage.paid.login_url}  (works once)"),
            ("issue", stage.issue_url(number) if number else "waiting for you to set the label"),
            ("agent", stage.agent),
            ("model", "a real one" if stage.options.real_model else "scripted, on this machine"),
        ]
    )
    if number is not None:
        stage.label(number)
        screen.say(f"\n  The label {BUILD_LABEL} was set on issue {number}.", "bold")
    else:
        screen.say(f"\n  Set the label {BUILD_LABEL} on an issue of {stage.repository}.", "bold")


def _watch_one(stage: Stage, story: Story, screen: Screen) -> None:
    """Show what happens until the first run has ended."""
    seconds = LONGEST_RUN_SECONDS["real" if stage.options.real_model else "scripted"]
    deadline = time.monotonic() + seconds
    for happening in story.follow():
        screen.money(story.run)
        line = line_of(happening) if happening else None
        if line is not None:
            screen.show(line, story.run)
        waits_for_a_person = stage.options.issue is None and story.run is None
        if happening is None and story.run is not None and story.run.ended is not None:
            return
        if time.monotonic() > deadline and not waits_for_a_person:
            screen.show(Line("note", f"Not finished after {seconds} s.", "red"), story.run)
            return


def _sum_up(stage: Stage, run: RunState | None, screen: Screen) -> None:
    if run is None:
        screen.say("\nNo run was started.", "bold red")
        return
    if run.status != RunStatus.COMPLETED:
        screen.say(f"\nThe run ended as {run.status}: {run.message}", "bold red")
        return
    screen.say("\nDone.", "bold green")
    tokens = f"{run.input_tokens:,} in, {run.output_tokens:,} out, {run.requests} requests"
    rows = [
        ("pull request", run.pr_url or ""),
        ("branch", run.branch or ""),
        ("time", f"{run.seconds():.1f} s from the label to the pull request"),
        ("money", f"{dollars(run.spent_microdollars)} at list price ({tokens})"),
    ]
    if stage.model is not None:
        rows.append(("vendor's bill", _compared(stage, run)))
    screen.table(rows)
    _what_next(stage, screen)


def _compared(stage: Stage, run: RunState) -> str:
    """The scripted vendor keeps an account of its own; the two must agree."""
    entries = stage.model.bill() if stage.model else []
    total = sum(entry.cost_microdollars or 0 for entry in entries)
    verdict = "the same" if total == run.spent_microdollars else "NOT the same"
    return f"{dollars(total)}, {verdict} to the micro-dollar"


def _what_next(stage: Stage, screen: Screen) -> None:
    folder = stage.paid.settings.data_dir
    others = [n for n in range(1, len(sample.issues()) + 1) if n != stage.options.issue]
    screen.say("\nWhat to try next", "bold")
    rows = []
    if not stage.options.once and stage.forge is not None:
        rows.append(("another issue", f"set {BUILD_LABEL} on {stage.issue_url(others[0])}"))
        rows.append(("follow it", f"PAID_DATA_DIR={folder} .venv/bin/paid runs"))
        rows.append(("the dashboard", f"{stage.paid.login_url}  (works once)"))
    rows += [
        ("a real model", "OPENAI_API_KEY=… bin/demo --real-model"),
        (
            "your own repository",
            ".venv/bin/paid up, and in another terminal: .venv/bin/paid project add OWNER/REPO",
        ),
    ]
    screen.table(rows)


def _stay(story: Story, screen: Screen) -> None:
    """Go on showing what happens, until Ctrl-C."""
    screen.say("\nEverything stays up until you press Ctrl-C.", "bold")
    try:
        with screen:
            for happening in story.follow():
                screen.money(story.run)
                line = line_of(happening) if happening else None
                if line is not None:
                    screen.show(line, story.run)
    except KeyboardInterrupt:
        screen.say("\nStopping.")
