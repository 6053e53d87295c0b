"""Every object that would be pushed is looked through, and only what is new counts."""

from __future__ import annotations

import base64
import gzip
import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from paid.attack.packing import BLOB, BRANCH, COMMIT, PERSON, Base, Pack, entry
from paid.attack.try_payloads import make_base
from paid.containers.bundles import take
from paid.containers.changes import Policy, check, check_texts
from paid.containers.git import Git
from paid.containers.secret_scan import fingerprint_of
from paid.errors import PaidError, SecretFoundError
from tests.mirror.githost import git

SECRET = "paid-own-" + "Zq7Kw2Xv9Rt4Lm8Bn3Hd6Fy1"
TOKEN = "gh" + "p_" + "aP5uEt0oZ8qN3xW6vR1yT4mL7bK2cJ9hG5fD"
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEAx7Gq2Lk9fWzPq3" * 2 + "\n"


@dataclass
class Mirror:
    """A bare repository with one commit, and what is taken into it."""

    folder: Path
    base: Base

    @property
    def git(self) -> Git:
        return Git(self.folder)

    def take(self, pack: Pack, head: str) -> str:
        bundle = self.folder.parent / "bundle"
        bundle.write_bytes(pack.bundle(head))
        return take(self.git, 41, bundle, BRANCH, pack.base.commit)

    def check(self, pack: Pack, head: str, policy: Policy | None = None) -> None:
        head = self.take(pack, head)
        check(self.git, pack.base.commit, head, policy or Policy(secrets=(SECRET,)))

    def rebase(self, pack: Pack, head: str) -> Base:
        """Make what was taken the base of what follows."""
        head = self.take(pack, head)
        tree = git(self.folder, "rev-parse", f"{head}^{{tree}}")
        return Base(head, tree, self.base.blob)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirror.git", make_base(tmp_path / "mirror.git"))


def commit_by(pack: Pack, author: bytes, committer: bytes) -> str:
    lines = f"tree {pack.base.tree}\nparent {pack.base.commit}\n".encode()
    return pack.put(
        COMMIT, lines + b"author " + author + b"\ncommitter " + committer + b"\n\nwork\n"
    )


def with_header(pack: Pack, header: bytes, message: bytes = b"work\n") -> str:
    return pack.commit(pack.base.tree, more=header, message=message)


def in_charset(pack: Pack, charset: str, name: str) -> str:
    message = f"the key is {SECRET}\n".encode(charset)
    return with_header(pack, f"encoding {name}\n".encode(), message)


def with_entry(pack: Pack, name: str, mode: str = "100644", of: str = "") -> str:
    return pack.commit(pack.tree(entry(name, mode, of or pack.base.blob)))


def signature(secret: str) -> bytes:
    lines = base64.b64encode(b"signed" * 9 + secret.encode() + b"signed" * 9).decode()
    folded = "\n ".join(lines[at : at + 64] for at in range(0, len(lines), 64))
    return (
        f"gpgsig -----BEGIN PGP SIGNATURE-----\n \n {folded}\n -----END PGP SIGNATURE-----\n"
    ).encode()


def undone(pack: Pack) -> str:
    first = pack.file(SECRET.encode())
    return pack.commit(pack.base.tree, first)


def in_two_messages(pack: Pack) -> str:
    """The newer commit is read first."""
    first = pack.commit(pack.base.tree, message=SECRET[9:].encode())
    return pack.commit(pack.base.tree, first, message=SECRET[:9].encode())


def two_links(pack: Pack) -> str:
    raw = SECRET.encode().ljust(40, b"=")
    entries = (entry(f"m{n}", "160000", raw[n : n + 20].hex()) for n in (0, 20))
    return pack.commit(pack.tree(*entries))


