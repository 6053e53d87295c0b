"""Secrets at rest: encrypted with keys that are in a file, never in the database.

The key file holds Fernet keys, one a line, the newest first. Rotating puts a new key in front and
re-encrypts; the old keys stay until `prune` so that a crash in between loses nothing.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlmodel import Session, select

from paid.errors import CredentialError
from paid.models import Credential
from paid.store import clock


class SecretBox:
    """Encrypts and decrypts with the keys of one file, which is made (mode 0600) when missing.

    The file is looked at each time: programs that run for weeks must not go on with a key that was
    rotated away.
    """

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._read_keys()

    def seal(self, secret: str) -> str:
        """Ciphertext, safe to store."""
        return self._present().encrypt(secret.encode()).decode()

    def open(self, ciphertext: str) -> str:
        """The secret. Raises CredentialError when none of the keys fits."""
        try:
            return self._present().decrypt(ciphertext.encode()).decode()
        except InvalidToken:
            raise CredentialError(
                "A stored credential cannot be decrypted.",
                hint=f"Put back the key file {self._key_file.name} that was used, or add it anew.",
            ) from None

    def reseal(self, ciphertext: str) -> str:
        """The same secret under the newest key."""
        return self.seal(self.open(ciphertext))

    def _present(self) -> MultiFernet:
        version = _version(self._key_file)
        if version is not None and version != self._read:
            self._read_keys()
        return self._fernet

    def _read_keys(self) -> None:
        keys = _keys(self._key_file)
        self._read = _version(self._key_file)
        self._fernet = MultiFernet([Fernet(key) for key in keys])


def add(session: Session, box: SecretBox, kind: str, secret: str) -> int:
    """Store a secret and return its id."""
    row = Credential(kind=kind, ciphertext=box.seal(secret))
    session.add(row)
    session.flush()
    assert row.id is not None  # noqa: S101 - flush has set it
    return row.id


def read(session: Session, box: SecretBox, credential_id: int) -> str:
    """The secret behind an id."""
    row = session.get(Credential, credential_id)
    if row is None:
        raise CredentialError("The credential is not there any more.", hint="Add it anew.")
    return box.open(row.ciphertext)


def replace(session: Session, box: SecretBox, credential_id: int, secret: str) -> None:
    """Put a new secret in the place of an old one."""
    row = session.get_one(Credential, credential_id)
    row.ciphertext, row.rotated_at = box.seal(secret), clock.now(session)
    session.add(row)


def forget(session: Session, credential_id: int) -> None:
    """Delete a secret that nothing refers to any more."""
    row = session.get(Credential, credential_id)
    if row is not None:
        session.delete(row)


def rotate(session: Session, key_file: Path) -> int:
    """Put a new key in front, re-encrypt every secret with it, and return how many there were."""
    write_keys(key_file, [Fernet.generate_key(), *_keys(key_file)])
    box = SecretBox(key_file)
    rows = session.exec(select(Credential).with_for_update()).all()
    for row in rows:
        row.ciphertext, row.rotated_at = box.reseal(row.ciphertext), clock.now(session)
        session.add(row)
    return len(rows)


def prune_keys(key_file: Path) -> None:
    """Keep only the newest key; for after a committed `rotate`."""
    write_keys(key_file, _keys(key_file)[:1])


def write_keys(key_file: Path, keys: list[bytes]) -> None:
    """Replace the key file whole, for its owner alone; a crash leaves the old one or the new."""
    _beside(key_file, keys).replace(key_file)


def _first_key(key_file: Path) -> None:
    """Make the key file, unless another program that starts at the same moment was faster.

    A link fails where a rename would replace: nobody may seal with a key that is then lost.
    """
    fresh = _beside(key_file, [Fernet.generate_key()])
    try:
        with suppress(FileExistsError):
            os.link(fresh, key_file)
    finally:
        fresh.unlink()


def _beside(key_file: Path, keys: list[bytes]) -> Path:
    """Write the keys to a file of its own beside the key file."""
    key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=f".{key_file.name}-", dir=key_file.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"\n".join(keys) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _keys(key_file: Path) -> list[bytes]:
    if not key_file.exists():
        _first_key(key_file)
    return [line.strip() for line in key_file.read_bytes().splitlines() if line.strip()]


def _version(key_file: Path) -> tuple[int, int] | None:
    """Changes when the file is replaced; None when it is away, and the keys read before serve."""
    try:
        status = key_file.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
