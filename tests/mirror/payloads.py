"""Packs, objects and bundles with which an agent may attack the host's git: name, builder, end.

A builder makes a bundle; what is to come of it is the words of a refusal, or None where it is to
be taken. `test_git_payloads.py` tries them, in a process whose memory and time it measures.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.mirror.packing import (
    BLOB,
    COMMIT,
    OFS_DELTA,
    REF_DELTA,
    TAG,
    TREE,
    Base,
    Pack,
    copy,
    delta,
    distance,
    entry,
    header,
    shuffled_lines,
)

MIB = 1024 * 1024
Builder = Callable[[Pack], bytes]


@dataclass(frozen=True)
class Payload:
    """`refused` is a pattern of the refusal, None for what is taken, "" for either."""

    name: str
    build: Builder
    refused: str | None

    def bundle(self, base: Base) -> bytes:
        return self.build(Pack(base))


PAYLOADS: list[Payload] = []


def payload(refused: str | None) -> Callable[[Builder], Builder]:
    """Enter a builder; its name, read aloud, is the payload's."""

    def enter(build: Builder) -> Builder:
        PAYLOADS.append(Payload(build.__name__.replace("_", " "), build, refused))
        return build

    return enter


LARGE = "larger than"
UNSOUND = "not sound"
NO_BUNDLE = "not a git bundle"


def on_a_blob(pack: Pack, claims: bytes) -> bytes:
    """A delta on a blob of the pack, of which the next commit knows nothing any more."""
    place = pack.raw(header(BLOB, 100) + zlib.compress(b"x" * 100))
    pack.put_delta(place, claims)
    return pack.bundle(pack.file(b"harmless"))


# What a header or a delta claims


@payload(LARGE)
def a_delta_that_claims_to_make_four_gigabytes(pack: Pack) -> bytes:
    return on_a_blob(pack, delta(100, 4 * 1024 * MIB, copy(0, 100)))


@payload(LARGE)
def a_delta_that_claims_to_make_eight_exabytes(pack: Pack) -> bytes:
    return on_a_blob(pack, delta(100, 2**63, copy(0, 100)))


@payload(LARGE)
def a_delta_that_claims_a_huge_base(pack: Pack) -> bytes:
    return on_a_blob(pack, delta(2**40, 100, copy(0, 100)))


@payload("change is larger")
def forty_deltas_that_claim_ninety_megabytes_each(pack: Pack) -> bytes:
    place = pack.raw(header(BLOB, 100) + zlib.compress(b"x" * 100))
    for _ in range(40):
        pack.put_delta(place, delta(100, 90 * MIB, copy(0, 100)))
    return pack.bundle(pack.file(b"harmless"))


@payload(LARGE)
def a_delta_on_a_blob_of_the_base_that_claims_gigabytes(pack: Pack) -> bytes:
    claims = delta(32, 3 * 1024 * MIB, copy(0, 32))
    pack.raw(header(REF_DELTA, len(claims)) + bytes.fromhex(pack.base.blob) + zlib.compress(claims))
    return pack.bundle(pack.file(b"harmless"))


@payload(LARGE)
def a_blob_that_claims_ten_gigabytes(pack: Pack) -> bytes:
    pack.put(BLOB, b"x", says=10 * 1024 * MIB)
    return pack.bundle(pack.file(b"harmless"))


@payload(LARGE)
def a_commit_that_claims_a_gigabyte(pack: Pack) -> bytes:
    pack.put(COMMIT, b"x", says=1024 * MIB)
    return pack.bundle(pack.file(b"harmless"))


@payload(LARGE)
def a_folder_that_claims_a_gigabyte(pack: Pack) -> bytes:
    pack.put(TREE, b"x", says=1024 * MIB)
    return pack.bundle(pack.file(b"harmless"))


@payload(LARGE)
def a_tag_that_claims_a_gigabyte(pack: Pack) -> bytes:
    pack.put(TAG, b"x", says=1024 * MIB)
    return pack.bundle(pack.file(b"harmless"))


@payload(LARGE)
def a_delta_that_makes_a_large_commit(pack: Pack) -> bytes:
    place = pack.size
    pack.commit(pack.base.tree)
    pack.put_delta(place, delta(150, 90 * MIB))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_size_without_an_end(pack: Pack) -> bytes:
    pack.raw(bytes([BLOB << 4 | 0x80]) + b"\xff" * 5000)
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_delta_whose_size_has_no_end(pack: Pack) -> bytes:
    return on_a_blob(pack, b"\xff" * 5000)


