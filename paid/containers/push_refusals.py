"""Why a remote did not take a push, and what to do about it: its words, read as far as they go.

GitHub prints a code (`GH001` …) and a list on lines that begin with `remote:`, and git a summary
behind the ref. Words are GitHub's as of 2026; what is not known here is told in full, and its hint
says no more than is known. Servers of one's own have hooks that say anything, GitLab prefixes its
words with `GitLab:`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_SAID_CHARS = 4000
"""Enough for the five secrets that GitHub names at most, each with its commit, path and address."""
_RULE = re.compile(r"[—─]{2,}|[_=-]{3,}")
_NOISE = re.compile(
    r"(?i)^(?:review all repository rules at|\(\?\) learn how|https?://docs\.github\.com|"
    r"error: trace:|trace:|see https?://(?:gh\.io|git\.io)\S*|error: see https?://gh\.io\S*|"
    r"resolve the following (?:violations|secrets)|create a pull request for|visit https?://)"
)


@dataclass(frozen=True)
class Refusal:
    """A push that was refused.

    `said` is the remote's reason, whole. `hint` says what a person can do. `for_agent` is what the
    run's agent is told where it can mend the cause by itself, None where it cannot.
    """

    kind: str
    said: str
    hint: str
    for_agent: str | None = None


_TOO_LARGE = re.compile(
    r"(?i)GH001|large files? detected|file size|exceed the [\d.]+ ?[kmg]i?b limit|"
    r"pack exceeds maximum|files? (?:are|is) (?:larger|too large)"
)
_UNPACKING = "error: remote unpack failed:"
PASSING = "passing"
"""The kind of a refusal that the remote itself would not repeat: a push may be tried again."""
_PASSING = re.compile(
    r"(?i)internal (?:server )?error|fatal error in commit_refs|\(failure\)|cannot lock ref|"
    r"unable to (?:lock|create temporary)|failed to (?:update|lock) ref|failed to report status|"
    r"\btime[ds]?[ -]?out\b|try again (?:later|in|after|shortly)|retry later|temporarily|"
    r"unavailable|(?:in|under|undergoing|down for) maintenance|maintenance mode|read-only mode|"
    r"rate limit|no space left|overloaded"
)
_Reader = Callable[[str, str], Refusal | None]


def read_refusal(summaries: Sequence[str], errors: str) -> Refusal:
    """What a push's porcelain summaries and standard error say about its refusal.

    The first cause that needs somebody else than the agent decides: there is no use in paying an
    agent for one of two causes.
    """
    lines = _remote_lines(errors)
    said = _bounded("; ".join([*dict.fromkeys(summaries)]) + _listed(lines))
    everything = "\n".join([*summaries, *lines])
    found = [refusal for read in _READERS if (refusal := read(everything, said)) is not None]
    others = [refusal for refusal in found if refusal.for_agent is None]
    chosen = (others or found or [_unknown(said, everything)])[0]
    if chosen.for_agent is None or len(found) == 1:
        return chosen
    told = "\n".join(refusal.for_agent for refusal in found if refusal.for_agent is not None)
    hint = " ".join(dict.fromkeys(refusal.hint for refusal in found))
    return Refusal(chosen.kind, said, hint, told)


def _remote_lines(errors: str) -> list[str]:
    """What the remote said, without git's own words, empty lines and lines of dashes.

    Why it could not unpack is its word, too, though git puts its own before it.
    """
    lines = []
    for line in errors.splitlines():
        _, found, words = line.replace(_UNPACKING, "remote:").partition("remote:")
        words = _RULE.sub(" ", words).strip()
        if found and words and not _NOISE.match(words):
            lines.append(words)
    return lines


def _listed(lines: Sequence[str]) -> str:
    return "".join(f"\n{line}" for line in dict.fromkeys(lines))


def _bounded(said: str) -> str:
    said = said.strip()
    if len(said) <= MOST_SAID_CHARS:
        return said
    half = MOST_SAID_CHARS // 2
    return f"{said[:half].rstrip()}\n[…]\n{said[-half:].lstrip()}"


def _unknown(said: str, everything: str) -> Refusal:
    """What no reader knows: a fault of the server's, which passes, or a rule of its own."""
    if _PASSING.search(everything):
        return Refusal(PASSING, said, "The remote has trouble of its own; it is tried again.")
    hint = "Look at the repository's rules and hooks: the remote's words above say what it wants."
    return Refusal("refused", said, hint)


def _name_taken(text: str, said: str) -> Refusal | None:
    """A branch `paid` beside which there can be no `paid/…`, or one below ours."""
    found = re.search(r"'refs/heads/([^']+)' exists; cannot create '?refs/heads/", text)
    if not found and not re.search(r"(?i)refname conflict|directory.{0,5}file conflict", text):
        return None
    name = f"named {found[1]!r}" if found else "whose name is in the way"
    hint = f"Rename or delete the branch {name}: beside it git can have none of this run's name."
    return Refusal("name_taken", said, hint)


def _workflow_right(text: str, said: str) -> Refusal | None:
    """GitHub asks for a right of its own where a push touches .github/workflows."""
    if not re.search(r"(?i)refusing to allow .* workflow.* without .*(scope|permission)", text):
        return None
    hint = "Give the token the right to change workflows (`workflow`, or Workflows: write)."
    return Refusal("workflow_right", said, hint)


def _email_privacy(text: str, said: str) -> Refusal | None:
    if "GH007" not in text and "email privacy" not in text.lower():
        return None
    hint = (
        "The commits' address belongs to an account that keeps it private. Give the project another"
        " one: `paid project set OWNER/REPO --commit-email ADDRESS`, such as the account's own"
        " ID+LOGIN@users.noreply.github.com."
    )
    return Refusal("email_privacy", said, hint)


