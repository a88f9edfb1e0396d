"""YAML with line numbers: plain data, and where each value of it stands.

Plain scalars follow YAML 1.2: ``yes``, ``2012-10-17`` and ``22:22`` are text, as they look.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from awsrun.spec.mistakes import Mistake, dotted
from awsrun.spec.references import Trail

MOST_VALUES = 100_000  # aliases of aliases can stand for more than any machine holds


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (typed so by PyYAML)


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


@dataclass
class Document:
    """One YAML document.

    Attributes:
        source: the file's name, as errors show it.
        data: plain dicts, lists and scalars; duplicates and the like left out.
        lines: trail -> line, counted from 1: of the key in a mapping, of the item in a list.
        mistakes: what could not be read.
        origins: trail -> where a value is from that does not stand there itself.
        unknown: the trails of values that are not known, of which nothing more needs to be said.
    """

    source: str
    data: Any = None
    lines: dict[Trail, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    origins: dict[Trail, str] = field(default_factory=dict)
    unknown: set[Trail] = field(default_factory=set)

    def mistake(self, trail: Trail, text: str) -> None:
        """Note a mistake at the nearest value that stands in the file."""
        around = [trail[:length] for length in range(len(trail), 0, -1)]
        if not self.unknown.isdisjoint(around):
            return
        origin = next((self.origins[one] for one in around if one in self.origins), "")
        self.mistakes.append(Mistake(self.line(trail), dotted(trail), f"{text} ({origin})" if origin else text))

    def line(self, trail: Trail) -> int:
        """The line of the value at ``trail``, or of the nearest one around it."""
        while trail and trail not in self.lines:
            trail = trail[:-1]
        return self.lines.get(trail, 1)


class _Dumper(yaml.SafeDumper):
    """Puts in quotes whatever this reader, or one of YAML 1.1, would not take for text."""


for _first, _resolvers in _Loader.yaml_implicit_resolvers.items():
    for _tag, _form in _resolvers:
        _Dumper.add_implicit_resolver(_tag, _form, [_first])


def read(text: str, source: str, start: str = "a spec starts with `stack: NAME`") -> Document:
    """The document in ``text``; what is wrong with it is noted in its mistakes, not raised.

    Args:
        start: what an empty file should begin with.
    """
    document = Document(source)
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            document.mistake((), f"the file is empty: {start}")
        else:
            document.data = _Builder(loader, document).value(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line if mark else 0
        braces = any("${" in one for one in text.splitlines()[line : line + 1])
        said = "not YAML: a variable is named without braces: $name" if braces else _plain(error)
        document.mistakes.append(Mistake(line + 1, "", said))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.mistakes.append(Mistake(line, "", f"character {error.character!r} is not allowed in YAML"))
    return document


def scalars(text: str) -> Any:
    """A value by itself, such as ``3`` or ``[a, b]``, read as it would be in a spec.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return yaml.load(text, _Loader)


def written(data: Any) -> str:
    """Plain data as YAML that `read` reads back the same; the innermost lists and mappings on one line."""
    stream = io.StringIO()
    dumper = _Dumper(stream, default_flow_style=None, allow_unicode=True, width=120, sort_keys=False)
    dumper.open()
    node = dumper.represent_data(data)
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = False
    dumper.serialize(node)
    dumper.close()
    return stream.getvalue()


class _Builder:
    """Turns nodes into data, noting lines."""

    def __init__(self, loader: _Loader, document: Document) -> None:
        self.loader, self.document = loader, document
        self.open: set[int] = set()
        self.count = 0

    def value(self, node: yaml.Node, trail: Trail) -> Any:
        self.document.lines.setdefault(trail, node.start_mark.line + 1)
        self.count += 1
        if id(node) in self.open or self.count > MOST_VALUES:
            text = "this alias contains itself" if id(node) in self.open else "too many values"
            raise yaml.composer.ComposerError(None, None, text, node.start_mark)
        self.open.add(id(node))
        try:
            if node.tag == _Loader.DEFAULT_MAPPING_TAG and isinstance(node, yaml.MappingNode):
                return self.mapping(node, trail)
            if node.tag == _Loader.DEFAULT_SEQUENCE_TAG and isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*trail, index)) for index, item in enumerate(node.value)]
            if not isinstance(node, yaml.ScalarNode):
                raise yaml.composer.ComposerError(None, None, f"unknown tag {node.tag}", node.start_mark)
            return self.loader.construct_object(node)
        finally:
            self.open.discard(id(node))

    def mapping(self, node: yaml.MappingNode, trail: Trail) -> Mapping[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.document.mistakes.append(Mistake(line, dotted(trail), "a key must be a word"))
                continue
            key = str(key_node.value)
            place = (*trail, key)
            if key in data:
                first = self.document.lines[place]
                text = f"written twice: first on line {first}"
                self.document.mistakes.append(Mistake(line, dotted(place), text))
                continue
            self.document.lines[place] = line
            data[key] = self.value(value_node, place)
        return data


def _plain(error: yaml.MarkedYAMLError) -> str:
    problem = (error.problem or "not YAML").replace("could not determine a constructor for the tag", "unknown tag")
    if "\\t" in problem:
        return "a tab: YAML is indented with spaces"
    if problem == "mapping values are not allowed here":
        return "not YAML: a second ': ' in one line (put the text in quotes, or start a new line)"
    context = f" {error.context}" if error.context else ""
    return f"not YAML: {problem}{context}"
