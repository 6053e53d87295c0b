"""The scripts: with whatever tools are declared, the sample's issues are really solved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paid.demo import sample
from paid.demo.scripted_model.author import answer
from paid.demo.scripted_model.conversation import Ask, Call, Entry, Tool

COMMAND = {"command": {"type": "string"}}
FILE = {"filePath": {"type": "string"}}
SHELLS = {
    "exec_command": Tool("exec_command", {"cmd": {"type": "string"}}, ("cmd",)),
    "shell": Tool("shell", {"command": {"type": "array"}}, ("command",)),
    "Bash": Tool("Bash", COMMAND | {"description": {"type": "string"}}, ("command",)),
    "run_shell_command": Tool(
        "run_shell_command",
        COMMAND | {"is_background": {"type": "boolean"}},
        ("command", "is_background"),
    ),
}
EDITORS = (
    Tool("bash", COMMAND, ("command",)),
    Tool("read", FILE, ("filePath",)),
    Tool("edit", FILE | {"oldString": {}, "newString": {}}, ("filePath", "oldString", "newString")),
    Tool("write", FILE | {"content": {}}, ("filePath", "content")),
)
FEEDBACK = (
    "The project's checks were run on your commit, in a clean container, and at least one of them "
    "failed."
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample's files, as an agent finds them."""
    # Python takes a file for unchanged that is written twice in a second with the same length.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    for name, text in sample.files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


class Agent:
    """Does what it is told, as an agent's command line would."""

    def __init__(self, tree: Path, tools: tuple[Tool, ...]) -> None:
        self._tree = tree
        self._tools = tools
        self.entries = [Entry("system", f"Working directory: {tree}")]

    def work(self, task: str, longest: int = 40) -> str:
        """Follow the answers until one has no more calls; its words are returned."""
        self.entries.append(Entry("user", task))
        for _ in range(longest):
            reply = answer(Ask("gpt-5.2", False, tuple(self.entries), self._tools)).reply
            self.entries.append(Entry("assistant", reply.text, len(reply.calls)))
            if not reply.calls:
                return reply.text
            self.entries += [Entry("tool", self._do(call)) for call in reply.calls]
        raise AssertionError("the script does not end")

    def _do(self, call: Call) -> str:
        given: Any = call.arguments
        if call.name == "edit":
            path = Path(given["filePath"])
            assert path.read_text().count(given["oldString"]) == 1
            path.write_text(path.read_text().replace(given["oldString"], given["newString"]))
        elif call.name == "write":
            Path(given["filePath"]).write_text(given["content"])
        elif call.name == "read":
            return Path(given["filePath"]).read_text()
        else:
            command = given.get("command") or given.get("cmd")
            argv = command if isinstance(command, list) else ["bash", "-c", command]
            done = subprocess.run(
                argv, cwd=self._tree, capture_output=True, text=True, check=False, timeout=60
            )
            return done.stdout + done.stderr
        return "done"


def passes(tree: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "unittest"], cwd=tree, capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0


def prompt(number: int) -> str:
    issue = sample.issues()[number - 1]
    return f"Resolve issue #{number}.\n\n{issue.title}\n\n{issue.body}"


def test_the_samples_tests_pass_before_anything_is_done(tree: Path) -> None:
    assert passes(tree)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_bug_is_mended_with_any_shell(tree: Path, shell: str) -> None:
    said = Agent(tree, (SHELLS[shell],)).work(prompt(1))

    assert "5400" in said
    assert "total += int(number)" in (tree / "timespan/parsing.py").read_text()
    assert "test_units_add_up" in (tree / "tests/test_parsing.py").read_text()
    assert passes(tree)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("tools", [(SHELLS["Bash"],), EDITORS], ids=["shell", "editors"])
def test_every_issue_is_solved(tree: Path, number: int, tools: tuple[Tool, ...]) -> None:
    before = {path: path.read_text() for path in tree.rglob("*.py")}

    Agent(tree, tools).work(prompt(number))

    assert {path: path.read_text() for path in tree.rglob("*.py")} != before
    assert passes(tree)


def test_the_same_request_gets_the_same_answer(tree: Path) -> None:
    ask = Ask("gpt-5.2", False, (Entry("user", prompt(1)),), (SHELLS["Bash"],))

    first, second = answer(ask).reply, answer(ask).reply

    assert first.text == second.text
    assert first.calls[0].arguments == second.calls[0].arguments