PLACES: dict[str, Callable[[Pack], str]] = {
    "a message that begins with a minus": lambda pack: pack.commit(
        pack.base.tree, message=f"- uses the key {SECRET}\n".encode()
    ),
    "a subject alone": lambda pack: pack.commit(pack.base.tree, message=SECRET.encode()),
    "a subject behind dashes": lambda pack: pack.commit(
        pack.base.tree, message=f"--- {SECRET}\n+++ x\n".encode()
    ),
    "a message's last lines": lambda pack: pack.commit(
        pack.base.tree, message=f"work\n\nToken: {SECRET}\n".encode()
    ),
    "an author's name": lambda pack: commit_by(pack, f"{SECRET} <a@b.c> 1 +0000".encode(), PERSON),
    "an author's name behind a minus": lambda pack: commit_by(
        pack, f"-{SECRET} <a@b.c> 1 +0000".encode(), PERSON
    ),
    "an author's address": lambda pack: commit_by(pack, f"A <{SECRET}> 1 +0000".encode(), PERSON),
    "a committer's name": lambda pack: commit_by(
        pack, PERSON, f"- {SECRET} <a@b.c> 1 +0000".encode()
    ),
    "a header that nobody knows": lambda pack: with_header(pack, f"x-key {SECRET}\n".encode()),
    "a header in two lines": lambda pack: with_header(
        pack, f"x-key {SECRET[:9]}\n {SECRET[9:]}\n".encode()
    ),
    "a signature": lambda pack: with_header(pack, signature(SECRET)),
    "a signature's comment": lambda pack: with_header(pack, f"gpgsig x\n {SECRET}\n".encode()),
    "a tag within a merge": lambda pack: with_header(
        pack, f"mergetag object {'ab' * 20}\n type commit\n tag {SECRET}\n".encode()
    ),
    "a charset's name": lambda pack: with_header(pack, f"encoding {SECRET}\n".encode()),
    "a message in EBCDIC": lambda pack: in_charset(pack, "cp037", "IBM037"),
    "a message in EBCDIC of another land": lambda pack: in_charset(pack, "cp500", "cp500"),
    "a message in UTF-7": lambda pack: in_charset(pack, "utf-7", "UTF-7"),
    "a message of base64": lambda pack: pack.commit(
        pack.base.tree, message=base64.b64encode(SECRET.encode())
    ),
    "a file's name": lambda pack: with_entry(pack, f"{SECRET}.txt"),
    "a file's name in hex": lambda pack: with_entry(pack, SECRET.encode().hex()),
    "a file's name behind a minus": lambda pack: with_entry(pack, f"-{SECRET}"),
    "an empty folder's name": lambda pack: with_entry(pack, SECRET, "40000", pack.tree()),
    "a folder's name": lambda pack: with_entry(pack, SECRET, "40000", pack.base.tree),
    "a submodule's name": lambda pack: with_entry(pack, SECRET, "160000", "ab" * 20),
    "the commits that submodules name": two_links,
    "a link's target": lambda pack: with_entry(
        pack, "link", "120000", pack.put(BLOB, SECRET.encode())
    ),
    "a file that a later commit removes": undone,
    "a packed file": lambda pack: pack.file(gzip.compress(SECRET.encode())),
    "the attributes of git": lambda pack: with_entry(
        pack, ".gitattributes", of=pack.put(BLOB, f"* x={SECRET}".encode())
    ),
    "a file of two million bytes": lambda pack: pack.file(
        b"line\n" * 400_000 + SECRET.encode() + b"\n" + b"line\n" * 400_000
    ),
}


@pytest.mark.parametrize("place", list(PLACES))
def test_a_secret_is_found_wherever_it_is(place: str, mirror: Mirror) -> None:
    pack = Pack(mirror.base)
    with pytest.raises(SecretFoundError, match="own secrets") as raised:
        mirror.check(pack, PLACES[place](pack))
    assert SECRET not in str(raised.value)
    assert not raised.value.retryable


def removed_line(text: str) -> Callable[[Mirror], tuple[Pack, str]]:
    """A file of the base has the text, and loses it."""

    def change(mirror: Mirror) -> tuple[Pack, str]:
        old = Pack(mirror.base)
        pack = Pack(mirror.rebase(old, old.file(f"one\n{text}\ntwo\n".encode())))
        return pack, pack.file(b"one\ntwo\n")

    return change


def moved(mirror: Mirror) -> tuple[Pack, str]:
    old = Pack(mirror.base)
    pack = Pack(mirror.rebase(old, old.file(KEY.encode(), "key.pem")))
    pack.base.blob = pack.put(BLOB, KEY.encode())
    return pack, with_entry(pack, "moved.pem", of=pack.base.blob)


def moved_and_changed(mirror: Mirror) -> tuple[Pack, str]:
    old = Pack(mirror.base)
    pack = Pack(mirror.rebase(old, old.file(KEY.encode(), "key.pem")))
    return pack, pack.file(f"a comment\n{KEY}".encode(), "other.pem")


