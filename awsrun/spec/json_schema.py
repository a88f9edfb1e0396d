"""The JSON schema of specs, made from the models: completion and checks in editors, without running anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from awsrun.spec.references import KINDS_KEY, ResourceSpec
from awsrun.spec.stack import RESOURCE_NAME, STACK_NAME, JobsSpec
from awsrun.spec.variables import NAME, REFERENCE, VariableSpec

VARIABLE = "$variable"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(kinds: Mapping[str, type[ResourceSpec]]) -> dict[str, Any]:
    """A JSON schema (draft 2020-12) that accepts the specs whose resources are of ``kinds``.

    A resource is told by its ``kind``.  References are strings whose description says which kinds they may name;
    whether that resource is there, only `load` can say.
    """
    definitions: dict[str, Any] = {}
    models: dict[str, type[BaseModel]] = {**kinds, "jobs": JobsSpec}
    for kind, model in sorted(models.items()):
        schema = model.model_json_schema(ref_template=f"#/$defs/{kind}:{{model}}")
        nested = schema.pop("$defs", {})
        definitions |= {f"{kind}:{name}": tidy(inner) for name, inner in nested.items()}
        definitions[kind] = tidy(schema)
    definitions = {name: _variable(definition) for name, definition in definitions.items()}
    for kind in kinds:
        definitions[kind]["properties"]["kind"] = {"const": kind}
    chosen = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": {"$ref": f"#/$defs/{kind}"}}
        for kind in kinds
    ]
    summaries = [_first_line(definitions[kind].get("description", "")) for kind in kinds]
    resource = {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"description": "What it is.", "enum": list(kinds), "enumDescriptions": summaries}},
        "allOf": chosen,
    }
    return {
        "$schema": DIALECT,
        "title": "awsrun spec",
        "description": "AWS resources of one stack; `awsrun apply` makes AWS look like it.",
        "type": "object",
        "required": ["stack", "resources"],
        "additionalProperties": False,
        "properties": {
            "stack": {
                "description": "Physical names start with it.",
                "type": "string",
                "anyOf": [{"pattern": STACK_NAME}, {"pattern": REFERENCE}],
            },
            "variables": {
                "description": "Values that may be others from apply to apply: $name stands for one, as a whole value.",
                "type": "object",
                "propertyNames": {"pattern": NAME},
                "additionalProperties": {
                    "anyOf": [
                        {"type": ["string", "number", "boolean", "array", "null"]},
                        tidy(VariableSpec.model_json_schema()),
                    ]
                },
            },
            "protect": {
                "description": "No resource of the stack is replaced or deleted for as long as this says so.",
                "anyOf": [{"type": "boolean"}, {"$ref": f"#/$defs/{VARIABLE}"}],
            },
            "resources": {
                "description": "Logical name: what the resource is.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": RESOURCE_NAME},
                "additionalProperties": resource,
            },
            "jobs": _optional(definitions.pop("jobs")),
        },
        "$defs": definitions | {VARIABLE: {"type": "string", "pattern": REFERENCE}},
    }


def _variable(schema: Any) -> Any:
    """The same, with a variable wherever a value may stand; a text of any form is one already."""
    if isinstance(schema, list):
        return [_variable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _variable(value) for key, value in schema.items()}
    for key in ("properties", "patternProperties"):
        if key in found:
            found[key] = {name: _or_variable(inner) for name, inner in found[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _or_variable(found[key])
    return found


def _or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in schema.items() if key in ("description", "default")}
    form = {key: value for key, value in schema.items() if key not in said}
    if form == {"type": "string"}:
        return schema
    choices = [*form["anyOf"]] if form.keys() == {"anyOf"} else [form]
    return {**said, "anyOf": [*choices, {"$ref": f"#/$defs/{VARIABLE}"}]}


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    """The jobs section: each of its fields is inferred where the spec leaves no choice."""
    return {key: value for key, value in schema.items() if key != "required"}


def tidy(schema: Any) -> Any:
    """Without pydantic's titles, and with what references may name said in their descriptions."""
    if isinstance(schema, list):
        return [tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            found[key] = {name: _described(inner) for name, inner in value.items()}
        elif key != "title" and key != KINDS_KEY:
            found[key] = tidy(value)
    return found


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = list(dict.fromkeys(_named_kinds(schema)))
    said = str(schema.get("description", ""))
    names = f"Names a resource of this spec of kind {' or '.join(kinds)}." if kinds else ""
    described: dict[str, Any] = tidy({**schema, "description": f"{said} {names}".strip()})
    if not described["description"]:
        described.pop("description")
    return described


def _named_kinds(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [kind for item in schema for kind in _named_kinds(item)]
    if not isinstance(schema, dict):
        return []
    inner = [kind for key, value in schema.items() if key != "properties" for kind in _named_kinds(value)]
    return [*schema.get(KINDS_KEY, ()), *inner]


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