@payload(UNSOUND)
def a_delta_without_sizes(pack: Pack) -> bytes:
    return on_a_blob(pack, b"")


@payload("objects; 500,000 are accepted")
def a_pack_that_claims_four_billion_objects(pack: Pack) -> bytes:
    head = pack.file(b"harmless")
    pack.count = 2**32 - 1
    return pack.bundle(head)


@payload(UNSOUND)
def a_pack_that_claims_more_objects_than_it_has(pack: Pack) -> bytes:
    head = pack.file(b"harmless")
    pack.count = 400
    return pack.bundle(head)


@payload(UNSOUND)
def a_pack_that_has_more_objects_than_it_claims(pack: Pack) -> bytes:
    head = pack.file(b"harmless")
    pack.count = 1
    return pack.bundle(head)


# What zlib inflates


@payload(UNSOUND)
def a_bomb_behind_a_small_size(pack: Pack) -> bytes:
    pack.put(BLOB, b"", says=10, squeezed=zlib.compress(b"\0" * 90 * MIB, 9))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_stream_that_is_shorter_than_its_size(pack: Pack) -> bytes:
    pack.put(BLOB, b"abc", says=3000)
    return pack.bundle(pack.file(b"harmless"))


@payload("change is larger")
def thirty_bombs_of_ninety_megabytes(pack: Pack) -> bytes:
    squeezed = zlib.compress(b"\0" * 90 * MIB, 9)
    for _ in range(30):
        pack.put(BLOB, b"", says=90 * MIB, squeezed=squeezed)
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_stream_that_is_no_zlib(pack: Pack) -> bytes:
    pack.put(BLOB, b"", says=10, squeezed=b"\xde\xad\xbe\xef" * 8)
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_stream_that_wants_a_dictionary(pack: Pack) -> bytes:
    squeezer = zlib.compressobj(zdict=b"harmless" * 4)
    pack.put(BLOB, b"", says=8, squeezed=squeezer.compress(b"harmless") + squeezer.flush())
    return pack.bundle(pack.file(b"harmless"))


@payload("")
def a_stream_of_a_million_empty_blocks(pack: Pack) -> bytes:
    stream = b"\x78\x01" + b"\0\0\0\xff\xff" * 1_000_000 + b"\1\0\0\xff\xff"
    pack.put(BLOB, b"", says=0, squeezed=stream + zlib.adler32(b"").to_bytes(4, "big"))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_stream_that_breaks_off(pack: Pack) -> bytes:
    pack.put(BLOB, b"", says=5000, squeezed=zlib.compress(os.urandom(5000))[:2000])
    return pack.bundle(pack.file(b"harmless"))


# How deltas hang together


@payload("5000|deltas on one another")
def a_chain_of_five_thousand_deltas(pack: Pack) -> bytes:
    place = pack.raw(header(BLOB, 100) + zlib.compress(b"x" * 100))
    for _ in range(5000):
        place = pack.put_delta(place, delta(100, 100, copy(0, 100)))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_delta_on_itself(pack: Pack) -> bytes:
    pack.raw(header(OFS_DELTA, 3) + distance(0) + zlib.compress(b"\1\1\1"))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_delta_on_what_stands_before_the_pack(pack: Pack) -> bytes:
    pack.raw(header(OFS_DELTA, 3) + distance(2**40) + zlib.compress(b"\1\1\1"))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_delta_on_the_middle_of_an_object(pack: Pack) -> bytes:
    pack.blob(b"x" * 100)
    pack.raw(header(OFS_DELTA, 3) + distance(4) + zlib.compress(b"\1\1\1"))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def an_offset_without_an_end(pack: Pack) -> bytes:
    pack.raw(header(OFS_DELTA, 3) + b"\xff" * 5000)
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_delta_on_nothing(pack: Pack) -> bytes:
    claims = delta(100, 100, copy(0, 100))
    pack.raw(header(REF_DELTA, len(claims)) + b"\xaa" * 20 + zlib.compress(claims))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def two_deltas_on_each_other(pack: Pack) -> bytes:
    claims = delta(100, 100, copy(0, 100))
    for name in (b"\xaa", b"\xbb"):
        pack.raw(header(REF_DELTA, len(claims)) + name * 20 + zlib.compress(claims))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_delta_that_copies_from_behind_its_base(pack: Pack) -> bytes:
    return on_a_blob(pack, delta(100, 100, copy(1_000_000, 100)))


@payload(UNSOUND)
def a_delta_that_makes_more_than_it_claims(pack: Pack) -> bytes:
    return on_a_blob(pack, delta(100, 50, copy(0, 100) * 1000))


