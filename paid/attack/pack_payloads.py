"""Payloads in what a pack and a bundle claim: sizes, streams, deltas, headers."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable

from paid.attack.packing import (
    BLOB,
    COMMIT,
    OFS_DELTA,
    REF_DELTA,
    TAG,
    TREE,
    Pack,
    copy,
    delta,
    distance,
    entry,
    header,
)
from paid.attack.payload import LARGE, MIB, NO_BUNDLE, UNSOUND, Builder, Payload, enter_into

PAYLOADS: list[Payload] = []


def payload(refused: str | None) -> Callable[[Builder], Builder]:
    """Enter a builder here, with the words of its refusal."""
    return enter_into(PAYLOADS, refused)


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
    return pack.bundle(pack.base.commit)[: -len(pack.written())] + b"KCAP" + b"\0" * 4000


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
def a_header_without_an_end(_pack: Pack) -> bytes:
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
