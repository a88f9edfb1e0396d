"""Somebody who types what a page of the documentation shows, and compares what comes with what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.documents import ROOT, Block

BIN = Path(sys.executable).parent
HAS = ("apps", "examples", "jobs", "specs")  # what of the repository a reader has before them
LEFT_OUT = "..."
# `plan` and `drift` say by 2 that there are changes, which is no failure; a dry run is how a page shows a long one.
AWSRUN = f"""#!/bin/sh
if [ "$1" = submit ] && [ -n "${{DRY:-}}" ]; then set -- "$@" --dry-run; fi
"{BIN}/awsrun" "$@" || {{ code=$?; case "$1 $code" in "plan 2" | "drift 2") ;; *) exit $code ;; esac; }}
"""
# What differs from run to run, or from machine to machine: what is left of an error, times, shares, ids, the ends of
# runs' names, dates.
VARIES = (
    r"\d\.\d+e-\d+",
    r"\d+(?:\.\d+)? (?:ms|s|%|a second)(?!\w)",
    r"\b(?:ami|eni|i|igw|key|rtb|sg|subnet|vpc|vpce)-[0-9a-f]{4,}\b",
    r"-\d{4}-\d{4}-[a-z0-9]{3}\b",
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\+00:00)?)?",
)


@dataclass
class Typist:
    """Types blocks in a folder of its own, in which the files of `HAS` are.

    Attributes:
        env: the whole environment of what is typed.
        said: what the last block printed, errors included.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    said: str = ""

    def __post_init__(self) -> None:
        for name in HAS:
            if not (self.folder / name).exists():
                shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        tools = self.folder / ".bin"
        tools.mkdir(exist_ok=True)
        (tools / "awsrun").write_text(AWSRUN)
        (tools / "awsrun").chmod(0o755)
        self.env = {**self.env, "PATH": f"{tools}:{BIN}:{self.env['PATH']}", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}

    def type(self, blocks: Iterable[Block]) -> str:
        """All that these print.

        Raises:
            AssertionError: a command fails that the page does not show failing, or something else is printed.
        """
        return "".join(self._block(block) for block in blocks)

    def _block(self, block: Block) -> str:
        if block.file and not (ROOT / block.file).is_file():
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
            return ""
        if block.mode == "no-run" or block.language in ("yaml", "json"):
            return ""
        if block.language == "text":
            differs = difference(block.text, self.said, everything=False)
            assert not differs, f"{block.place}: {differs}"
            return ""
        self.said = {"sh": self._sh, "console": self._console, "python": self._python}[block.language](block)
        return self.said

    def _sh(self, block: Block) -> str:
        code, said = self._run(["sh", "-eu", "-c", block.text], {"DRY": "1"} if block.mode == "dry-run" else {})
        assert code == 0, f"{block.place}: exit code {code}\n{block.text}\n{said}"
        return said

    def _python(self, block: Block) -> str:
        code, said = self._run([sys.executable, "-c", block.text], {})
        assert code == 0, f"{block.place}: exit code {code}\n{said}"
        return said

    def _console(self, block: Block) -> str:
        told = ""
        for command, shown in typed(block.text):
            code, said = self._run(["sh", "-eu", "-c", command], {})
            fails = any(line.startswith("awsrun: ") for line in shown.splitlines())
            assert (code != 0) == fails, f"{block.place}: {command}: exit code {code}\n{said}"
            differs = difference(shown, said, everything=True)
            assert not differs, f"{block.place}: {command}: {differs}"
            told += said
        return told

    def _run(self, command: list[str], more: dict[str, str]) -> tuple[int, str]:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
        )
        return done.returncode, done.stdout


def typed(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, with what is shown under it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *shown = re.split(r"(?<!\\)\n", part, maxsplit=1)
        yield command, "".join(shown)


def difference(shown: str, said: str, *, everything: bool) -> str:
    """Where what was ``said`` is not what is ``shown``; empty where it is.

    Args:
        everything: no more may be said than is shown.
    """
    wanted = [line.rstrip() for line in shown.splitlines()]
    has = [line.rstrip() for line in said.splitlines()]
    if not any(line.startswith("context: ") for line in wanted):
        has = [line for line in has if not line.startswith("context: ")]
    lines = [] if everything else [LEFT_OUT]
    lines += wanted if everything else [*wanted, LEFT_OUT]
    text = "".join(f"{line}\n" for line in has)
    if re.fullmatch("".join(map(_pattern, lines)), text):
        return ""
    for count in range(len(lines) + 1):
        if not re.match("".join(map(_pattern, lines[:count])), text):
            return f"{lines[count - 1]!r} is not in\n{said}"
    return f"more is said than is shown:\n{said}"


def _pattern(line: str) -> str:
    """The regular expression of a line that is shown."""
    if line == LEFT_OUT:
        return r"(?:.*\n)*?"
    pattern, end = "", 0
    for found in re.finditer("|".join(f"({one})" for one in (*VARIES, "…")), line):
        pattern += _literal(line[end : found.start()])
        pattern += [*VARIES, ".*"][(found.lastindex or 1) - 1]
        end = found.end()
    return f"{pattern}{_literal(line[end:])}\n"


def _literal(text: str) -> str:
    return r" +".join(map(re.escape, re.split(r" +", text)))
