"""The areas of attacks: each takes the stage and gives its results."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping

from paid.attack import cis, hostile_work
from paid.attack.against_gateway import CONTROL
from paid.attack.hidings import ANYBODYS
from paid.attack.hostile_secrets import masked
from paid.attack.payloads import PAYLOADS
from paid.attack.result import Result
from paid.attack.stage import AttackStage
from paid.containers.openings import openings
from paid.models import Run
from paid.store.project_settings import ProjectChanges

Area = Callable[[AttackStage], Iterator[Result]]
WAIT = ["python3", "-c", "import time; print('begun', flush=True); time.sleep(600)"]
OPTIONS = {
    "privileged": True, "image": "evil", "user": "root", "network": "host", "network_mode": "host",
    "mounts": ["source=/,target=/host,type=bind"], "volumes": ["/:/host"], "pid": "host",
    "runArgs": ["--privileged", "--net=host", "-v", "/var/run/docker.sock:/var/run/docker.sock"],
    "cap_add": ["ALL"], "capAdd": ["SYS_ADMIN"], "securityOpt": ["seccomp=unconfined"],
    "container_memory_mib": 1 << 20, "egress_hosts": ["*"], "allow_workflow_changes": True,
    "checks": [["touch", "/evil"]], "run_cents": 10**9, "agent": "command",
}  # fmt: skip
PLACES = (".paid.yml", ".paid.yaml", ".paid.json", "paid.toml", ".paid/config.yml",
          ".devcontainer/devcontainer.json", ".devcontainer.json", "docker-compose.yml",
          "compose.yaml", ".docker/config.json", ".github/paid.yml")  # fmt: skip
"""Where other tools let a repository choose how it is run; JSON is YAML too."""


LONGEST_SECONDS = 300.0
"""From label to end, with all works at once on two processors."""


def inside(stage: AttackStage) -> Iterator[Result]:
    """An agent that tries its container's every wall."""
    run = stage.attacked("attack/inside", "from_inside.py")
    yield from _of_run(stage, run)


def gateway(stage: AttackStage) -> Iterator[Result]:
    """An agent that tries every other use of the gateway, beside one honest request."""
    run = stage.attacked("attack/gateway", "against_gateway.py")
    for result in _of_run(stage, run):
        if result.attack == CONTROL:
            held = not result.held
            yield Result(result.area, CONTROL, "answered", result.seen, held)
        else:
            yield result
    foreign = [entry for entry in stage.forge.log if "secret" in entry.path]
    yield Result(
        "gateway", "another private repository", "never asked for", str(foreign), not foreign
    )


def container(stage: AttackStage) -> Iterator[Result]:
    """A repository that asks for another container, and one that does not: CIS on both."""
    asked = dict.fromkeys(PLACES, json.dumps(OPTIONS)) | {"Dockerfile": "FROM evil\nUSER root\n"}
    seen = []
    for name, tree in (("attack/plain", {"README.md": "Plain.\n"}), ("attack/asks", asked)):
        project_id = stage.watch_tree(name, tree, ProjectChanges(agent_command=WAIT))
        numbers = stage.label(name)
        (run,) = stage.until_at_work(project_id, 1)
        facts = stage.engine.inspect(f"paid-run-{run.id}-agent-1")
        assert facts is not None  # noqa: S101 - the agent is at work
        failed = cis.failures(facts)
        for number, (wanted, _) in cis.CHECKS.items():
            told = cis.EXCEPTIONS.get(number, "missing" if number in failed else "there")
            yield Result(f"CIS, {name}", f"{number} {wanted}", "there", told, number not in failed)
        left = openings(facts)
        yield Result(f"CIS, {name}", "Paid's own audit", "no opening", str(left), not left)
        seen.append({**facts["HostConfig"], "Mounts": None})
        stage.cancel(run)
        stage.until_ended(project_id, numbers)
    same = seen[0] == seen[1]
    yield Result("repository", "options in its files", "the same container", str(same), same)


def work(stage: AttackStage) -> Iterator[Result]:
    """What agents leave for the host's git and for the record: each in a run of its own."""
    canary = stage.folder / "canary"
    texts = [f"attack: {name}\ncanary: {canary}" for name in hostile_work.WORKS]
    runs = stage.worked("attack/work", "hostile_work.py", texts)
    for name, run in zip(hostile_work.WORKS, runs, strict=True):
        seconds = (run.ended_at - run.created_at).total_seconds() if run.ended_at else 0.0
        published = run.status == "completed"
        wanted = "no pull request" if name in hostile_work.HELD else "an end in time"
        held = not (published and name in hostile_work.HELD) and 0 < seconds < LONGEST_SECONDS
        seen = f"{run.status} {run.error_code or ''} after {seconds:.0f} s"
        yield Result("work", name, wanted, seen, held)
    yield Result(
        "work", "the host's canary", "not there", str(canary.exists()), not canary.exists()
    )


def git(_stage: AttackStage) -> Iterator[Result]:
    """Bundles that no git would write, taken by the host's git in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="paid-attack-git-") as folder:
        argv = [sys.executable, "-m", "paid.attack.try_payloads", folder]
        done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    seen = {record["name"]: record for record in map(json.loads, done.stdout.splitlines())}
    for payload in PAYLOADS:
        record = seen[payload.name]
        text = str(record["refused"] or "taken")
        wanted = "taken" if payload.refused is None else payload.refused or "taken or refused"
        is_final = record["refused"] is None or "(again: False)" in text
        as_wanted = payload.refused == "" or re.search(wanted, text) is not None
        yield Result("git", payload.name, wanted, text, as_wanted and is_final)


def secrets(stage: AttackStage) -> Iterator[Result]:
    """A key in a file, hidden in every way that is known, each left by the agent of a real run."""
    key = b"gh" + b"p_" + b"aP5uEt0oZ8qN3xW6vR1yT4mL7bK2cJ9hG5fD"
    names = {f"h{number}": name for number, name in enumerate(ANYBODYS)}
    tree = {
        f"masked/{short}": base64.b85encode(masked(ANYBODYS[name](key))).decode()
        for short, name in names.items()
    }
    texts = [f"attack: {short}" for short in names]
    # one round each: an agent that is told of its key leaves it again
    runs = stage.worked("attack/secrets", "hostile_secrets.py", texts, tree, rounds=1)
    for name, run in zip(names.values(), runs, strict=True):
        held = run.status == "failed" and run.error_code == "secret_found"
        seen = f"{run.status} {run.error_code or ''}"
        yield Result("secrets", name, "not pushed", seen, held)
    pushed = stage.forge.branches("attack/secrets").keys() - {"main"}
    yield Result("secrets", "branches on the forge", "none", str(pushed or "none"), not pushed)


def _of_run(stage: AttackStage, run: Run) -> list[Result]:
    return judged(stage.records(run), str(run.status))


def judged(records: Iterable[Mapping[str, str]], status: str) -> list[Result]:
    """What an attacking agent printed; an agent that stopped early proves nothing."""
    results, ended = [], False
    for record in records:
        ended = ended or record["area"] == "end"
        if "attack" in record:
            got = record["got"]
            seen = f"GOT {got}" if got else record["seen"] or "nothing"
            results.append(Result(record["area"], record["attack"], "refused", seen, not got))
    return [*results, Result("agent", "its whole list", "every attempt was made", status, ended)]


AREAS: dict[str, Area] = {
    "inside": inside,
    "gateway": gateway,
    "container": container,
    "work": work,
    "git": git,
    "secrets": secrets,
}