def _large_files(text: str, said: str) -> Refusal | None:
    named = re.findall(r"(?im)\bfile [\"']?(.+?)[\"']? is (?:[\d.]+ ?[kmg]i?b\b|larger than)", text)
    if not named and not _TOO_LARGE.search(text):
        return None
    files = ", ".join(dict.fromkeys(named)) or "at least one file"
    hint = f"The remote takes no file of this size: {files}."
    told = (
        f"{files}: larger than the remote accepts. Take it out of every commit of this branch, not"
        " only out of the last one, and do without it, or make it smaller."
    )
    return Refusal("large_file", said, hint, told)


def _lfs_missing(text: str, said: str) -> Refusal | None:
    if not re.search(r"(?i)GH008|unknown (?:git )?lfs object|lfs objects are missing", text):
        return None
    hint = "The change points at Git LFS objects that the remote has not; Paid uploads none."
    told = (
        "Files that Git LFS keeps were added or changed, and their content is not at the remote."
        " Leave those files as they were."
    )
    return Refusal("lfs", said, hint, told)


def _secrets(text: str, said: str) -> Refusal | None:
    """Push protection: its list names each secret's kind, commit and path."""
    known = ("GH009", "Push cannot contain secrets", "Secrets detected", "secret-scanning/unblock")
    if not any(words in text for words in known):
        return None
    places = ", ".join(dict.fromkeys(re.findall(r"(?m)^path: *(\S.*?)\s*$", text)))
    where = places or "the places that the remote names"
    hint = (
        f"The remote sees a secret at {where}. If it is none, a person with the right may allow it"
        " at the address that the remote gives; then publish the kept work."
    )
    told = (
        f"The remote sees a secret at {where}. Take it out of every commit of this branch, not only"
        " out of the last one; make test values that look like no real key."
    )
    return Refusal("secret", said, hint, told)


def _message_rule(text: str, said: str) -> Refusal | None:
    if not re.search(r"(?im)^(?!.*(?:author|committer|e-?mail)).*commit message", text):
        return None
    hint = "The repository has a rule for commit messages, which the remote names above."
    told = (
        "The repository has a rule for commit messages, and those of this branch break it. Write"
        " the messages of all commits of this branch anew, as the rule wants them."
    )
    return Refusal("commit_message", said, hint, told)


def _people_rule(text: str, said: str) -> Refusal | None:
    found = re.search(
        r"(?i)(?:author|committer)[^\n]*(?:e-?mail|name|address)|e-?mail[^\n]*must|"
        r"you cannot push commits for|not a GitLab user|is not a member of team",
        text,
    )
    if not found or "GH007" in text:
        return None
    hint = (
        "The repository has a rule for authors and committers: set those of the project with"
        " `paid project set OWNER/REPO --commit-name NAME --commit-email ADDRESS`."
    )
    return Refusal("commit_people", said, hint)


_OF_FILES = r"\b(?:file|path|extension|filename)s?\b"
_FORBIDDEN = (
    r"\b(?:restricted|prohibited|forbidden|disallowed|not (?:allowed|permitted)|must not|exceeds?|"
    r"too long|blocked)\b"
)
_FILES_RULE = re.compile(
    rf"(?i){_OF_FILES}[^\n]*{_FORBIDDEN}|{_FORBIDDEN}[^\n]*{_OF_FILES}|"
    r"file name [^\n]* was prohibited"
)


def _files_rule(text: str, said: str) -> Refusal | None:
    """Push rulesets: paths, extensions, lengths of paths; in either order of words."""
    if not _FILES_RULE.search(text):
        return None
    hint = "The repository's rules do not let these files be pushed; the remote names them above."
    told = (
        "The repository's rules do not let some of the changed files be pushed; the remote's words"
        " name them. Take them out of every commit of this branch."
    )
    return Refusal("file_rule", said, hint, told)


def _odd_objects(text: str, said: str) -> Refusal | None:
    """What `receive.fsckObjects` finds: GitHub looks at every object that is pushed."""
    if not re.search(r"(?i)\bfsck error|hasDotgit|disallowed submodule|gitmodules\w+:", text):
        return None
    hint = "The remote's own check refuses an object of the change, which it names above."
    told = (
        "The remote's check of objects refuses a commit, a tree or a .gitmodules of this branch;"
        " its words say which and why. Make the commits of this branch anew without it, by ordinary"
        " git commands."
    )
    return Refusal("odd_object", said, hint, told)


def _signatures(text: str, said: str) -> Refusal | None:
    if not re.search(r"(?i)verified signature|must be signed|signed commits|unsigned commit", text):
        return None
    hint = (
        "The repository wants signed commits, and Paid signs none. Except this run's branches"
        " (paid/*) from the rule, or let the token's account bypass it."
    )
    return Refusal("signatures", said, hint)


def _branch_rule(text: str, said: str) -> Refusal | None:
    found = re.search(
        r"(?i)creations being restricted|cannot (?:create|update) (?:this )?(?:protected )?ref|"
        r"branch name[^\n]*(?:must|does not)|through a pull request|status check|"
        r"GH003|GH006|protected branch|must not contain merge|linear history|"
        r"not allowed to (?:push|create)|required workflow|merge queue",
        text,
    )
    if not found:
        return None
    hint = (
        "Rules of the repository hold for this run's branch. Except paid/* from them (Settings →"
        " Rules, or Branches), or let the token's account bypass them."
    )
    return Refusal("branch_rule", said, hint)


_READERS: tuple[_Reader, ...] = (
    _name_taken,
    _workflow_right,
    _email_privacy,
    _signatures,
    _people_rule,
    _branch_rule,
    _secrets,
    _large_files,
    _lfs_missing,
    _message_rule,
    _files_rule,
    _odd_objects,
)