def copied_beside(mirror: Mirror) -> tuple[Pack, str]:
    """The file that has the token stays; another one is made that has it too."""
    old = Pack(mirror.base)
    token = f"token = {TOKEN}\n".encode()
    base = mirror.rebase(old, old.file(token, "a.ini"))
    pack = Pack(base)
    entries = [
        entry("a.ini", "100644", pack.blob(token)),
        entry("b.ini", "100644", pack.blob(b"copy: " + token)),
    ]
    return pack, pack.commit(pack.tree(*entries))


HONEST: dict[str, Callable[[Mirror], tuple[Pack, str]]] = {
    "a private key is taken away": removed_line(KEY),
    "a token behind two minuses is taken away": removed_line(f"-- {TOKEN}"),
    "a secret of ours is taken away": removed_line(SECRET),
    "a file with a test key is moved": moved,
    "a file with a test key is moved and changed": moved_and_changed,
    "a known token is copied": copied_beside,
}


@pytest.mark.parametrize("name", list(HONEST))
def test_what_is_not_new_passes(name: str, mirror: Mirror) -> None:
    pack, head = HONEST[name](mirror)
    mirror.check(pack, head)


def test_a_new_key_beside_a_known_one_is_found(mirror: Mirror) -> None:
    old = Pack(mirror.base)
    pack = Pack(mirror.rebase(old, old.file(KEY.encode(), "key.pem")))
    new = KEY.replace("x7Gq2Lk9fWzPq3", "y8Hr3Ml0gXaQr4")
    with pytest.raises(SecretFoundError, match=r"a private key in other\.pem, line 1"):
        mirror.check(pack, pack.file(new.encode(), "other.pem"))


def fresh_key(folder: Path, *kind: str) -> bytes:
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", folder / "k", *kind], check=True)
    made = (folder / "k").read_bytes()
    (folder / "k").unlink()
    return made


def pgp_key(body: str) -> bytes:
    version = "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\nComment: x\n\n"
    return f"{version}{body}\n=aB3d\n-----END PGP PRIVATE KEY BLOCK-----\n".encode()


TWO_KEYS: dict[str, Callable[[Path], tuple[bytes, bytes]]] = {
    "ed25519": lambda folder: (
        fresh_key(folder, "-t", "ed25519"),
        fresh_key(folder, "-t", "ed25519"),
    ),
    "ECDSA": lambda folder: (fresh_key(folder, "-t", "ecdsa"), fresh_key(folder, "-t", "ecdsa")),
    "ECDSA without its end": lambda folder: (
        fresh_key(folder, "-t", "ecdsa")[:-40],
        fresh_key(folder, "-t", "ecdsa")[:-40],
    ),
    "ed25519 in one line of JSON": lambda folder: (
        fresh_key(folder, "-t", "ed25519").replace(b"\n", b"\\n"),
        fresh_key(folder, "-t", "ed25519").replace(b"\n", b"\\n"),
    ),
    "PGP with a version": lambda _: (pgp_key("lQdGBGX" * 9), pgp_key("lQdGBGX" * 8 + "lQdGBGY")),
}


@pytest.mark.parametrize("kind", list(TWO_KEYS))
def test_a_new_private_key_of_a_known_ones_type_is_found(kind: str, mirror: Mirror) -> None:
    known, new = TWO_KEYS[kind](mirror.folder.parent)
    old = Pack(mirror.base)
    pack = Pack(mirror.rebase(old, old.file(known, "id_a")))
    beside = [entry("a", "100644", pack.blob(known)), entry("b", "100644", pack.blob(new))]
    with pytest.raises(SecretFoundError, match=r"a private key in b, line 1") as raised:
        mirror.check(pack, pack.commit(pack.tree(*beside)))
    assert len(raised.value.found) == 1


def test_many_known_keys_hide_no_new_one(mirror: Mirror) -> None:
    tokens = "".join("gh" + f"p_{n:04}{'aP5uEt0oZ8qN3xW6vR1yT4mL7bK2cJ9h'}\n" for n in range(60))
    old = Pack(mirror.base)
    pack = Pack(mirror.rebase(old, old.file(tokens.encode(), "new.txt")))
    with pytest.raises(SecretFoundError, match=r"a GitHub token in new\.txt, line 61") as raised:
        mirror.check(pack, pack.file(f"{tokens}{TOKEN}\n".encode(), "new.txt"))
    assert len(raised.value.found) == 1


