"""What the tests need beside Paid itself: a browser, GitHub's contract, other clocks."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from paid.setup import apt
from paid.setup.npm import DownloadError, Package, archive

GITHUB_CONTRACT = (
    Package(
        "@octokit/openapi",
        "23.0.2",
        "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
    ),
    Package(
        "@octokit/webhooks-examples",
        "7.6.1",
        "De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ==",
    ),
)
DRIVER_LIBRARY = "libatomic.so.1"
"""The Node inside playwright's wheel is linked with it, and nothing else brings it along."""
FAKETIME_FOLDERS = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime")
FAKETIME_LIBRARY = "libfaketimeMT.so.1"
TEST_SERVER_VERSION = "1.31.0"
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
JAR_DIGESTS = Path(__file__).with_name("test_server.sha256")
POM = """<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>paid</groupId><artifactId>test-server</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId>
    <version>{version}</version>
  </dependency></dependencies>
</project>
"""
LAUNCHER = """#!/bin/sh
exec java -cp "$(dirname "$0")/jars/*" io.temporal.testserver.TestServer "$@"
"""


def ensure_browser() -> str:
    """Debian's chromium, and what playwright needs to drive it; returns the browser's path."""
    if not _loads(DRIVER_LIBRARY):
        apt.install("libatomic1")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None:
            return found
    apt.install("chromium", "fonts-dejavu-core")
    return shutil.which("chromium") or "/usr/bin/chromium"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def ensure_github_contract(cache_dir: Path) -> str:
    """GitHub's official descriptions as archives in <cache>/npm; returns their versions."""
    for package in GITHUB_CONTRACT:
        archive(package, cache_dir)
    return ", ".join(f"{package.name} {package.version}" for package in GITHUB_CONTRACT)


def faketime_library() -> Path | None:
    """What gives a program that preloads it another clock; None where it is not installed."""
    for folder in FAKETIME_FOLDERS:
        for found in Path("/").glob(f"{folder[1:]}/{FAKETIME_LIBRARY}"):
            return found
    return None


def ensure_faketime() -> str:
    """Debian's libfaketime; returns the library's path, or what its lack means."""
    if faketime_library() is None and apt.can_install():
        apt.install("libfaketime")
    return str(faketime_library() or "no libfaketime: the tests that need it are skipped")


def test_server_path(cache_dir: Path) -> Path:
    """The program for `WorkflowEnvironment.start_time_skipping(test_server_existing_path=…)`."""
    return cache_dir / "bin" / f"temporal-test-server-{TEST_SERVER_VERSION}" / "test-server"


def ensure_test_server(cache_dir: Path, say: Callable[[str], None]) -> Path:
    """Temporal's time-skipping server from its Java packages, each checked against its digest."""
    program = test_server_path(cache_dir)
    if program.exists():
        return program
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        say("installing Debian's maven and a Java runtime")
        apt.install("maven", "default-jre-headless")
    folder = program.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        unfinished = Path(work) / "finished"
        unfinished.mkdir()
        _fetch_jars(Path(work), unfinished / "jars")
        launcher = unfinished / program.name
        launcher.write_text(LAUNCHER)
        launcher.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    return program


def _fetch_jars(work: Path, jars: Path) -> None:
    (work / "pom.xml").write_text(POM.format(version=TEST_SERVER_VERSION))
    argv = ["mvn", "-q", "-B", COPY_GOAL, f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
    done = subprocess.run(argv, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DownloadError(f"mvn could not fetch the test server: {done.stdout.strip()[-800:]}")
    if digests_of(jars) != JAR_DIGESTS.read_text():
        raise DownloadError("The test server's Java packages are not those that Paid pinned.")


def digests_of(jars: Path) -> str:
    """One line a jar: its SHA-256 and its name, sorted by name."""
    return "".join(
        f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n"
        for jar in sorted(jars.iterdir())
    )
