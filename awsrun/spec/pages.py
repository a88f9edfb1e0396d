"""Reference pages in Markdown, one for each kind, made from the models: an example, what it costs, what a spec may say.

Nothing of a page is written by hand: fields come from the JSON schema, references from the models' marks, and what a
kind itself knows (price, time, rights) comes as an `About`.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from awsrun.spec.json_schema import VARIABLE, json_schema
from awsrun.spec.references import DURATION, ResourceSpec, marks

INDEX = "README.md"
_PLAIN = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_VALUE = "value, output (`NAME.OUTPUT`) or [Text](#text)"
_DURATION = "duration (`90s`, `1h30m`)"
_SHOWN = 8  # values of a choice
_EVERYWHERE = ("kind", "name", "protect")  # said once, in the index
_NAMES = re.compile(r" ?Names a resource of this spec of kind ((?:[a-z0-9_.]*[a-z0-9_](?: or )?)+)\.")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True)
class About:
    """What a page says of a kind beside its fields.

    Attributes:
        price: of the last resource of the kind's example, in words.
        usual: seconds that AWS usually takes to make one.
        fixed: what AWS cannot change in place, in AWS's terms.
        grants: kind of access -> the actions of IAM that it allows on one.
        holds_data: it is deleted only when it is empty, or with ``purge``.
        anew: what another value of what is fixed makes.
    """

    price: str
    usual: float
    fixed: Sequence[str] = ()
    grants: Mapping[str, Sequence[str]] = field(default_factory=dict)
    holds_data: bool = False
    anew: str = "another resource"


def pages(kinds: Mapping[str, type[ResourceSpec]], about: Mapping[str, About], source: str) -> dict[str, str]:
    """File name -> text.

    Args:
        source: where the prices come from, for people.
    """
    definitions = json_schema(kinds)["$defs"]
    found = {f"{kind}.md": _page(kind, kinds, definitions, about[kind]) for kind in kinds}
    return {INDEX: _index(kinds, definitions, about, source), **found}


def example(model: type[ResourceSpec]) -> str:
    """The resources of a model's example, in YAML."""
    return textwrap.dedent(model.example).strip() + "\n"


