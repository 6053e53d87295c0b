"""`bin/setup` once there is an environment to run in: everything else that Paid stands on."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from paid.embedded import postgres_binaries
from paid.errors import PaidError
from paid.process_end import end_process
from paid.settings import Settings, load_settings
from paid.setup import apt, assets, docker_engine, temporal_production, temporal_server, test_tools
from paid.setup.npm import DownloadError
from paid.setup.progress import Progress

ROOT = Path(__file__).parents[2]
IMAGE_MODULE = "paid.containers.images"


def prepare_for_images(say: Callable[[str], None]) -> None:
    """What a first image is made with where no registry answers; only root's Debian can."""
    if not apt.can_install():
        return
    if not apt.is_installed("debootstrap"):
        say("installing Debian's debootstrap")
        apt.install("debootstrap")
    apt.know_sources()


def build_images(say: Callable[[str], None]) -> None:
    """Build the base image and the default agent's, as a child whose lines are our progress."""
    argv = [sys.executable, "-m", IMAGE_MODULE, "build"]
    lines: deque[str] = deque(maxlen=20)
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as child:
        for line in child.stdout or ():
            lines.append(line.rstrip())
            say(line.strip())
    if child.returncode != 0:
        raise DownloadError("The agent image could not be built:\n" + "\n".join(lines))


def set_up_assets(settings: Settings, progress: Progress) -> None:
    """The dashboard's third-party files, before the project itself is built."""
    with progress.step("dashboard's assets") as step:
        vendor = assets.folder(ROOT)
        if not assets.are_there(vendor):
            assets.install(vendor, settings.cache_dir)
        step.outcome = ", ".join(f"{it.name} {it.version}" for it in assets.ASSETS)


def set_up(settings: Settings, progress: Progress) -> None:
    """What it takes to run Paid."""
    set_up_assets(settings, progress)
    with progress.step("git") as step:
        if not apt.is_installed("git"):
            apt.install("git")
        step.outcome = shutil.which("git") or ""
    with progress.step("PostgreSQL") as step:
        found = postgres_binaries.find()
        step.outcome = f"{found.major} in {found.folder}"
    with progress.step("Temporal server") as step:
        step.outcome = str(temporal_server.ensure(settings.cache_dir, step.say))
    with progress.step("Docker engine") as step:
        step.outcome = docker_engine.ensure(settings, step.say)
    with progress.step("agent image") as step:
        prepare_for_images(step.say)
        build_images(step.say)
        step.outcome = settings.agent_image


def set_up_tests(settings: Settings, progress: Progress, *, production: bool) -> None:
    """What it takes to test Paid as well."""
    with progress.step("GitHub's contract") as step:
        step.outcome = test_tools.ensure_github_contract(settings.cache_dir)
    with progress.step("browser") as step:
        step.outcome = test_tools.ensure_browser()
    with progress.step("other clocks") as step:
        step.outcome = test_tools.ensure_faketime()
    with progress.step("time-skipping server") as step:
        step.outcome = str(test_tools.ensure_test_server(settings.cache_dir, step.say))
    if production:
        with progress.step("production Temporal") as step:
            step.outcome = str(temporal_production.ensure(settings.cache_dir, step.say))


def main() -> int:
    """Run the steps in order; a failed one says what to do and ends set-up."""
    parser = argparse.ArgumentParser(prog="bin/setup", description="Get what Paid needs.")
    parser.add_argument("--only-assets", action="store_true", help="the dashboard's files alone")
    parser.add_argument("--dev", action="store_true", help="also what the tests need")
    parser.add_argument(
        "--production-temporal",
        action="store_true",
        help="with --dev: also the production Temporal server, built in minutes",
    )
    options = parser.parse_args()
    settings, progress = load_settings(), Progress()
    try:
        if options.only_assets:
            set_up_assets(settings, progress)
            return 0
        set_up(settings, progress)
        if options.dev:
            set_up_tests(settings, progress, production=options.production_temporal)
    except PaidError as error:
        print(f"\nbin/setup: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"           {error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    end_process(main())
