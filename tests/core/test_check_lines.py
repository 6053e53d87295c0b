"""Checks as people type them: which need a shell, and which could never be red."""

from __future__ import annotations

import subprocess

import pytest

from paid import check_lines
from paid.check_lines import BASH
from paid.errors import BadInputError

FOR_A_SHELL = [
    "npm ci && npm test",
    "true || exit 1",
    "echo tests && false",
    "npm ci; npm test",
    "npm test | tee log.txt",
    "sleep 1 & npm test",
    "npm test > log.txt",
    "npm test 2>&1",
    "npm test <input",
    "pytest tests/*.py",
    "ls file?.txt",
    "ls [ab].txt",
    "ls {a,b}.txt",
    "echo $HOME",
    'echo "$HOME"',
    'echo "\\$HOME"',
    "echo `id`",
    "make -j$(nproc)",
    "(cd web; npm test)",
    "CI=1 npm test",
    "PATH+=:bin npm test",
    "npm ci\nnpm test",
    "npm \\\n test",
    "npm test # the fast ones",
    "npm test # don't wait",
    "cd web && npm test",
    "source venv/bin/activate; pytest",
    "~/bin/test",
    "! grep -r TODO src",
    "if make; then make test; fi",
    "for name in a b; do make $name; done",
    "echo $'it\\'s' && make",
    "ulimit -n 64; make",
]
PROGRAMS = {
    "python3 -m unittest": ["python3", "-m", "unittest"],
    "pytest -k 'a and (b or c)'": ["pytest", "-k", "a and (b or c)"],
    "sh -c 'a && b'": ["sh", "-c", "a && b"],
    "echo '$HOME' \\$HOME": ["echo", "$HOME", "$HOME"],
    "cut -d '|' -f1 x": ["cut", "-d", "|", "-f1", "x"],
    "find . -exec touch {} \\;": ["find", ".", "-exec", "touch", "{}", ";"],
    'grep -r "a\\|b" src': ["grep", "-r", "a\\|b", "src"],
    "cc a#b": ["cc", "a#b"],
    "make --prefix=~/x": ["make", "--prefix=~/x"],
    "env CI=1 make": ["env", "CI=1", "make"],
    "python3 -c 'import a\nimport b'": ["python3", "-c", "import a\nimport b"],
}


@pytest.mark.parametrize("line", FOR_A_SHELL)
def test_a_line_with_shell_syntax_is_a_shells(line: str) -> None:
    """`npm ci && npm test` once ran npm with the words `&&`, `npm` and `test`, and was green."""
    assert check_lines.parse(line) == [*BASH, line]


@pytest.mark.parametrize("line", PROGRAMS)
def test_a_line_without_it_is_a_program_with_arguments(line: str) -> None:
    assert check_lines.parse(line) == PROGRAMS[line]


@pytest.mark.parametrize("line", [*FOR_A_SHELL, *PROGRAMS])
def test_what_is_shown_reads_as_the_same_check(line: str) -> None:
    argv = check_lines.parse(line)
    assert check_lines.lines(check_lines.shown(argv)) == [check_lines.shown(argv)]
    assert check_lines.parse(check_lines.shown(argv)) == argv


@pytest.mark.parametrize(
    "line",
    [
        "true || exit 1",
        "echo tests && false",
        "cd / && false",
        "false | cat",
        "A=1 false",
        "false\n:",
    ],
)
def test_bash_ends_as_people_expect(line: str) -> None:
    failed = subprocess.run(check_lines.parse(line), check=False, capture_output=True).returncode
    assert (failed == 0) == (line == "true || exit 1")


@pytest.mark.parametrize(
    "line",
    ["", "  ", "''", "# npm test", "cd web", "export CI=1", "CI=1", "set -e", "npm test &",
     ". venv/bin/activate", "cd web; export CI=1", "echo 'open", "pushd web\nset -x"],
)  # fmt: skip
def test_what_could_be_green_without_a_test_is_refused(line: str) -> None:
    with pytest.raises(BadInputError):
        check_lines.parse(line)


