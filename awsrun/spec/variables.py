"""Variables of a spec: named values with types, given on the command line, in the environment, or by default.

A reference, ``$name``, is a whole value (``cidr: $cidr``) and takes the variable's type with it; there is nothing
inside texts to work out, so that a spec needs no templating language.  ``$$name`` is the text ``$name``.  No braces: in
YAML they begin a mapping wherever a resource is written on one line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from awsrun.aws.errors import AwsrunError
from awsrun.spec.document import Document, scalars
from awsrun.spec.mistakes import near
from awsrun.spec.references import Trail
from awsrun.spec.sentences import complain, shown

SECTION = "variables"
ENVIRONMENT = "AWSRUN_VAR_"  # and the variable's name
NAME = r"^[a-z][a-z0-9_]{0,39}$"
REFERENCE = r"^\$[a-z][a-z0-9_]{0,39}$"

Type = Literal["text", "integer", "number", "boolean", "list"]
Value = str | int | float | bool | list[Any]
_WANTED: Mapping[str, str] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
}
_WHOLE = re.compile(r"(\$?)\$([A-Za-z_][A-Za-z0-9_]*|\{[^{}]*\})")
_INSIDE = re.compile(r"(\$?)\$([a-z][a-z0-9_]*)")


class VariableSpec(BaseModel):
    """A value that may be another one from apply to apply."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: Value | None = Field(default=None, description="Its value unless one is given; without, one must be.")
    type: Type | None = Field(default=None, description="What it is: that of its default, or text, unless said.")
    choices: list[str | int | float | bool] | None = Field(
        default=None, min_length=1, description="The only values that it may have."
    )
    help: str = Field(default="", description="What it is for, as somebody reads who left it out.")

    @property
    def kind(self) -> Type:
        """Its type: as written, else that of its default or of its first choice."""
        sample = self.default if self.default is not None else (self.choices or [""])[0]
        return self.type or _type_of(sample)


