"""The code blocks of the documentation's pages, and what is asked of each.

A fence says what its block is, and why it cannot run where it cannot:

    ```sh                  commands, typed as they stand, in the order of the page (`tests.typist`)
    ```sh dry-run: WHY     the same, but that `awsrun submit` only says what it would do
    ```sh no-run: WHY      commands that are only read: awsrun has them, with these options
    ```console             commands after a $, each with all that it prints; ``...`` stands for lines, ``…`` for a part
    ```text                lines that the block before prints
    ```yaml                a spec, or resources of one, which may name those of the parts before; or an experiment
    ```python              a program that runs
    ```json                a document

Any but ``yaml`` and ``json`` may have ``no-run: WHY``.  A block whose first line is ``# FILE`` is that file: it is
written for the blocks after it, or, where the repository has one of that name, is what stands in it.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import yaml
from markdown_it import MarkdownIt

import awsrun
from awsrun.cli.main import cli
from awsrun.jobs.submit.experiment_file import load
from awsrun.resources.models import SpecModels
from awsrun.spec.load import parse
from awsrun.spec.variables import Given

ROOT = Path(__file__).parents[1]
LANGUAGES = ("sh", "console", "text", "yaml", "python", "json")
READ_ONLY = ("yaml", "json")  # what runs nowhere anyhow
_INFO = re.compile(r"(\w+)(?: (no-run|dry-run): (\S.*))?")
_FILE = re.compile(r"# ([\w./-]+\.\w+)\n")


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        place: ``README.md:12``.
        heading: the one that it stands under.
        mode: ``run``, ``dry-run`` or ``no-run``.
    """

    place: str
    heading: str
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def mode(self) -> str:
        found = _INFO.fullmatch(self.info)
        return (found[2] if found else None) or "run"

    @property
    def file(self) -> str:
        """The file that it is; empty for none."""
        found = _FILE.match(self.text)
        return found[1] if found else ""

    def mistake(self) -> str:
        """What is wrong with its mark; empty for nothing."""
        found = _INFO.fullmatch(self.info)
        if found is None or found[1] not in LANGUAGES:
            return f"a fence says one of {', '.join(LANGUAGES)}, then no-run: WHY where it has to: {self.info!r}"
        if found[2] and (found[1] in READ_ONLY or (found[2] == "dry-run" and found[1] != "sh")):
            return f"{found[1]} takes no {found[2]}"
        return ""


@dataclass(frozen=True)
class Page:
    """A page of the documentation, by its path from the repository's top."""

    path: str

    @cached_property
    def text(self) -> str:
        return (ROOT / self.path).read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        return list(blocks(self.text, self.path))

    def under(self, *headings: str) -> list[Block]:
        """The blocks under any of these headings, each of which has one."""
        assert set(headings) <= {block.heading for block in self.blocks}, headings
        return [block for block in self.blocks if block.heading in headings]

    def links(self) -> Iterator[str]:
        """Where its links and pictures lead, those to other sites left out."""
        for token in MarkdownIt("commonmark").enable("table").parse(self.text):
            for inner in token.children or ():
                target = inner.attrGet("href") or inner.attrGet("src")
                if target and not re.match(r"[a-z]+:", str(target)):
                    yield str(target)

    @cached_property
    def anchors(self) -> set[str]:
        """What a link may name after #, as GitHub makes it of headings."""
        found = re.findall(r"^#+ (.+)$", self.text, re.MULTILINE)
        return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def pages() -> list[Page]:
    """All there are."""
    found = sorted(path for path in (ROOT / "docs").rglob("*.md"))
    return [Page("README.md"), *(Page(path.relative_to(ROOT).as_posix()) for path in found)]


def blocks(text: str, path: str) -> Iterator[Block]:
    """The code blocks of a Markdown text, those that are only indented as well."""
    heading, tokens = "", MarkdownIt("commonmark").parse(text)
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[number + 1].content
        if token.type in ("fence", "code_block"):
            line = token.map[0] + 1 if token.map else 0
            yield Block(f"{path}:{line}", heading, token.info, token.content)


def check(page: Page, folder: Path) -> None:
    """Read every block of a page.

    Args:
        folder: has the files that specs of the page name.

    Raises:
        AssertionError: one is not what its mark says.
    """
    resources: dict[str, Any] = {}
    for block in page.blocks:
        assert not block.mistake(), f"{block.place}: {block.mistake()}"
        try:
            if block.file:
                _same(block)
            if block.language == "yaml":
                resources |= _loaded(block.text, resources, folder)
            elif block.language == "json":
                json.loads(block.text)
            elif block.language == "python":
                _names(block.text)
            elif block.language in ("sh", "console"):
                for words in commands(block):
                    known(words)
        except Exception as error:
            raise AssertionError(f"{block.place}: {error}") from error


def commands(block: Block) -> Iterator[list[str]]:
    """The calls of awsrun in a block of sh or console, each as its words."""
    lines = block.text.replace("\\\n", " ").splitlines()
    typed = [line.removeprefix("$ ") for line in lines if block.language == "sh" or line.startswith("$ ")]
    for line in typed:
        for call in re.findall(r"(?:^|\$\(|&& )(?:\w+=\S+ )*(awsrun [^|;&>)]*)", line.strip()):
            yield shlex.split(call, comments=True)[1:]


def known(words: list[str]) -> None:
    """Let click read a command line, without its command being called.

    Raises:
        ValueError: it has no such command, option or value.
    """
    command: click.Command = cli
    context, name = click.Context(cli, info_name="awsrun"), None
    try:
        while isinstance(command, click.Group):
            if words and words[0] in ("--help", "--version"):
                return
            name, found, words = command.resolve_command(context, words)
            assert found is not None
            command = found
        command.make_context(name, list(words), parent=context)
    except click.UsageError as error:
        of_a_file = isinstance(error, click.BadParameter) and error.param and isinstance(error.param.type, click.Path)
        if not of_a_file or isinstance(error, click.MissingParameter):  # files of the page are not there yet
            raise ValueError(error.format_message()) from error


def _same(block: Block) -> None:
    """It is what the file has, where the repository has one of that name."""
    if (ROOT / block.file).is_file():
        there = (ROOT / block.file).read_text(encoding="utf-8")
        assert block.text.partition("\n")[2] in there, f"it is not what {block.file} has"


def _loaded(text: str, before: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The resources that a block adds to those ``before`` it; of a whole spec, none."""
    document = yaml.safe_load(text)
    if "job" in document:
        named = _FILE.match(text)
        assert named and (ROOT / named[1]).is_file(), "an experiment is a file of this repository, and says which"
        load(ROOT / named[1])
        return {}
    whole = "stack" in document
    resources = document.get("resources", document)
    if not whole:
        text = yaml.safe_dump({"stack": "part", "resources": {**before, **resources}})
    variables = {name: said for name, said in document.get("variables", {}).items() if isinstance(said, dict)}
    needed = {name: str(said["choices"][0]) for name, said in variables.items() if "default" not in said}
    parse(text, str(folder / "block.yaml"), SpecModels(), Given(needed))
    return {} if whole else dict(resources)


def _names(text: str) -> None:
    """It compiles, and awsrun has what it takes from it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "awsrun":
            assert node.attr in awsrun.__all__, f"there is no awsrun.{node.attr}"
