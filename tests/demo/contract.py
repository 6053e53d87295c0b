"""GitHub's own description of its REST API, as validators of single answers.

The description is OpenAPI 3.0, whose schemas are JSON Schema with `nullable`; it is fetched by
`bin/setup --dev` and kept in the cache.
"""

from __future__ import annotations

import json
import re
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from paid.settings import load_settings
from paid.setup.test_tools import GITHUB_CONTRACT
from tests.conftest import missing

REFERENCE = "#/components/schemas/"
SERVER = "ghes-3.19"
"""GitHub Enterprise Server, because its addresses may lie anywhere."""


def answer_schema(method: str, path: str, status: int) -> Any:
    """The schema of an answer's body; None where the description knows none."""
    operation = description()["paths"][path][method.lower()]
    response = _resolved(operation["responses"][str(status)])
    return response.get("content", {}).get("application/json", {}).get("schema")


def problems(schema: Any, body: Any) -> list[str]:
    """What is wrong with a body, one line each."""
    found = _validator(json.dumps(schema)).iter_errors(body)
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message[:200]}" for error in found]


def path_of(method: str, url: str) -> str:
    """The description's path that an address belongs to, the one with the fewest parameters."""
    fitting = [
        path
        for path, operations in description()["paths"].items()
        if method.lower() in operations and _fits(path, url)
    ]
    return min(fitting, key=lambda path: path.count("{"))


@cache
def description() -> Any:
    """The whole description."""
    with tarfile.open(_archive("openapi")) as archive:
        member = archive.extractfile(f"package/generated/{SERVER}.json")
        assert member is not None
        return json.load(member)


@cache
def webhook_examples() -> dict[str, list[Any]]:
    """GitHub's example payloads by event."""
    with tarfile.open(_archive("webhooks-examples")) as archive:
        member = archive.extractfile("package/api.github.com/index.json")
        assert member is not None
        return {entry["name"]: entry["examples"] for entry in json.load(member)}


def _archive(name: str) -> Path:
    package = next(one for one in GITHUB_CONTRACT if one.name.endswith(f"/{name}"))
    path = load_settings().cache_dir / "npm" / package.file_name
    if not path.exists():
        missing(f"{package.name} is not in the cache; run bin/setup --dev")
    return path


def _resolved(node: Any) -> Any:
    if "$ref" not in node:
        return node
    found: Any = description()
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def _fits(path: str, url: str) -> bool:
    parts = re.split(r"\{[^}]+\}", path)
    pattern = "[^/]+".join(re.escape(part) for part in parts)
    return re.fullmatch(pattern, url) is not None


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    root = json.loads(schema)
    schemas = description()["components"]["schemas"]
    needed: dict[str, Any] = {}
    waiting = _references(root)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = _as_json_schema(schemas[name])
            waiting |= _references(schemas[name])
    whole = {"allOf": [_as_json_schema(root)], "components": {"schemas": needed}}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def _references(node: Any) -> set[str]:
    found = re.findall(rf'"{re.escape(REFERENCE)}([^"]+)"', json.dumps(node))
    return set(found)


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` said in JSON Schema; examples, which may be anything, left out."""
    if isinstance(node, list):
        return [_as_json_schema(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _as_json_schema(value)
        for key, value in node.items()
        if key not in ("example", "examples", "nullable", "discriminator", "externalDocs")
    }
    return {"anyOf": [{"type": "null"}, kept]} if node.get("nullable") is True else kept
