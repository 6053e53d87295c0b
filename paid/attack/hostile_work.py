"""Work that a hostile agent leaves behind for the host to read: repositories, histories, output.

This file is the agent, like `from_inside`. The issue's text names the work (`attack: NAME`) and a
file of the host (`canary: PATH`) that must never appear: every program that the host might run by
mistake would make it.
"""

from __future__ import annotations

import hashlib
import random
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

MIB = 2**20
OBJECTS = Path("/workspace/repo.git/objects")


def git(*argv: str, data: bytes = b"") -> str:
    """What git prints; a command that fails raises."""
    done = subprocess.run(["git", *argv], input=data, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(message: str = "work", *options: str) -> None:
    """Everything in the worktree, committed."""
    git("add", "--all", "--force")
    git(
        "commit",
        "--quiet",
        "--no-verify",
        "--allow-empty",
        "-F",
        "-",
        *options,
        data=message.encode(),
    )


def write(path: str, text: str | bytes) -> None:
    """A file, with its folders."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)


def settings_that_run_programs(canary: str) -> None:
    """Every setting of git that names a program, in the clone and in the agent's home."""
    keys = ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass",
            "diff.external", "gpg.program", "credential.helper", "filter.evil.clean",
            "filter.evil.smudge", "uploadpack.packObjectsHook", "core.gitProxy",
            "core.alternateRefsCommand")  # fmt: skip
    write(".gitattributes", "* filter=evil diff=evil\n")
    for scope in ("--local", "--global"):
        for key in keys:
            subprocess.run(["git", "config", scope, key, f"touch {canary}"], check=False)
    write("made.txt", "made")


def hooks(canary: str) -> None:
    """Every hook, in the clone and in the tree."""
    names = (
        "pre-commit",
        "post-commit",
        "reference-transaction",
        "post-index-change",
        "pre-push",
        "post-checkout",
    )
    for folder in ("/workspace/repo.git/hooks", ".githooks", "hooks"):
        for name in names:
            write(f"{folder}/{name}", f"#!/bin/sh\ntouch {canary}\n")
            Path(f"{folder}/{name}").chmod(0o755)
    write("made.txt", "made")


def names_that_are_commands(canary: str) -> None:
    """Files whose names are options, commands, line ends and escape sequences."""
    plain = canary.replace("/", "_")
    for name in (
        f"$(touch {plain})",
        f"`touch {plain}`",
        f"--output={plain}",
        "-O",
        "a\nb",
        "\x1b]0;x\x07",
        "a;b|c",
    ):
        write(name, "x")
    commit(f"$(touch {canary}) `touch {canary}`\n\n--exec=touch {canary}")


def an_alternate_of_the_host(_canary: str) -> None:
    """A clone that borrows its objects from the host's own folders."""
    write(str(OBJECTS / "info/alternates"), "/mirror/objects\n/var/lib\n/root\n../../../..\n")
    write("made.txt", "made")


def links_out_of_the_tree(_canary: str) -> None:
    """Symbolic links to the host's files, and one to itself."""
    for name, target in {"shadow": "/etc/shadow", "up": "../../../..", "loop": "loop"}.items():
        Path(name).symlink_to(target)
    commit()


