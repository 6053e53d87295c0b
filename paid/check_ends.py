"""How a check ended, and whether another round of the agent could change that. Pure.

A report is what paid-step sends of one check: `code`, `signal`, `timed_out`, `oom_kills`, `output`;
the activity adds `denied`, the hosts that the gateway refused meanwhile.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from paid import check_lines
from paid.plain import plain

Report = Mapping[str, Any]
NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""A shell's exit codes for a program that cannot be run, and for one that is not there."""
WHOLE = 200_000
"""Characters: more than paid-step sends of a check's output, whose end tells most."""
TOLD_LINES, TOLD_CHARACTERS = 12, 900
"""Of a failing check's output, in a run's error and on its issue: the end."""


class CheckEnd(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NO_PROGRAM = "no_program"
    NOT_RUNNABLE = "not_runnable"
    DENIED = "denied"
    MEMORY = "memory"
    TIME = "time"
    KILLED = "killed"


def end_of(report: Report) -> CheckEnd:
    """The end that a report tells, the nearest cause first."""
    code = report.get("code")
    if report.get("timed_out"):
        return CheckEnd.TIME
    if code == 0:
        return CheckEnd.PASSED
    if report.get("oom_kills"):
        return CheckEnd.MEMORY
    if report.get("denied"):
        return CheckEnd.DENIED
    if code is None:
        return CheckEnd.KILLED
    return {NOT_FOUND: CheckEnd.NO_PROGRAM, NOT_EXECUTABLE: CheckEnd.NOT_RUNNABLE}.get(
        code, CheckEnd.FAILED
    )


def how(report: Report) -> str:
    """The end in words, as in "The check … <how>."."""
    code, number = report.get("code"), report.get("signal")
    how_it_ended = f"ended with exit code {code}"
    match end_of(report):
        case CheckEnd.PASSED:
            return "passed"
        case CheckEnd.TIME:
            return f"ran out of time after {report.get('seconds', 0):.0f} seconds"
        case CheckEnd.MEMORY:
            return "was killed, in part or whole, because its container's memory was used up"
        case CheckEnd.DENIED:
            return f"{how_it_ended}, and was refused the way to {', '.join(report['denied'])}"
        case CheckEnd.KILLED:
            return f"was ended by {_signal(number)}" if number else "was ended before its time"
        case CheckEnd.NO_PROGRAM:
            return f"{how_it_ended}: a program was not found"
        case CheckEnd.NOT_RUNNABLE:
            return f"{how_it_ended}: a program cannot be run"
    return how_it_ended


ADVICE = {
    CheckEnd.NO_PROGRAM: "Name a program that the agent's image has, or install it in the check.",
    CheckEnd.NOT_RUNNABLE: "Make the file executable in the repository, or name its interpreter.",
    CheckEnd.DENIED: "Allow the host beside the others: `paid project set PROJECT --egress`.",
    CheckEnd.MEMORY: "Raise it: `paid project set PROJECT --memory-mib`.",
    CheckEnd.TIME: "Raise it: `paid project set PROJECT --check-timeout-seconds`.",
}
"""What a person can do where no agent can."""
OTHER_ADVICE = "Mend the base, or change the check."
TRY = "`paid project check PROJECT` tries the checks on the base, without an agent."


_LACKS = {CheckEnd.NO_PROGRAM, CheckEnd.NOT_RUNNABLE}
_BY_OUTPUT = {CheckEnd.FAILED, CheckEnd.DENIED}
"""Who was refused is told at most once a minute, so the same end may be known as either."""


@dataclass(frozen=True)
class Failure:
    """A check that failed on the commit, and how it ended on the untouched base.

    `base` of None: it was not tried there.
    """

    argv: tuple[str, ...]
    head: Report
    base: Report | None = None

    @property
    def fails_on_base(self) -> bool:
        """Whether the base fails too, in whatever way."""
        return self.base is not None and end_of(self.base) is not CheckEnd.PASSED

    @property
    def cannot_pass(self) -> bool:
        """Whether the base fails in the very same way: what the agent did has no part in it.

        What a container lacks (a host, memory, time) is the same when the kind is, a program when
        it is called so in both; of other failures the output is compared.
        """
        if self.base is None:
            return False
        ends = {end_of(self.head), end_of(self.base)}
        if ends <= _LACKS:
            return len(ends) == 1 and _lack_the_same(self.head, self.base)
        if ends <= _BY_OUTPUT and ends != {CheckEnd.DENIED}:
            return is_same_failure(self.head, self.base)
        return len(ends) == 1 and CheckEnd.PASSED not in ends

    def told(self, known: str = "") -> str:
        """The check, how it ended and the end of its output; `known` comes behind how it ended."""
        said = tail(str(self.head.get("output", "")))
        text = f"The check `{check_lines.on_one_line(self.argv)}` {how(self.head)}{known}."
        return f"{text} The end of its output:\n{said}" if said else f"{text} It said nothing."

    @property
    def advice(self) -> str:
        """What to do about a check that cannot pass."""
        end = end_of(self.head)
        if end is CheckEnd.FAILED and _LACKS_PROGRAM.search(str(self.head.get("output", ""))):
            end = CheckEnd.NO_PROGRAM  # told by a program in between: make, npm, a build script
        return f"{ADVICE.get(end, OTHER_ADVICE)} {TRY}"


def cannot_pass(failures: Sequence[Failure], project: str) -> str:
    """Why no agent can make the checks of `project` pass; empty where one may."""
    hopeless = [failure for failure in failures if failure.cannot_pass]
    if not hopeless:
        return ""
    known = ", and on the untouched base in the same way, so the agent was not asked again"
    return f"{hopeless[0].told(known)}\n{hopeless[0].advice.replace('PROJECT', project)}"


def is_same_failure(head: Report, base: Report) -> bool:
    """Whether two failures are one: the same exit code, and the same lines that tell of failure.

    Other lines differ with what was added (a test more, a dot more); where no line tells of a
    failure, all of them count. Numbers, addresses and names of scratch files do not.
    """
    if head.get("code") != base.get("code"):
        return False
    texts = [_neutral(str(report.get("output", ""))) for report in (head, base)]
    told = [{line for line in text.split("\n") if _TELLS.search(line)} for text in texts]
    return told[0] == told[1] if all(told) else texts[0] == texts[1]


def _lack_the_same(head: Report, base: Report) -> bool:
    """Whether one program is named as missing by both; where one names none, it may be the same.

    The script of a check may be what the issue asks for: missing on the base, and on the commit
    there and calling what is not there.
    """
    named = [set(_named_as_lacking(str(report.get("output", "")))) for report in (head, base)]
    return not all(named) or not named[0].isdisjoint(named[1])


def _named_as_lacking(output: str) -> Iterator[str]:
    for found in _LACKING.finditer(plain(output, WHOLE)):
        yield (found["name"] or found["behind"]).strip("'\"`\u2018\u2019:")


def tail(output: str) -> str:
    """The last lines of an output, without what a terminal would act on."""
    lines = [line.rstrip() for line in plain(output, WHOLE).strip().split("\n")]
    last = "\n".join(lines[-TOLD_LINES:])
    whole = last[-TOLD_CHARACTERS:]
    if len(last) > len(whole) and "\n" in whole:
        whole = whole.partition("\n")[2]  # its first line was cut
    return whole.strip()


_TELLS = re.compile(
    r"fail|error|\bnot ok\b|panic|exception|assert|undefined|not found|[✗✕✖❌]", re.IGNORECASE
)
_LACKS_PROGRAM = re.compile(
    r"\bcommand not found\b|^\S*sh: (?:\d+: |line \d+: )?\S+: not found\b"
    r"|executable file not found in |spawn \S+ ENOENT|^make\S*: \S+: No such file or directory"
    r"|is not a git command\b|No such file or directory: '[\w.+-]+'"
    r"|error: command '\S*(?:gcc|cc|clang|c\+\+)' failed: No such file"
    r"|linker `\S+` not found",
    re.MULTILINE,
)
# begins where a word does: else one long line takes the square of its length
_LACKING = re.compile(
    r"(?:no such program|command not found|\] No such file or directory|\] Permission denied):"
    r" (?P<behind>\S+)"
    r"|(?<![^\s:])(?P<name>[^\s:]{1,200}): (?:(?:command )?not found|No such file or directory"
    r"|Permission denied|(?:cannot execute|bad interpreter)\b)(?!:)"
)
_SCRATCH = re.compile(r"/(?:tmp|var/tmp|dev/shm)/[^\s'\":,)]*")
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{7,64}\b|\d+(?:\.\d+)?")


def _neutral(output: str) -> str:
    text = _NUMBER.sub("#", _SCRATCH.sub("/tmp/#", plain(output, WHOLE)))  # noqa: S108 - only a name
    return "\n".join(line.strip() for line in text.strip().split("\n"))


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
