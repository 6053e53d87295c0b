"""Payloads in what the objects of a pack are: large, many, deep, or not sound."""

from __future__ import annotations

from collections.abc import Callable

from paid.attack.packing import (
    COMMIT,
    TREE,
    Pack,
    entry,
    shuffled_lines,
)
from paid.attack.payload import MIB, UNSOUND, Builder, Payload, enter_into

PAYLOADS: list[Payload] = []


def payload(refused: str | None) -> Callable[[Builder], Builder]:
    """Enter a builder here, with the words of its refusal."""
    return enter_into(PAYLOADS, refused)


def a_message_of_seventy_megabytes(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"x", message=b"a line of words\n" * (70 * MIB // 16)))


@payload("messages of the commits")
def thirty_messages_of_nearly_a_megabyte(pack: Pack) -> bytes:
    head = pack.base.commit
    for number_ in range(30):
        message = b"%d\n" % number_ + b"a line of words\n" * (MIB // 16 - 100)
        head = pack.commit(pack.base.tree, head, message=message)
    return pack.bundle(head)


@payload(None)
def forty_megabytes_of_newlines(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"\n" * 40 * MIB))


@payload(None)
def a_shuffled_file_of_870_000_short_lines(pack: Pack) -> bytes:
    first = pack.file(shuffled_lines(870_000, 1))
    blob = pack.blob(shuffled_lines(870_000, 2))
    return pack.bundle(pack.commit(pack.tree(entry("new.txt", "100644", blob)), first))


@payload("")
def shuffled_files_just_small_enough_to_be_compared(pack: Pack) -> bytes:
    trees = []
    for seed in (0, 1000):
        entries = [
            entry(f"{number_:03}", "100644", pack.blob(shuffled_lines(250_000, seed + number_)))
            for number_ in range(4)
        ]
        trees.append(pack.tree(*entries))
    return pack.bundle(pack.commit(trees[1], pack.commit(trees[0])))


@payload(None)
def a_merge_of_1900_parents(pack: Pack) -> bytes:
    parents = [
        pack.commit(pack.base.tree, pack.base.commit, message=b"%d\n" % number_)
        for number_ in range(1900)
    ]
    return pack.bundle(pack.commit(pack.base.tree, *parents))


@payload(None)
def four_hundred_commits_that_flip_a_large_file(pack: Pack) -> bytes:
    trees = [
        pack.tree(entry("x", "100644", pack.blob(shuffled_lines(300_000, seed)))) for seed in (1, 2)
    ]
    head = pack.base.commit
    for number_ in range(400):
        head = pack.commit(trees[number_ % 2], head, message=b"%d\n" % number_)
    return pack.bundle(head)


@payload("2500 commits")
def too_many_commits(pack: Pack) -> bytes:
    head = pack.base.commit
    for number_ in range(2500):
        head = pack.commit(pack.base.tree, head, message=b"%d\n" % number_)
    return pack.bundle(head)


@payload("folder is larger than")
def a_folder_of_half_a_million_entries(pack: Pack) -> bytes:
    blob = pack.blob(b"x")
    entries = b"".join(entry(f"{number_:07}", "100644", blob) for number_ in range(500_000))
    return pack.bundle(pack.commit(pack.put(TREE, entries)))


@payload("folders|too large|longer than")
def ten_billion_files_in_ten_folders(pack: Pack) -> bytes:
    below, mode = pack.blob(b"x"), "100644"
    for _ in range(10):
        below, mode = pack.tree(*(entry(f"{n}", mode, below) for n in range(10))), "40000"
    return pack.bundle(pack.commit(below))


@payload("folders|too large|longer than")
def a_hundred_thousand_folders_in_one_another(pack: Pack) -> bytes:
    below = pack.tree(entry("x", "100644", pack.blob(b"x")))
    for _ in range(100_000):
        below = pack.tree(entry("a", "40000", below))
    return pack.bundle(pack.commit(below))


@payload("")
def a_name_of_a_megabyte(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"x", name="n" * MIB))


@payload("folders|too large|longer than")
def long_names_in_deep_folders(pack: Pack) -> bytes:
    below = pack.tree(entry("x", "100644", pack.blob(b"x")))
    for _ in range(900):
        below = pack.tree(entry("n" * 5000, "40000", below))
    return pack.bundle(pack.commit(below))


# Objects that are not sound


def in_a_tree(pack: Pack, *entries: bytes) -> bytes:
    return pack.bundle(pack.commit(pack.tree(*entries)))


@payload(UNSOUND)
def a_git_folder(pack: Pack) -> bytes:
    return in_a_tree(pack, entry(".git", "40000", pack.base.tree))


@payload(UNSOUND)
def a_git_folder_in_other_letters(pack: Pack) -> bytes:
    return in_a_tree(pack, entry(".gIt", "40000", pack.base.tree))


@payload(UNSOUND)
def a_git_folder_behind_an_invisible_character(pack: Pack) -> bytes:
    return in_a_tree(pack, entry(".g\u200cit", "40000", pack.base.tree))


@payload(UNSOUND)
def a_step_up(pack: Pack) -> bytes:
    return in_a_tree(pack, entry("..", "40000", pack.base.tree))


@payload(UNSOUND)
def a_path_in_a_name(pack: Pack) -> bytes:
    return in_a_tree(pack, entry("a/../../x", "100644", pack.base.blob))


@payload(UNSOUND)
def an_empty_name(pack: Pack) -> bytes:
    return in_a_tree(pack, entry("", "100644", pack.base.blob))


@payload(UNSOUND)
def a_name_that_is_there_twice(pack: Pack) -> bytes:
    return in_a_tree(pack, *[entry("a", "100644", pack.base.blob)] * 2)


@payload(UNSOUND)
def names_that_are_not_in_order(pack: Pack) -> bytes:
    return in_a_tree(pack, *(entry(name, "100644", pack.base.blob) for name in "ba"))


@payload(UNSOUND)
def a_tree_that_breaks_off(pack: Pack) -> bytes:
    return in_a_tree(pack, entry("a", "100644", pack.base.blob)[:-5])


@payload(UNSOUND)
def submodule_settings_behind_a_link(pack: Pack) -> bytes:
    return in_a_tree(pack, entry(".gitmodules", "120000", pack.blob(b"/etc/passwd")))


@payload("not whole|not sound")
def a_file_that_is_missing(pack: Pack) -> bytes:
    return in_a_tree(pack, entry("a", "100644", "ab" * 20))


@payload("not whole|not sound")
def a_folder_that_is_a_file(pack: Pack) -> bytes:
    return in_a_tree(pack, entry("a", "40000", pack.blob(b"x")))


@payload("not whole|not sound")
def a_parent_that_is_missing(pack: Pack) -> bytes:
    return pack.bundle(pack.commit(pack.base.tree, pack.base.commit, "ab" * 20))


@payload("not whole|not sound")
def a_commit_whose_tree_is_a_file(pack: Pack) -> bytes:
    return pack.bundle(pack.commit(pack.blob(b"x")))


@payload(UNSOUND)
def a_commit_without_a_tree(pack: Pack) -> bytes:
    return pack.bundle(pack.put(COMMIT, b"author nobody\n\nwork\n"))


@payload(UNSOUND)
def a_message_with_a_nul(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"x", message=b"a\0b\n"))


@payload(UNSOUND)
def an_author_without_an_end(pack: Pack) -> bytes:
    text = f"tree {pack.base.tree}\nparent {pack.base.commit}\nauthor A <a\ncommitter A <a\n\nx\n"
    return pack.bundle(pack.put(COMMIT, text.encode()))


@payload(UNSOUND)
def a_date_that_is_too_large(pack: Pack) -> bytes:
    person = "A <a@example.org> 99999999999999999999 +0000"
    lines = f"tree {pack.base.tree}\nparent {pack.base.commit}\nauthor {person}\ncommitter {person}"
    return pack.bundle(pack.put(COMMIT, f"{lines}\n\nx\n".encode()))
