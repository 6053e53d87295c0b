"""Programs that start together on a fresh folder agree on one key."""

from __future__ import annotations

import threading
from pathlib import Path

from paid.store.credentials import SecretBox


def test_programs_that_start_together_make_one_key(tmp_path: Path) -> None:
    for attempt in range(20):
        key_file = tmp_path / str(attempt) / "secret.key"
        sealed: list[str] = []
        together = threading.Barrier(8)

        def start(
            key_file: Path = key_file,
            sealed: list[str] = sealed,
            together: threading.Barrier = together,
        ) -> None:
            together.wait()
            sealed.append(SecretBox(key_file).seal("token"))

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [SecretBox(key_file).open(text) for text in sealed] == ["token"] * 8
        assert [path.name for path in key_file.parent.iterdir()] == ["secret.key"]
        assert key_file.stat().st_mode & 0o777 == 0o600