@payload(UNSOUND)
def a_delta_with_an_instruction_that_git_does_not_have(pack: Pack) -> bytes:
    return on_a_blob(pack, delta(100, 100, b"\0" * 100))


# The pack's own frame


@payload(UNSOUND)
def an_object_of_kind_zero(pack: Pack) -> bytes:
    pack.raw(header(0, 1) + zlib.compress(b"x"))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def an_object_of_kind_five(pack: Pack) -> bytes:
    pack.raw(header(5, 1) + zlib.compress(b"x"))
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_pack_of_version_four(pack: Pack) -> bytes:
    pack.version = 4
    return pack.bundle(pack.file(b"harmless"))


@payload(UNSOUND)
def a_pack_with_another_checksum(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"harmless"))[:-1] + b"\0"


@payload(UNSOUND)
def a_pack_with_something_behind_it(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"harmless")) + b"and more"


@payload(UNSOUND)
def a_pack_that_breaks_off(pack: Pack) -> bytes:
    return pack.bundle(pack.file(os.urandom(5000)))[:-2000]


@payload(UNSOUND)
def no_pack(pack: Pack) -> bytes:
    return pack.bundle(pack.base.commit)[: -len(pack.bytes())] + b"KCAP" + b"\0" * 4000


# The bundle's header


@payload("other refs")
def a_header_of_thousands_of_refs(pack: Pack) -> bytes:
    head = pack.file(b"harmless")
    more = "".join(f"{head} refs/heads/{number}\n" for number in range(900))
    return pack.bundle(head, first=f"# v2 git bundle\n{more}")


@payload(NO_BUNDLE)
def a_header_of_fifty_thousand_refs(pack: Pack) -> bytes:
    head = pack.file(b"harmless")
    more = "".join(f"{head} refs/heads/{number}\n" for number in range(50_000))
    return pack.bundle(head, first=f"# v2 git bundle\n{more}")


@payload(NO_BUNDLE)
def a_header_without_an_end(pack: Pack) -> bytes:
    return b"# v2 git bundle\n" + b"x" * 20 * MIB


@payload(None)
def a_header_that_needs_a_thousand_commits(pack: Pack) -> bytes:
    needed = "".join(f"-{number:040x} x\n" for number in range(1000))
    return pack.bundle(pack.file(b"harmless"), first=f"# v2 git bundle\n{needed}")


@payload("filter")
def a_bundle_made_with_a_filter(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"x"), first="# v3 git bundle\n@filter=blob:none\n")


@payload("SHA-256")
def a_bundle_by_another_hash(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"x"), first="# v3 git bundle\n@object-format=sha256\n")


@payload("other refs")
def a_bundle_of_another_branch(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"x"), ref="main")


@payload("other refs")
def a_head_that_is_no_name(pack: Pack) -> bytes:
    return pack.bundle("--upload-pack=x")


@payload("not whole")
def a_head_that_is_not_in_the_pack(pack: Pack) -> bytes:
    pack.file(b"x")
    return pack.bundle("ab" * 20)


@payload("does not go on|not a commit|not whole")
def a_head_that_is_a_folder(pack: Pack) -> bytes:
    return pack.bundle(pack.tree(entry("a", "100644", pack.blob(b"x"))))


@payload("does not go on|not a commit")
def a_head_that_is_a_tag(pack: Pack) -> bytes:
    commit = pack.file(b"x")
    text = f"object {commit}\ntype commit\ntag v1\ntagger A <a@example.org> 1700000000 +0000\n\nx\n"
    return pack.bundle(pack.put(TAG, text.encode()))


# Objects that are large, or many


@payload("commit is larger than")
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


@payload("folders|too large")
def ten_billion_files_in_ten_folders(pack: Pack) -> bytes:
    below, mode = pack.blob(b"x"), "100644"
    for _ in range(10):
        below, mode = pack.tree(*(entry(f"{n}", mode, below) for n in range(10))), "40000"
    return pack.bundle(pack.commit(below))


@payload("folders|too large")
def a_hundred_thousand_folders_in_one_another(pack: Pack) -> bytes:
    below = pack.tree(entry("x", "100644", pack.blob(b"x")))
    for _ in range(100_000):
        below = pack.tree(entry("a", "40000", below))
    return pack.bundle(pack.commit(below))


@payload("")
def a_name_of_a_megabyte(pack: Pack) -> bytes:
    return pack.bundle(pack.file(b"x", name="n" * MIB))


@payload("folders|too large")
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