@pytest.mark.parametrize(
    "line",
    ["false && echo tests; echo build", "false && true\necho build", "! true; echo tests",
     "(false && true; echo x)",
     "{ false && true; }; echo x", "echo a; false && true; echo b",
     "for x in a b; do false && true; done; echo x", "false && true 2>&1; echo x"],
)  # fmt: skip
def test_a_failure_that_bash_goes_on_from_is_refused(line: str) -> None:
    """`lint && test; build` was green by its build where lint failed."""
    assert subprocess.run([*BASH, line], check=False, capture_output=True).returncode == 0
    with pytest.raises(BadInputError, match="nobody would see"):
        check_lines.parse(line)


@pytest.mark.parametrize(
    "line",
    ["make; npm ci && npm test", "npm ci && npm test;", "[ -f .env ] && . ./.env; pytest",
     "command -v node && node -v; make", "(cd web && npm test); make", "{ a && b; }",
     "a && b || exit 1; c", "if a && b; then c; fi; d", "make && find . -exec ls {} \\; -print",
     "x=$(cd web && pwd); make", "a && b 'c; d'", "! grep -r TODO src", "a && b & c; wait $!",
     "grep -q x y && echo z; make", "echo a && make; b", "a; b 2>&1 && c"],
)  # fmt: skip
def test_lists_of_which_every_failure_is_seen_are_taken(line: str) -> None:
    assert check_lines.parse(line) == [*BASH, line]


@pytest.mark.parametrize(
    "line",
    ["true", ":", "exit 0", "npm test || true", "npm test || exit 0", "npm test || echo bad",
     "npm test & wait", "set -e; true", "cd web && :", "npm test || true;",
     "set +e; npm test; exit 0", "set +e; npm test; echo done;",
     "(npm test || true)", "{ npm test || true; }", "npm test || (true)", "npm test || /bin/true",
     "npm test || { echo failed; }", "npm test || command true", "npm test || exit 00",
     "if npm test; then echo ok; fi", "if npm test; then make; else echo bad; fi",
     "if ! npm test; then echo bad; fi", "trap 'exit 0' EXIT; npm test",
     "echo $(npm test)", "bash -c 'npm test || true'",
     "sh -c 'npm ci; npm test; true'", "sh -c 'npm test; echo done'", "bash -lc 'npm test; exit 0'",
     "make -i test", "cd web && make --ignore-errors", "flake8 --exit-zero src",
     "mvn -fn verify", "find . -name '*.py' -exec python3 {} \\;"],
)  # fmt: skip
def test_what_is_green_whatever_the_commit_holds_is_known(line: str) -> None:
    assert check_lines.cannot_fail(check_lines.parse(line))


@pytest.mark.parametrize(
    "line",
    ["npm test", "npm test; true", "false", "a || b", "a && true", "set +e; npm test", "a; exit 0",
     "(a || b)", "a || { echo bad; exit 1; }", "a || (echo bad; exit 1)", "if ! a; then exit 1; fi",
     "if [ -f a ]; then b; fi", "if command -v a; then b; fi", "if a; then b; else exit 1; fi",
     "if a; then b; elif c; then d; fi", "if a; then echo b; fi; c", "trap 'rm -r t' EXIT; a",
     "trap 'echo exit 1' EXIT; a", "echo $(cat v) && a", "x=$(a)", "bash -c a", "sh -ec 'a; true'",
     "bash -ec 'a; echo b'", "sh run.sh -c true", "make -k", "tar -i x", "a && flake8 --exit-zero",
     "find . -name x -exec a {} +", "sh -c \"echo '\"", "bash -c"],
)  # fmt: skip
def test_what_can_be_red_is_not_called_so(line: str) -> None:
    assert not check_lines.cannot_fail(check_lines.parse(line))


@pytest.mark.parametrize("line", [*FOR_A_SHELL, *PROGRAMS])
def test_what_is_shown_on_one_line_is_the_same_command_for_bash(line: str) -> None:
    argv = check_lines.parse(line)
    shown = check_lines.on_one_line(argv)
    assert "\n" not in shown
    told = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {shown}"], check=True, capture_output=True, text=True
    ).stdout
    assert told.split("\0")[:-1] == argv


def test_a_line_break_within_quotes_belongs_to_its_check() -> None:
    text = "make\nbash -c 'a\nb'\n\nmake test # don't\nmake lint"
    wanted = ["make", "bash -c 'a\nb'", "make test # don't", "make lint"]
    assert check_lines.lines(text) == wanted
