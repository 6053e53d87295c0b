"""What `bin/demo` was asked to do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from paid.demo import sample
from paid.errors import ConfigurationError
from paid.settings import Settings

ISSUES = len(sample.issues())


@dataclass(frozen=True)
class Options:
    """`once` stops after one run; `github` of None uses the local forge; `agent` may be ""."""

    once: bool = False
    real_model: bool = False
    github: str | None = None
    issue: int | None = None
    agent: str = ""


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; help and mistakes end the program as argparse does."""
    parser = argparse.ArgumentParser(
        prog="bin/demo",
        description="A labelled issue becomes a pull request, while you watch. Everything is real "
        "but the forge and the model; no key is needed.",
        epilog="Its data is kept apart from your own installation's, and made anew each time.",
    )
    parser.add_argument("--once", action="store_true", help="stop after the first run")
    parser.add_argument(
        "--real-model",
        action="store_true",
        help="use OPENAI_API_KEY (codex) or ANTHROPIC_API_KEY (claude-code); costs some cents",
    )
    parser.add_argument(
        "--github",
        metavar="OWNER/REPO",
        help="a repository of yours on GitHub; needs GITHUB_TOKEN and --real-model",
    )
    parser.add_argument(
        "--issue",
        type=int,
        metavar="N",
        help=f"which issue to label: 1 to {ISSUES} of the sample (1 unless you say), or one on "
        "GitHub (without it, the demo waits until you set the label there)",
    )
    parser.add_argument("--agent", help="another agent, such as opencode; installed if need be")
    given = parser.parse_args(arguments)
    if given.github and not given.real_model:
        parser.error("--github needs --real-model: the scripted model only knows the sample")
    if not given.github and given.issue is not None and not 1 <= given.issue <= ISSUES:
        parser.error(f"the sample has the issues 1 to {ISSUES}")
    return Options(
        once=given.once or not sys.stdout.isatty(),
        real_model=given.real_model,
        github=given.github,
        issue=given.issue or (None if given.github else 1),
        agent=given.agent or "",
    )


def chosen_agent(options: Options, settings: Settings) -> str:
    """The agent that was asked for, else the one that the keys at hand are for.

    Raises ConfigurationError when a real model is wanted and there is no key for any.
    """
    if options.agent:
        return options.agent
    if not options.real_model or settings.openai_api_key:
        return "codex"
    if settings.anthropic_api_key:
        return "claude-code"
    raise ConfigurationError(
        "--real-model needs a key.", hint="Set OPENAI_API_KEY or ANTHROPIC_API_KEY."
    )
