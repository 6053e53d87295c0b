"""Recipes as text, names that say what is in an image, and the images that are there."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import uuid
from dataclasses import dataclass, field, fields, replace

import pytest

from paid.containers import recipe
from paid.containers.docker_api import DockerApi
from paid.containers.image.paid_step.task import Task as Read
from paid.containers.image_store import ImageStore
from paid.containers.images import Images, agent_image_ref, base_image_ref, image_ref
from paid.containers.task import Task
from paid.settings import Settings


@dataclass(frozen=True)
class Recipe:
    npm: dict[str, str] = field(default_factory=dict)
    pip: dict[str, str] = field(default_factory=dict)
    apt: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    version: str = "1"


def test_an_image_is_named_for_all_that_is_in_it() -> None:
    plain = Recipe(npm={"agent": "1.0.0"})
    others = [
        replace(plain, npm={"agent": "1.0.1"}),
        replace(plain, pip={"more": "1"}),
        replace(plain, env={"A": "1"}),
        replace(plain, files={"/etc/agent.json": "{}"}),
    ]
    names = {image_ref("agent", each) for each in [plain, *others]}
    assert len(names) == 5
    assert image_ref("agent", plain) == image_ref("agent", Recipe(npm={"agent": "1.0.0"}))


def test_an_agent_without_packages_runs_in_the_base_image() -> None:
    assert agent_image_ref("command") == base_image_ref()


def test_packages_are_fetched_in_stages_that_do_not_stay() -> None:
    text = recipe.agent_dockerfile("paid-tools:1", Recipe(npm={"a": "1"}, pip={"b": "2"}))
    stages = text.split("FROM ")[1:]
    assert "npm" in stages[0]
    assert "pip" in stages[0]
    assert not any(word in stages[1] for word in ("npm", "pip", "ARG", "INDEX", "REGISTRY"))


def test_a_value_cannot_leave_its_line() -> None:
    text = recipe.agent_dockerfile("t", Recipe(npm={"a": "1"}, env={"X": 'a"\nRUN evil'}))
    assert "\nRUN evil" not in text


def test_the_same_content_makes_the_same_context() -> None:
    files = {"b": b"2", "a": b"1"}
    one, two = recipe.context("FROM x", files), recipe.context("FROM x", files)
    assert one.read() == two.read()
    one.seek(0)
    with tarfile.open(fileobj=one) as tar:
        assert {entry.mtime for entry in tar} == {0}


def test_a_second_build_has_nothing_to_do(base_image: str, settings: Settings) -> None:
    images, said = Images(settings), list[str]()

    assert images.build_base(said.append) == base_image
    assert said == []
    assert base_image in {row.reference for row in images.list_images()}


def test_a_builds_words_reach_the_terminal_without_its_escapes(
    base_image: str, settings: Settings
) -> None:
    api, said = DockerApi(settings), list[str]()
    dockerfile = f"FROM {base_image}\nRUN printf '\\033[31mred\\033[0m\\n10%%\\r20%%\\rread\\n'\n"
    reference = f"paid-words:{uuid.uuid4().hex}"

    store = ImageStore(api)
    try:
        store.build(recipe.context(dockerfile, {}), reference, {}, {}, said.append)
    finally:
        store.remove(reference)
        api.close()

    assert {"red", "read"} <= set(said)
    assert not any("\x1b" in line or "%" in line for line in said if "RUN" not in line)


def test_an_image_keeps_no_setting_of_its_builder(base_image: str, settings: Settings) -> None:
    api = DockerApi(settings)
    with api.client() as client:
        history = json.dumps(client.history(base_image))
        facts = client.inspect_image(base_image)
    api.close()
    assert not any(word in history for word in ("_PROXY=", "INDEX_URL=", "REGISTRY=http"))
    assert facts["Config"]["User"] == "1000:1000"
    assert facts["Config"]["Entrypoint"] == ["/opt/paid/paid-step"]


def test_paid_step_needs_nothing_but_the_standard_library() -> None:
    names = _after("import paid_step.main, paid_step.modes, paid_step.trusted", "__file__")
    assert not [name for name in names if "site-packages" in name]


def test_an_agents_start_loads_nothing_that_takes_long() -> None:
    loaded = set(_after("import paid_step.main", "__name__"))
    assert not loaded & {"pathlib", "dataclasses", "typing", "subprocess", "shutil", "threading"}


def test_the_host_writes_the_task_that_paid_step_reads() -> None:
    assert {field.name for field in fields(Task)} == Read.__annotations__.keys()


def _after(imports: str, attribute: str) -> list[str]:
    """What the modules have that are loaded after these imports, in a fresh interpreter."""
    script = (
        f"import sys; sys.path.insert(0, 'paid/containers/image'); {imports};"
        f"print(*(getattr(m, {attribute!r}, None) for m in sys.modules.values()), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")


def test_a_step_tells_java_of_the_way_out_and_of_whom_to_trust(
    base_image: str, settings: Settings
) -> None:
    """`JAVA_TOOL_OPTIONS` names a store that the image really has, in Java's own format."""
    script = (
        "import sys; sys.path.insert(0, '/opt/paid'); from paid_step import jvm;"
        "said = jvm.environment({}, '/tmp', ('127.0.0.1', 8377), 'a token');"
        "assert jvm.TRUST_STORE in said['JAVA_TOOL_OPTIONS'];"
        "assert 'a token' in open('/tmp/.m2/settings.xml').read();"
        "assert open(jvm.TRUST_STORE, 'rb').read(4) == bytes.fromhex('feedfeed');"
        "assert len(open(jvm.TRUST_STORE, 'rb').read()) > 50_000"
    )
    assert _exit_code(settings, base_image, ["python3", "-c", script]) == 0


@pytest.mark.parametrize("program", ["git", "node", "npm", "python3", "curl", "rg", "jq", "make"])
def test_the_base_has_the_usual_tools(base_image: str, program: str, settings: Settings) -> None:
    assert _exit_code(settings, base_image, [program, "--version"]) == 0


def _exit_code(settings: Settings, image: str, argv: list[str]) -> int:
    api = DockerApi(settings)
    with api.client() as client:
        made = client.create_container(image, entrypoint=argv, command=[], network_disabled=True)
        client.start(made["Id"])
        status = int(client.wait(made["Id"])["StatusCode"])
        client.remove_container(made["Id"], force=True)
    api.close()
    return status
