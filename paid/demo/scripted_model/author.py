"""Decides the next answer from the conversation alone.

Nothing is remembered between requests: how far a script has come is counted in the messages that
the client sends along. So a repeated request gets the same answer, whatever failed in between.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from paid.demo.scripted_model.actions import Edit, Run, Script, Step, Write
from paid.demo.scripted_model.conversation import Ask, Call, Entry, Reply
from paid.demo.scripted_model.scenarios import by_name, is_feedback, scenario_in
from paid.demo.scripted_model.toolbox import Toolbox, edit_command, write_command

SUBMIT = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""mini-swe-agent ends when a command prints this."""
BLOCK = re.compile(r"```(mswea_bash_command|bash)\n")
SEARCH_REPLACE = "SEARCH/REPLACE"
"""In the prompt of aider, and of no other."""
ADDED = "added these files to the chat"
TITLE = Reply("A small change to the project")
NOTHING_TO_SAY = Reply("I see nothing in this that I have a script for, so I change nothing.")


@dataclass(frozen=True)
class Answer:
    """A reply and how long its words should take at least."""

    reply: Reply
    seconds: float = 0


@dataclass(frozen=True)
class Turn:
    """The script of the newest turn, and the messages since it began."""

    script: Script
    since: tuple[Entry, ...]


def answer(ask: Ask, scenario: str | None = None) -> Answer:
    """The next answer; `scenario` ("slow 20") overrides what the prompt asks for."""
    turn = _turn(ask, scenario)
    if turn is None:
        return Answer(NOTHING_TO_SAY if ask.tools else TITLE)
    toolbox = Toolbox.of(ask)
    if toolbox.usable:
        return _with_tools(ask, turn, toolbox)
    prompt = "\n".join(entry.text for entry in ask.entries if entry.role != "assistant")
    if SEARCH_REPLACE in prompt:
        return _as_blocks_of_changes(turn)
    if BLOCK.search(prompt):
        return _as_shell_blocks(ask, turn, prompt)
    # Agents ask on the side for a title or a summary; they declare no tools then.
    return Answer(TITLE)


def _turn(ask: Ask, scenario: str | None) -> Turn | None:
    name, _, argument = (scenario or "").partition(" ")
    named = (name, argument) if scenario else None
    start, mending = (0, False) if named else (None, False)
    for number, entry in enumerate(ask.entries):
        if entry.role != "user":
            continue
        found = scenario_in(entry.text) if scenario is None else None
        feedback = is_feedback(entry.text)
        if found or (named and feedback):
            named, start, mending = found or named, number, feedback
    if named is None or start is None:
        return None
    return Turn(by_name(*named, mending=mending), ask.entries[start + 1 :])


def _with_tools(ask: Ask, turn: Turn, toolbox: Toolbox) -> Answer:
    script = turn.script
    planned = [
        (step.words if first == 0 else "", call)
        for step in (*script.steps, *_submission(ask))
        for first, call in enumerate(toolbox.calls(step.action))
    ]
    done = sum(entry.calls for entry in turn.since)
    if done >= len(planned) and not (script.endless and planned):
        return Answer(Reply(script.ending), script.ending_seconds)
    words, (name, arguments) = planned[min(done, len(planned) - 1)]
    call = Call(uuid.uuid4().hex[:24], name, arguments)
    return Answer(Reply(words, script.thought if done == 0 else "", (call,)))


def _submission(ask: Ask) -> tuple[Step, ...]:
    if any(SUBMIT in entry.text for entry in ask.entries if entry.role in ("system", "user")):
        return (Step("Done.", Run(f"echo {SUBMIT}", "Submit")),)
    return ()


def _as_shell_blocks(ask: Ask, turn: Turn, prompt: str) -> Answer:
    """One fenced command an answer, for agents that read their commands out of the text."""
    steps = (*turn.script.steps, *_submission(ask))
    done = sum(1 for entry in turn.since if entry.role == "assistant")
    step = steps[min(done, len(steps) - 1)] if steps else Step("", Run("true"))
    fences = BLOCK.findall(prompt)
    fence = "mswea_bash_command" if "mswea_bash_command" in fences else "bash"
    text = f"THOUGHT: {step.words}\n\n```{fence}\n{_command(step.action)}\n```"
    return Answer(Reply(text), turn.script.ending_seconds)


def _command(action: Run | Edit | Write) -> str:
    if isinstance(action, Run):
        return action.command
    return edit_command(action) if isinstance(action, Edit) else write_command(action)


def _as_blocks_of_changes(turn: Turn) -> Answer:
    """All changes in one answer, in aider's SEARCH/REPLACE blocks.

    When the files that an answer names are new to it, aider adds them to the chat and asks again.
    """
    answered = any(entry.role == "assistant" for entry in turn.since)
    if answered and ADDED not in turn.since[-1].text:
        return Answer(Reply(turn.script.ending))
    blocks = []
    for step in turn.script.steps:
        if isinstance(step.action, Run):
            continue
        old, new = _before_and_after(step.action)
        blocks.append(
            f"{step.words}\n\n{step.action.path}\n```python\n<<<<<<< SEARCH\n{old}=======\n{new}"
            ">>>>>>> REPLACE\n```\n"
        )
    text = "\n".join([*blocks, turn.script.ending])
    return Answer(Reply(text), turn.script.ending_seconds)


def _before_and_after(action: Edit | Write) -> tuple[str, str]:
    if isinstance(action, Write):
        return "", action.content
    return _ended(action.old), _ended(action.new)


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