def a_submodule_that_runs_a_program(canary: str) -> None:
    """An address by git's `ext::`, which is a command."""
    write(".gitmodules", f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {canary}"\n')
    git("update-index", "--add", "--cacheinfo", f"160000,{git('rev-parse', 'HEAD')},x")
    git("add", ".gitmodules")
    git("commit", "--quiet", "-m", "work")


def a_workflow(_canary: str) -> None:
    """A change of what GitHub itself runs."""
    write(
        ".github/workflows/evil.yml", "on: push\njobs: {evil: {runs-on: x, steps: [{run: evil}]}}\n"
    )
    commit()


def a_delta_that_claims_gigabytes(_canary: str) -> None:
    """16 KB of a pack that make three gigabytes, in a commit whose successor forgets the file."""
    base = bytes(16 * MIB - 1)
    size = 192 * len(base)
    claims = _number(len(base)) + _number(size) + (b"\xf0" + len(base).to_bytes(3, "little")) * 192
    first = _header(3, len(base)) + zlib.compress(base)
    second = _header(6, len(claims)) + _distance(len(first)) + zlib.compress(claims)
    names = [_name(len(base), [base]), _name(size, [base] * 192)]
    _keep([first, second], names)
    entries = "".join(f"100644 blob {name}\t{name}\n" for name in names)
    tree = git("mktree", data=entries.encode())
    git("update-ref", "HEAD", git("commit-tree", tree, "-p", "HEAD", "-m", "large"))
    write("made.txt", "made")
    git("read-tree", "HEAD~1")
    commit()


def _name(size: int, pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha1(f"blob {size}\0".encode())  # noqa: S324 - git's own name
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _keep(objects: list[bytes], names: list[str]) -> None:
    """Put a pack beside its index (version 2), which git would take too much memory to make."""
    pack = b"PACK" + struct.pack(">II", 2, len(objects)) + b"".join(objects)
    pack += hashlib.sha1(pack).digest()  # noqa: S324 - git's own checksum
    places = [12 + sum(map(len, objects[:number])) for number in range(len(objects))]
    rows = sorted(zip(names, objects, places, strict=True))
    firsts = [int(name[:2], 16) for name, _, _ in rows]
    index = b"\xfftOc" + struct.pack(">I", 2)
    index += struct.pack(">256I", *(sum(it <= byte for it in firsts) for byte in range(256)))
    index += b"".join(bytes.fromhex(name) for name, _, _ in rows)
    index += b"".join(struct.pack(">I", zlib.crc32(data)) for _, data, _ in rows)
    index += b"".join(struct.pack(">I", place) for _, _, place in rows) + pack[-20:]
    write(str(OBJECTS / "pack/pack-evil.pack"), pack)
    index += hashlib.sha1(index).digest()  # noqa: S324 - git's own checksum
    write(str(OBJECTS / "pack/pack-evil.idx"), index)


def _number(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _header(kind: int, size: int) -> bytes:
    """An object's kind and size: four bits, then seven bits a byte."""
    more = size >> 4
    first = kind << 4 | size & 15 | (128 if more else 0)
    return bytes([first]) + (_number(more) if more else b"")


def _distance(back: int) -> bytes:
    """How far before a delta its base begins."""
    out = [back & 127]
    while back := back >> 7:
        back -= 1
        out.insert(0, back & 127 | 128)
    return bytes(out)


def ninety_megabytes_of_newlines(_canary: str) -> None:
    """A file whose lines are empty: a comparison keeps an entry for each."""
    write("lines.txt", b"\n" * (90 * MIB))
    commit()


def a_shuffled_file(_canary: str) -> None:
    """870,000 short lines in another order, twice."""
    lines = [b"%d\n" % number for number in range(870_000)]
    chance = random.Random(1)  # noqa: S311 - an order, no secret
    for _ in range(2):
        chance.shuffle(lines)
        write("lines.txt", b"".join(lines))
        commit()


def a_merge_of_many_parents(_canary: str) -> None:
    """1,900 parents, all different."""
    tree, base = git("rev-parse", "HEAD^{tree}"), git("rev-parse", "HEAD")
    parents = [git("commit-tree", tree, "-p", base, "-m", f"{number}") for number in range(1900)]
    options = [word for parent in parents for word in ("-p", parent)]
    git("reset", "--quiet", "--hard", git("commit-tree", tree, *options, "-m", "merge"))
    write("made.txt", "made")
    commit()


def commits_that_flip_a_large_file(_canary: str) -> None:
    """400 commits, each of which writes 200,000 lines anew."""
    one, other = (b"".join(b"%d %d\n" % (side, n) for n in range(200_000)) for side in (1, 2))
    for number in range(400):
        write("flip.txt", other if number % 2 else one)
        commit(f"flip {number}")


def a_message_of_seventy_megabytes(_canary: str) -> None:
    """A commit's message that no page can show."""
    write("made.txt", "made")
    commit("words " * (12 * MIB))


def folders_without_an_end(_canary: str) -> None:
    """Twenty thousand folders, each in the other."""
    tree = git("mktree", data=b"")
    for _ in range(20_000):
        tree = git("mktree", data=f"040000 tree {tree}\tx\n".encode())
    head = git("commit-tree", tree, "-p", "HEAD", "-m", "deep")
    git("update-ref", "HEAD", head)


def a_flood_of_output(_canary: str) -> None:
    """One line of 100 MB, then 400 MB of lines that all differ."""
    sys.stdout.write("x" * (100 * MIB) + "\n")
    for number in range(400 * MIB // 64):
        sys.stdout.write(f"{number:063d}\n")
    sys.stdout.flush()
    write("made.txt", "made")


def ten_thousand_refs(_canary: str) -> None:
    """Branches and tags that nobody asked for."""
    head = git("rev-parse", "HEAD")
    lines = "".join(f"create refs/heads/evil-{n} {head}\n" for n in range(10_000))
    git("update-ref", "--stdin", data=lines.encode())
    write("made.txt", "made")


WORKS: dict[str, Callable[[str], None]] = {
    work.__name__.replace("_", " "): work
    for work in (
        settings_that_run_programs, hooks, names_that_are_commands, an_alternate_of_the_host,
        links_out_of_the_tree, a_submodule_that_runs_a_program, a_workflow,
        a_delta_that_claims_gigabytes, ninety_megabytes_of_newlines, a_shuffled_file,
        a_merge_of_many_parents, commits_that_flip_a_large_file, a_message_of_seventy_megabytes,
        folders_without_an_end, a_flood_of_output, ten_thousand_refs,
    )
}  # fmt: skip
HELD = ("a submodule that runs a program", "a workflow")
"""Works that must not become a pull request; the others may, once they are harmless."""


def main(asked: str) -> None:
    """Do the work that the issue names."""
    name = re.search(r"attack: ([\w ]+)", asked)
    canary = re.search(r"canary: (\S+)", asked)
    if name and canary:
        WORKS[name[1].strip()](canary[1])


if __name__ == "__main__":
    main(sys.stdin.read())