def test_many_keys_that_were_let_go_hide_no_new_one(mirror: Mirror) -> None:
    tokens = ["gh" + f"p_{n:04}{'aP5uEt0oZ8qN3xW6vR1yT4mL7bK2cJ9h'}" for n in range(60)]
    let_go = frozenset(fingerprint_of(token.encode()) for token in tokens)
    pack = Pack(mirror.base)
    head = pack.file("\n".join([*tokens, TOKEN]).encode())
    with pytest.raises(SecretFoundError, match=r"line 61"):
        mirror.check(pack, head, Policy(allowed_values=let_go))


def test_a_bomb_is_looked_through_beside_the_worker(mirror: Mirror) -> None:
    pack = Pack(mirror.base)
    head = pack.file(zlib.compress(b"a" * 20_000_000 + SECRET.encode()))
    began = time.thread_time()
    with pytest.raises(SecretFoundError, match="own secrets"):
        mirror.check(pack, head)
    assert time.thread_time() - began < 2


def test_a_known_private_key_may_be_copied(mirror: Mirror) -> None:
    known = fresh_key(mirror.folder.parent, "-t", "ed25519")
    old = Pack(mirror.base)
    pack = Pack(mirror.rebase(old, old.file(known, "id_a")))
    copy = entry("b.py", "100644", pack.blob(b"KEY = '" + known.replace(b"\n", b"\\n") + b"'"))
    mirror.check(pack, pack.commit(pack.tree(copy, entry("id_a", "100644", pack.blob(known)))))


def test_a_refusal_names_file_line_and_kind(mirror: Mirror) -> None:
    pack = Pack(mirror.base)
    head = pack.file(f"one\ntwo\ntoken = {TOKEN}\n".encode(), "config.ini")
    with pytest.raises(SecretFoundError, match=r"a GitHub token in config\.ini, line 3") as raised:
        mirror.check(pack, head)
    assert TOKEN not in str(raised.value)
    assert [one["fingerprint"] for one in raised.value.found] == [fingerprint_of(TOKEN.encode())]


def test_a_person_lets_a_value_or_a_path_go(mirror: Mirror) -> None:
    pack = Pack(mirror.base)
    head = pack.file(TOKEN.encode(), "tests.ini")
    mirror.check(pack, head, Policy(allowed_values=frozenset({fingerprint_of(TOKEN.encode())})))
    mirror.check(pack, head, Policy(allowed_paths=("tests*",)))
    with pytest.raises(SecretFoundError):
        mirror.check(pack, head, Policy(allowed_paths=("fixtures/**",)))


def test_a_path_that_is_let_go_lets_no_secret_of_ours_go(mirror: Mirror) -> None:
    pack = Pack(mirror.base)
    policy = Policy(secrets=(SECRET,), allowed_paths=("**",))
    with pytest.raises(SecretFoundError):
        mirror.check(pack, pack.file(SECRET.encode()), policy)


def test_a_file_at_two_paths_needs_both_to_be_let_go(mirror: Mirror) -> None:
    pack = Pack(mirror.base)
    blob = pack.blob(TOKEN.encode())
    tree = pack.tree(entry("a.ini", "100644", blob), entry("tests.ini", "100644", blob))
    with pytest.raises(SecretFoundError):
        mirror.check(pack, pack.commit(tree), Policy(allowed_paths=("tests*",)))


def test_texts_are_looked_through_as_they_were(mirror: Mirror) -> None:
    said = f"The deploy key is {TOKEN.replace('_', chr(92) + '_')}"
    for text in (said, f"- {TOKEN}", f"--- {TOKEN}"):
        with pytest.raises(SecretFoundError):
            check_texts(Policy(), "A fine change", text)
    check_texts(Policy(), "as asked", f"- {TOKEN}", known=[f"The issue says {TOKEN}"])


def test_large_removals_and_moves_are_not_looked_through(mirror: Mirror) -> None:
    """What the base has is not read; it was refused as too large before."""
    old = Pack(mirror.base, level=0)
    large = [old.blob(bytes([65 + n]) * 70_000_000) for n in range(4)]
    tree = old.tree(*(entry(f"v{n}", "100644", blob) for n, blob in enumerate(large)))
    pack = Pack(mirror.rebase(old, old.commit(tree)))
    moved = pack.tree(*(entry(f"w{n}", "100644", blob) for n, blob in enumerate(large[:2])))
    try:
        mirror.check(pack, pack.commit(moved))
    except PaidError as error:
        pytest.fail(str(error))
