"""Reference pages in Markdown, one for each kind, made from the JSON schema: what a spec may say, and what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from awsrun.spec.json_schema import VARIABLE, json_schema
from awsrun.spec.references import ResourceSpec

INDEX = "README.md"
_PLAIN = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_SHOWN = 8  # values of a choice
_EVERYWHERE = ("kind", "name", "protect")  # said once, in the index


def pages(kinds: Mapping[str, type[ResourceSpec]], fixed: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """File name -> text.

    Args:
        fixed: of each kind, what AWS cannot change in place, in AWS's terms.
    """
    schema = json_schema(kinds)
    found = {f"{kind}.md": _page(kind, model, schema["$defs"], fixed[kind]) for kind, model in kinds.items()}
    return {INDEX: _index(kinds, schema["$defs"]), **found}


def _index(kinds: Mapping[str, type[ResourceSpec]], definitions: Mapping[str, Any]) -> str:
    common = definitions[next(iter(kinds))]["properties"]
    lines = [
        "# Kinds",
        "",
        "What a spec may say of each kind of resource. A resource is a key under `resources:` whose value has a",
        "`kind:`; other resources refer to it by that key. Every kind takes these, too:",
        "",
        *(f"- `{name}`: {common[name]['description']}" for name in _EVERYWHERE if name != "kind"),
        "",
        "| kind | what it is |",
        "| --- | --- |",
        *(f"| [{kind}]({kind}.md) | {_first(definitions[kind])} |" for kind in kinds),
    ]
    return "\n".join(lines) + "\n"


def _page(kind: str, model: type[ResourceSpec], definitions: Mapping[str, Any], fixed: Sequence[str]) -> str:
    schema = definitions[kind]
    parts = [name for name in definitions if name.startswith(f"{kind}:") and definitions[name].get("properties")]
    lines = [f"# {kind}", "", _linked(schema["description"].strip()), ""]
    lines += _table(kind, {k: v for k, v in schema["properties"].items() if k not in _EVERYWHERE}, schema)
    for part in parts:
        said = definitions[part].get("description", "").strip()
        lines += ["", f"## {part.partition(':')[2]}", "", *([_linked(said), ""] if said else [])]
        lines += _table(kind, definitions[part]["properties"], definitions[part])
    lines += ["", "Others may ask it for " + ", ".join(f"`{one}`" for one in sorted(model.outputs)) + "."]
    if fixed:
        lines += ["", "Another " + ", ".join(f"`{one}`" for one in fixed) + " means another resource, as AWS has it."]
    return "\n".join([*lines, "", f"[All kinds]({INDEX})"]) + "\n"


def _table(kind: str, fields: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    if not fields:
        yield "It takes no fields of its own."
        return
    yield from ("| field | what it takes | unless given | what it means |", "| --- | --- | --- | --- |")
    needed = schema.get("required", ())
    for name, field in fields.items():
        default = field.get("default")
        unless = "**needed**" if name in needed else "" if default in (None, [], {}) else f"`{json.dumps(default)}`"
        said = _linked(field.get("description", "")).replace("|", "\\|").replace("\n", " ")
        yield f"| `{name}` | {_form(kind, field)} | {unless} | {said} |"


def _form(kind: str, schema: Mapping[str, Any]) -> str:
    """What a value has to be, in a few words."""
    if "anyOf" in schema:
        forms = [_form(kind, one) for one in schema["anyOf"] if one.get("$ref") != f"#/$defs/{VARIABLE}"]
        return " or ".join(dict.fromkeys(form for form in forms if form))
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition(":")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        values = schema.get("enum") or [schema["const"]]
        return ", ".join(f"`{one}`" for one in values[:_SHOWN]) + (" ..." if len(values) > _SHOWN else "")
    if schema.get("type") == "array":
        return f"list of {_form(kind, schema.get('items', {})) or 'values'}"
    if schema.get("type") == "object":
        inside = schema.get("additionalProperties")
        return f"map of {_form(kind, inside)}" if isinstance(inside, Mapping) else "map"
    return _PLAIN.get(str(schema.get("type")), "") + _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is None and high is None:
        return ""
    return f", at most {high}" if low is None else f", {low} or more" if high is None else f", {low} to {high}"


def _linked(text: str) -> str:
    """``Names a resource of this spec of kind a or b`` with links to the pages of a and b."""

    def link(match: re.Match[str]) -> str:
        kinds = match[1].split(" or ")
        return "A reference to " + " or ".join(f"[{kind}]({kind}.md)" for kind in kinds)

    return re.sub(r"Names a resource of this spec of kind ((?:[a-z0-9_.]*[a-z0-9_](?: or )?)+)", link, text)


def _first(schema: Mapping[str, Any]) -> str:
    """The first sentence of a description."""
    text = " ".join(str(schema["description"]).split())
    return text.partition(". ")[0].rstrip(".")