def test_checks_that_failed_are_mended_in_the_next_turn(tree: Path) -> None:
    agent = Agent(tree, (SHELLS["Bash"],))

    agent.work("Title\n\nScenario: mend")
    assert not passes(tree)
    agent.work(FEEDBACK)

    assert passes(tree)


def test_an_agent_without_a_memory_mends_as_well(tree: Path) -> None:
    Agent(tree, (SHELLS["Bash"],)).work("Title\n\n> Scenario: mend")
    assert not passes(tree)

    Agent(tree, (SHELLS["Bash"],)).work(f"Title\n\n> Scenario: mend\n\n{FEEDBACK}")

    assert passes(tree)


def test_a_loop_says_the_same_every_turn(tree: Path) -> None:
    agent = Agent(tree, (SHELLS["Bash"],))

    said = [agent.work("Scenario: loop"), agent.work(FEEDBACK), agent.work(FEEDBACK)]

    assert len(set(said)) == 1
    assert not passes(tree)


def test_nothing_changes_nothing(tree: Path) -> None:
    said = Agent(tree, (SHELLS["Bash"],)).work("Scenario: nothing")

    assert "nothing to change" in said


def test_a_command_is_run_as_it_stands(tree: Path) -> None:
    Agent(tree, (SHELLS["Bash"],)).work("Scenario: run echo 'a b' > made.txt")

    assert (tree / "made.txt").read_text() == "a b\n"


def test_endless_never_ends(tree: Path) -> None:
    with pytest.raises(AssertionError, match="does not end"):
        Agent(tree, (SHELLS["Bash"],)).work("Scenario: endless")


def test_slow_takes_its_time_over_the_last_words() -> None:
    ask = Ask(
        "gpt-5.2",
        True,
        (Entry("user", "Scenario: slow 7"), Entry("assistant", "", 1), Entry("tool", "ok")),
        (SHELLS["Bash"],),
    )

    assert answer(ask).seconds == 7


def test_a_task_that_is_not_in_the_script_changes_nothing(tree: Path) -> None:
    assert "no" in Agent(tree, (SHELLS["Bash"],)).work("Please write a compiler.").lower()


def test_a_request_without_tools_is_a_title() -> None:
    ask = Ask("gpt-5.2", False, (Entry("user", prompt(1)),))

    assert len(answer(ask).reply.text) < 60


def test_commands_in_fences_are_answered_with_fences() -> None:
    system = "Answer with exactly one block:\n```mswea_bash_command\nls\n```"
    ask = Ask("gpt-5.2", False, (Entry("system", system), Entry("user", prompt(1))))

    assert "```mswea_bash_command\ncat timespan" in answer(ask).reply.text


def test_aider_gets_all_changes_as_blocks() -> None:
    system = "Use a *SEARCH/REPLACE block* for each change."
    ask = Ask("gpt-5.2", False, (Entry("system", system), Entry("user", prompt(1))))

    text = answer(ask).reply.text

    assert text.count("<<<<<<< SEARCH") == text.count(">>>>>>> REPLACE") == 2


def test_aider_gets_them_again_when_it_has_added_the_files() -> None:
    entries = [Entry("system", "Use a *SEARCH/REPLACE block*."), Entry("user", prompt(1))]
    entries += [Entry("assistant", "…"), Entry("user", "I added these files to the chat: a, b")]

    again = answer(Ask("gpt-5.2", False, tuple(entries))).reply.text
    entries += [Entry("assistant", again), Entry("user", "Fix the errors.")]
    then = answer(Ask("gpt-5.2", False, tuple(entries))).reply.text

    assert "<<<<<<< SEARCH" in again
    assert "<<<<<<< SEARCH" not in then


def test_codex_gets_a_patch_where_it_declares_the_tool() -> None:
    tools = (SHELLS["exec_command"], Tool("apply_patch", freeform=True))
    entries = (
        Entry("user", prompt(1)),
        Entry("assistant", "", 1),
        Entry("tool", "the files"),
    )

    call = answer(Ask("gpt-5.3-codex", False, entries, tools)).reply.calls[0]

    assert call.name == "apply_patch"
    assert str(call.arguments).startswith("*** Begin Patch\n*** Update File: tests/test_parsing.py")
