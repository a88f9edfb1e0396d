"""One parameter of a job: its type as the signature states it, and the check of values against it."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field
from typing import Any

from awsrun.aws.errors import AwsrunError

ANY = "any"  # neither annotated nor with a telling default: taken as written
_SCALARS = ("int", "float", "bool", "str")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOTHING = ("none", "null")


@dataclass(frozen=True)
class Parameter:
    """A parameter of the entry function.

    Attributes:
        type: ``int``, ``float``, ``bool``, ``str``, ``literal``, ``any``, or the source of an annotation that cannot be
            set from outside.
        choices: the values of a ``Literal``.
        optional: None is allowed.
        default: the default, where it is a literal; None else.
        required: there is no default at all.
    """

    name: str
    type: str
    choices: tuple[Any, ...] = ()
    optional: bool = False
    default: Any = field(default=None, compare=False)
    required: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.described}"

    @property
    def described(self) -> str:
        """The type as a user would write it."""
        shown = " or ".join(map(repr, self.choices)) if self.type == "literal" else self.type
        return f"{shown} or none" if self.optional else shown

    @property
    def numeric(self) -> bool:
        """Whether a range of it makes sense."""
        return self.type in ("int", "float", ANY)

    def parse(self, text: str) -> Any:
        """The value that ``text`` from a command line or a CSV cell stands for.

        Raises:
            AwsrunError: it is no value of this type.
        """
        if self.optional and text.lower() in _NOTHING:
            return None
        try:
            return self.check(_from_text(self, text))
        except ValueError:
            raise self._wrong(text) from None

    def check(self, value: Any) -> Any:
        """``value`` (from Python or JSON) as this type; a whole number is fine for a float, nothing else is bent.

        Raises:
            AwsrunError: it is no value of this type.
        """
        if isinstance(value, float) and not math.isfinite(value):
            raise AwsrunError(f"{self.name}: {value} is not a finite number")
        match self.type:
            case _ if value is None and (self.optional or self.type == ANY):
                return None
            case "float" if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
            case "int" if isinstance(value, int) and not isinstance(value, bool):
                return value
            case "bool" if isinstance(value, bool):
                return value
            case "str" if isinstance(value, str):
                return value
            case "literal" if any(value == choice and type(value) is type(choice) for choice in self.choices):
                return value
            case "any" if isinstance(value, int | float | str | list | dict):
                return value
        raise self._wrong(value)

    def _wrong(self, value: Any) -> AwsrunError:
        if self.type in (*_SCALARS, "literal", ANY):
            article = "an" if self.described[0] in "aeiou" else "a"
            kind = f"one of {self.described}" if self.type == "literal" else f"{article} {self.described}"
            hint = "write true or false" if self.type == "bool" else ""
            if self.numeric and isinstance(value, str) and ".." in value:
                hint = f"a range is --range {self.name}={value} with --trials N; a value is one number"
            return AwsrunError(f"{self.name}={value}: {value!r} is not {kind}", hint=hint)
        supported = "int, float, bool, str, Literal[...] and Optional[...] can"
        return AwsrunError(f"{self.name}: a parameter of type {self.type} cannot be set", supported)


def annotated(arg: ast.arg, default: ast.expr | None) -> Parameter:
    """The parameter that ``arg`` declares; without an annotation the default's type counts."""
    known, value = _literal(default)
    kind, choices, optional = ANY, (), known and value is None
    if arg.annotation is not None:
        kind, choices, optional = _type(arg.annotation)
    elif known and type(value).__name__ in _SCALARS:
        kind = type(value).__name__
    return Parameter(arg.arg, kind, choices, optional, default=value, required=default is None)


def _type(node: ast.expr) -> tuple[str, tuple[Any, ...], bool]:
    """(type, choices, optional) of an annotation."""
    match node:
        case ast.Constant(value=str(quoted)):
            return _type(ast.parse(quoted, mode="eval").body)
        case ast.Name(id=name) if name in _SCALARS:
            return name, (), False
        case ast.Name(id="Any") | ast.Attribute(attr="Any"):
            return ANY, (), False
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return (*_type(left)[:2], True)
        case ast.BinOp(left=ast.Constant(value=None), op=ast.BitOr(), right=right):
            return (*_type(right)[:2], True)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inside):
            if name == "Optional":
                return (*_type(inside)[:2], True)
            known, choices = _literal(inside)
            if name == "Literal" and known:
                return "literal", choices if isinstance(choices, tuple) else (choices,), False
    return ast.unparse(node), (), False


def _literal(default: ast.expr | None) -> tuple[bool, Any]:
    try:
        return (True, ast.literal_eval(default)) if default is not None else (False, None)
    except ValueError:
        return False, None  # an expression: only the job itself knows its value


def _from_text(parameter: Parameter, text: str) -> Any:
    match parameter.type:
        case "int":
            return int(text)
        case "float":
            return float(text)
        case "bool":
            if text.lower() not in _WORDS:
                raise ValueError(text)
            return _WORDS[text.lower()]
        case "literal":
            return next((choice for choice in parameter.choices if str(choice) == text), text)
        case "any":
            return _guess(text)
    return text


def _guess(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