def _index(
    kinds: Mapping[str, type[ResourceSpec]], definitions: Mapping[str, Any], about: Mapping[str, About], source: str
) -> str:
    common = definitions[next(iter(kinds))]["properties"]
    rows = (f"| [{kind}]({kind}.md) | {_first(definitions[kind])} | {about[kind].price} |" for kind in kinds)
    lines = [
        "# Kinds",
        "",
        "What a spec may say of each kind of resource. A resource is a key under `resources:` whose value has a",
        "`kind:`; other resources refer to it by that key. Where a field takes a kind, it takes such a key. Every kind",
        "takes these, too:",
        "",
        *(f"- `{name}`: {common[name]['description']}" for name in _EVERYWHERE if name != "kind"),
        "",
        f"Prices are those of each page's example, by {source};",
        "`awsrun plan` has those of your spec and region.",
        "",
        "| kind | what it is | what it costs |",
        "| --- | --- | --- |",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _page(kind: str, kinds: Mapping[str, type[ResourceSpec]], definitions: Mapping[str, Any], about: About) -> str:
    schema = definitions[kind]
    parts = [name for name in definitions if name.startswith(f"{kind}:") and definitions[name].get("properties")]
    lines = [f"# {kind}", "", schema["description"].strip(), "", "```yaml", example(kinds[kind]).rstrip(), "```", ""]
    lines += [f"- {fact}" for fact in _facts(kind, kinds, about)]
    lines += ["", "## Fields", "", *_table(kind, _own(schema), schema)]
    for part in parts:
        said = definitions[part].get("description", "").strip()
        lines += ["", f"## {part.partition(':')[2]}", "", *([said, ""] if said else [])]
        lines += _table(kind, definitions[part]["properties"], definitions[part])
    return "\n".join([*lines, "", f"[All kinds]({INDEX})"]) + "\n"


def _facts(kind: str, kinds: Mapping[str, type[ResourceSpec]], about: About) -> Iterator[str]:
    """What there is to know before it is made."""
    fields = {name: info.alias or name for name, info in kinds[kind].model_fields.items()}
    name = _last(example(kinds[kind]))
    yield f"**Costs** {about.price}."
    yield f"**Takes** AWS usually {lasting(about.usual)} to make, and about as long to delete."
    outputs = ", ".join(f"`{name}.{one}`" for one in sorted(kinds[kind].outputs))
    yield f"**Puts out** {outputs}, for fields of others that take outputs; `awsrun outputs STACK` prints them."
    if named := _named(kind, kinds):
        yield f"**Named by** {named}."
    for access, actions in about.grants.items():
        who = [one for one, model in kinds.items() if (access, kind) in _granted(model)]
        yield f"**Right on it** `{access}` of {_links(who)}: {', '.join(f'`{action}`' for action in actions)}."
    if about.holds_data:
        yield "**Holds data**: it is deleted only when empty, or with `purge: true`, or with `--purge`."
    if about.fixed:
        yield f"**Cannot change in place**: {_fixed(about.fixed, fields)}. Another value makes {about.anew}."


def _fixed(fixed: Iterable[str], fields: Mapping[str, str]) -> str:
    """Fields of the spec, where they are called alike, then the rest."""
    mine = {one: one if one in fields else one.removesuffix("_id") for one in fixed}
    own = ", ".join(f"`{fields[name]}`" for name in mine.values() if name in fields)
    rest = ", ".join(f"`{one}`" for one, name in mine.items() if name not in fields)
    return "; ".join([*([own] if own else []), *([f"what plans call {rest}"] if rest else [])])


def _named(kind: str, kinds: Mapping[str, type[ResourceSpec]]) -> str:
    """The fields that may name a resource of ``kind``, rights on it aside, each with whose they are."""
    found: dict[str, list[str]] = {}
    for other, model in kinds.items():
        for name in dict.fromkeys(name for name, mark in marks(model) if mark.edge and kind in mark.kinds):
            found.setdefault(name, []).append(other)
    return ", ".join(f"`{name}` of {_links(whose)}" for name, whose in sorted(found.items()))


def _granted(model: type[ResourceSpec]) -> set[tuple[str, str]]:
    """The rights that a model gives: field and kind."""
    return {(name, kind) for name, mark in marks(model) if not mark.edge for kind in mark.kinds}


def _links(kinds: Iterable[str]) -> str:
    links = [f"[{kind}]({kind}.md)" for kind in kinds]
    return links[0] if len(links) == 1 else f"{', '.join(links[:-1])} and {links[-1]}"


def _own(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: field for name, field in schema["properties"].items() if name not in _EVERYWHERE}


def _table(kind: str, fields: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    if not fields:
        yield "It takes no fields of its own."
        return
    yield from ("| field | what it takes | unless given | what it means |", "| --- | --- | --- | --- |")
    needed = schema.get("required", ())
    for name, one in fields.items():
        unless = "**needed**" if name in needed else _default(one)
        named = _NAMES.search(one.get("description", ""))
        form = _form(kind, one)
        if named:
            refs = " or ".join(f"[{one}]({one}.md)" for one in named[1].split(" or "))
            form = form.replace("text", refs, 1)
        said = _NAMES.sub("", one.get("description", "")).replace("|", "\\|").replace("\n", " ")
        yield f"| `{name}` | {form} | {unless} | {said} |"


def _default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    if default in (None, [], {}):
        return ""
    return f"`{written(default) if _is_duration(field) else json.dumps(default)}`"


def _form(kind: str, schema: Mapping[str, Any]) -> str:
    """What a value has to be, in a few words."""
    if _is_duration(schema):
        return _DURATION
    if "anyOf" in schema:
        choices = [one for one in schema["anyOf"] if one.get("$ref") != f"#/$defs/{VARIABLE}"]
        if any(str(one.get("$ref", "")).endswith(":Text") for one in choices):
            return _VALUE
        forms = list(dict.fromkeys(form for one in choices if (form := _form(kind, one))))
        return " or ".join(one for one in forms if not (one == "whole number" and "number" in forms))
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
        return f"map to {_form(kind, inside)}" if isinstance(inside, Mapping) else "map"
    return _PLAIN.get(str(schema.get("type")), "") + _range(schema)


def _is_duration(schema: Mapping[str, Any]) -> bool:
    inner: Sequence[Mapping[str, Any]] = schema.get("anyOf", ())
    return bool(schema.get("pattern") == DURATION) or any(_is_duration(one) for one in inner)


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is None and high is None:
        return ""
    return f", at most {high}" if low is None else f", {low} or more" if high is None else f", {low} to {high}"


def written(seconds: int) -> str:
    """A number of seconds as a spec says it: ``4d``, ``30s``."""
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0 and (seconds or unit == "s"))
    return f"{seconds // _UNITS[unit]}{unit}"


def lasting(seconds: float) -> str:
    """``15 s``, ``2 min``."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:g} min"


def _last(resources: str) -> str:
    """The key of the last of these resources."""
    return str(re.findall(r"^([\w-]+):", resources, re.MULTILINE)[-1])


def _first(schema: Mapping[str, Any]) -> str:
    """The first sentence of a description."""
    text = " ".join(str(schema["description"]).split())
    return text.partition(". ")[0].rstrip(".")
