"""The JSON schema: made from the models, committed as it is made, and good for the specs that we ship."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from awsrun.resources.models import SpecModels
from awsrun.spec.json_schema import json_schema
from awsrun.spec.load import load

ROOT = Path(__file__).parents[2]
SPECS = sorted((ROOT / "specs").glob("*.yaml"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    made = json_schema(SpecModels())
    jsonschema.Draft202012Validator.check_schema(made)
    return made


def errors(schema: dict[str, Any], spec: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(spec)]


def test_the_committed_copy_is_current(schema: dict[str, Any]) -> None:
    committed = (ROOT / "awsrun.schema.json").read_text(encoding="utf-8")
    assert json.loads(committed) == schema, "the models changed: awsrun schema -o awsrun.schema.json"


def test_there_are_specs_to_check() -> None:
    assert "batch.yaml" in [path.name for path in SPECS]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_the_specs_we_ship_are_right(schema: dict[str, Any], path: Path) -> None:
    assert errors(schema, yaml.safe_load(path.read_text())) == []
    assert load(path, SpecModels()).stack
    assert "# yaml-language-server: $schema=../awsrun.schema.json" in path.read_text(), "editors find the schema by it"


@pytest.mark.parametrize(
    ("reason", "resource"),
    [
        ("an unknown key", {"kind": "vpc", "cidrr": "10.0.0.0/16"}),
        ("an unknown kind", {"kind": "vcp"}),
        ("a child of a composite cannot be written", {"kind": "vpc.subnet"}),
        ("no kind", {"cidr": "10.0.0.0/16"}),
        ("a missing field", {"kind": "security_group"}),
        ("a reference that is no text", {"kind": "security_group", "vpc": ["network"]}),
    ],
)
def test_editors_see_mistakes(schema: dict[str, Any], reason: str, resource: Any) -> None:
    assert errors(schema, {"stack": "s", "resources": {"thing": resource}}), reason


def test_references_say_what_they_may_name(schema: dict[str, Any]) -> None:
    vpc = schema["$defs"]["security_group"]["properties"]["vpc"]
    assert vpc["description"].endswith("Names a resource of this spec of kind vpc.")
    assert "x-awsrun-kinds" not in json.dumps(schema)


def test_every_field_is_described(schema: dict[str, Any]) -> None:
    bare = [
        f"{name}.{field}"
        for name, definition in schema["$defs"].items()
        for field, inner in definition.get("properties", {}).items()
        if field != "kind" and not inner.get("description")
    ]
    assert bare == []