@dataclass(frozen=True)
class Given:
    """Values for variables, as texts.

    Attributes:
        options: those of ``--var``; each must be a variable of the spec.
        environment: all of the environment; ``AWSRUN_VAR_cidr`` is the variable ``cidr``.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bound:
    """A variable and its value.  ``source``: where the value is from, as errors say it."""

    value: Value
    source: str


def bind(document: Document, given: Given) -> dict[str, Bound]:
    """The variables of ``document`` with their values; what is wrong with them is noted in its mistakes.

    Raises:
        AwsrunError: some have no value; all of these are named.
    """
    declared = _declared(document)
    bound: dict[str, Bound] = {}
    missing: dict[str, VariableSpec] = {}
    for name, spec in declared.items():
        found = _value(document, name, spec, given)
        if found is not None:
            bound[name] = found
        elif spec.default is None:
            missing[name] = spec
    for name in given.options.keys() - declared.keys():
        written = document.data.get(SECTION)
        if not (isinstance(written, Mapping) and name in written):
            document.mistake((SECTION,), f"--var {name}: no variable of that name{near(name, declared)}")
    if missing and not document.mistakes:
        raise _without_values(document.source, missing)
    return bound


def substitute(document: Document, bound: Mapping[str, Bound]) -> None:
    """Put values in the place of references, everywhere but among the variables themselves."""
    declared = document.data.get(SECTION)
    names = declared if isinstance(declared, Mapping) else {}
    for key, value in document.data.items():
        if key != SECTION:
            document.data[key] = _Substitution(document, bound, names).of(value, (key,))


def _declared(document: Document) -> dict[str, VariableSpec]:
    written = document.data.get(SECTION)
    if written is None:
        return {}
    if not isinstance(written, Mapping):
        document.mistake((SECTION,), "must be lines such as `cidr: 10.0.0.0/16`")
        return {}
    found = {}
    for name, data in written.items():
        trail, whole = (SECTION, name), data if isinstance(data, Mapping) else {"default": data}
        if not re.match(NAME, name):
            rule = "a variable's name is lower-case letters, digits and _, a letter first, 40 at most"
            document.mistake(trail, f"{name!r} will not do: {rule}")
            continue
        try:
            spec = VariableSpec.model_validate(whole, strict=True)
        except ValidationError as error:
            complain(document, trail, VariableSpec, whole, error)
            continue
        if not (amiss := _amiss(spec)):
            found[name] = spec
        for where, text in amiss:
            document.mistake((*trail, where), text)
    return found


def _amiss(spec: VariableSpec) -> list[tuple[str, str]]:
    """What does not go together in a variable: the field, and what is wrong with it."""
    found = [
        ("choices", f"must be {_WANTED[spec.kind]}; one is {shown(choice)}")
        for choice in spec.choices or ()
        if not _is(choice, spec.kind)
    ]
    if spec.default is not None and not _is(spec.default, spec.kind):
        found.append(("default", f"must be {_WANTED[spec.kind]}; this is {shown(spec.default)}"))
    elif spec.default is not None and (text := _unchosen(spec, spec.default)):
        found.append(("default", text))
    return found


def _value(document: Document, name: str, spec: VariableSpec, given: Given) -> Bound | None:
    """Its value, from the first source that has one; None where none has, or where that is a mistake."""
    for texts, key, source in (
        (given.options, name, "--var"),
        (given.environment, ENVIRONMENT + name, ENVIRONMENT + name),
    ):
        if key in texts:
            try:
                value = _read(texts[key], spec.kind)
            except ValueError:
                text = f"{source} must be {_WANTED[spec.kind]}; this is {texts[key]!r}"
            else:
                text = _unchosen(spec, value)
                if not text:
                    return Bound(value, source)
                text = f"{source}: {text}"
            document.mistake((SECTION, name), text)
            return None
    return None if spec.default is None else Bound(spec.default, "its default")


def _unchosen(spec: VariableSpec, value: Value) -> str:
    if spec.choices is None or value in spec.choices:
        return ""
    return f"{shown(value)} is not one of its choices: {', '.join(map(str, spec.choices))}"


def _read(text: str, type: Type) -> Value:
    """A text as a value of ``type``: lists as ``a,b`` or ``[a, b]``.

    Raises:
        ValueError: it is none.
    """
    if type == "text":
        return text
    try:
        value = scalars(f"[{text}]" if type == "list" and not text.lstrip().startswith("[") else text)
    except yaml.YAMLError as error:
        raise ValueError(text) from error
    if not _is(value, type):
        raise ValueError(text)
    found: Value = value
    return found


def _is(value: Any, type: Type) -> bool:
    return _type_of(value) == type or (type == "number" and _type_of(value) == "integer")


def _type_of(value: Any) -> Type:
    types: Mapping[Any, Type] = {str: "text", bool: "boolean", int: "integer", float: "number", list: "list"}
    return types.get(type(value), "text")


def _without_values(source: str, missing: Mapping[str, VariableSpec]) -> AwsrunError:
    some = "a value for the variable" if len(missing) == 1 else "values for the variables"
    lines = [f"  {name}: {_described(spec)}" for name, spec in missing.items()]
    example = next(iter(missing))
    options = " ".join(f"--var {name}=..." for name in missing)
    hint = f"add {options} (or set {ENVIRONMENT}{example}=... in the environment)"
    return AwsrunError(f"{source} needs {some} {', '.join(missing)}", "\n".join(lines), hint)


def _described(spec: VariableSpec) -> str:
    choices = f"one of {', '.join(map(str, spec.choices))}" if spec.choices else _WANTED[spec.kind]
    return f"{choices}{f'; {spec.help}' if spec.help else ''}"


@dataclass(frozen=True)
class _Substitution:
    document: Document
    bound: Mapping[str, Bound]
    names: Mapping[str, Any]

    def of(self, value: Any, trail: Trail) -> Any:
        if isinstance(value, dict):
            return {key: self.of(inner, (*trail, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.of(inner, (*trail, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or "\n" in value:  # scripts have a `${...}` of their own
            return value
        if whole := _WHOLE.fullmatch(value):
            return self._whole(value, whole[1], whole[2], trail)
        for escape, name in _INSIDE.findall(value):
            if name in self.names and not escape:
                text = f"${name} is a whole value or none: give the variable the whole text"
                self._unknown(trail, f"{text} (no variable meant? write $${name})")
        return _INSIDE.sub(lambda found: f"${found[2]}" if found[2] in self.names else found[0], value)

    def _whole(self, value: str, escape: str, name: str, trail: Trail) -> Any:
        bare = name.strip("{}").strip()
        if escape:
            return value[1:]
        if name in self.bound:
            found = self.bound[name]
            self.document.origins[trail] = f"variable {name!r}, from {found.source}"
            return list(found.value) if isinstance(found.value, list) else found.value
        if name in self.names:  # what is wrong with it is said where it stands
            self.document.unknown.add(trail)
        elif bare in self.names:
            self._unknown(trail, f"a variable is named without braces: ${bare}")
        elif re.match(NAME, name) or name.lower() in self.names:  # else it is one of a shell: $HOME
            known = near(name, self.names) if self.names else " (there is no `variables:` section)"
            self._unknown(trail, f"no variable named {name!r}{known} (just text? write $${name})")
        return value

    def _unknown(self, trail: Trail, text: str) -> None:
        self.document.mistake(trail, text)
        self.document.unknown.add(trail)
