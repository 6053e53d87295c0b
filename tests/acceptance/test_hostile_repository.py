"""A repository and an agent that want more than they are given (threats 9, 10, 22, 24, 36)."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from tests.acceptance.stage import OWNER, Stage

REACH = """
import base64, json, os, pathlib, socket, subprocess
tried = []
def git(*argv, **extra):
    done = subprocess.run(["git", *argv], env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **extra},
                          capture_output=True, text=True, timeout=60)
    tried.append(["git", done.returncode == 0])
def knock(port):
    with socket.socket() as end:
        end.settimeout(2)
        tried.append(["knock", end.connect_ex(("127.0.0.1", port)) == 0])
token = os.environ.get("PAID_RUN_TOKEN", "")
gateway = "127.0.0.1:8377"
way = {"http_proxy": f"http://run:{token}@{gateway}", "https_proxy": f"http://run:{token}@{gateway}",
       "HTTP_PROXY": f"http://run:{token}@{gateway}", "no_proxy": "", "NO_PROXY": ""}
git("ls-remote", "FORGE/demo/secret.git")
git("ls-remote", "FORGE/demo/secret.git", **way)
git("-c", f"http.extraHeader=Authorization: Bearer {token}", "ls-remote", "FORGE/demo/secret.git")
git("ls-remote", f"http://{gateway}/demo/secret.git")
git("ls-remote", f"http://{gateway}/openai/v1/../../demo/secret.git")
git("ls-remote", "/mirror/../secret.git")
git("submodule", "add", "FORGE/demo/secret.git", "secret", **way)
for target in ("HOST", "localhost:PORT", "[::1]:PORT", "0x7f000001:PORT", "127.0.0.1.nip.io:PORT"):
    with socket.create_connection(("127.0.0.1", 8377)) as end:
        seal = base64.b64encode(f"run:{token}".encode()).decode()
        end.sendall(f"CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n"
                    f"Proxy-Authorization: Basic {seal}\\r\\n\\r\\n".encode())
        tried.append(["connect", b" 200 " in end.recv(100)])
for port in (OTHERS):
    knock(port)
print(json.dumps(tried), flush=True)
pathlib.Path("made.txt").write_text("made")
"""


def test_an_agent_gets_at_no_other_repository_and_no_server(stage: Stage) -> None:
    """Another private repository of the same token, PostgreSQL and Temporal, by every way."""
    stage.forge.add_repository(
        "demo/secret", {"plans.txt": "the secret plans"}, OWNER, private=True
    )
    host = urlsplit(stage.forge.url)
    temporal = urlsplit(f"//{stage.settings.temporal_address}")
    others = f"5432, {temporal.port}"
    script = (
        REACH.replace("FORGE", stage.forge.url)
        .replace("HOST", host.netloc)
        .replace("PORT", str(host.port))
        .replace("OTHERS", others)
    )
    watched = stage.watch(agent_command=["python3", "-c", script])
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.ended(watched)
    assert run.status == "completed", run.error_message
    (said,) = stage.events(run, "agent.message")
    tried = json.loads(str(said.data["text"]))
    assert tried == [["git", False]] * 7 + [["connect", False]] * 5 + [["knock", False]] * 2
    assert [entry for entry in stage.forge.log if "secret" in entry.path] == []


def test_nothing_is_ever_merged_or_approved(stage: Stage) -> None:
    """Whatever all other tests of this installation did: no request of this kind was made."""
    watched = stage.watch(agent_command=["python3", "-c", "open('made.txt', 'w').write('x')"])
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    assert stage.ended(watched).status == "completed"
    paths = [f"{entry.method} {entry.path}" for entry in stage.forge.log]
    assert any(path.endswith("/pulls") for path in paths)
    for word in ("/merge", "/reviews", "/auto-merge", "mergePullRequest", "/dispatches"):
        assert [path for path in paths if word in path] == []


def test_a_title_of_a_megabyte_becomes_one_line_and_runs_nothing(
    stage: Stage, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    title = f"--exec=touch {canary}\0\n$(touch {canary}) `touch {canary}` " + "x" * 1_000_000
    watched = stage.watch(agent_command=["python3", "-c", "open('made.txt', 'w').write('x')"])
    number = stage.forge.add_issue(watched.name, title, "Please.", OWNER)
    stage.forge.add_label(watched.name, number, "paid-build", actor=OWNER)
    run = stage.ended(watched, number)
    assert run.status == "completed", run.error_message
    (pull,) = stage.forge.pulls(watched.name)
    assert len(pull.title) < 260
    assert not set(pull.title) & {"\n", "\0"}
    assert not canary.exists()
