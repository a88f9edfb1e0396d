"""Questions from a file: JSON, JSONL or CSV, each with its context."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from store import Question


class Mistake(Exception):
    """What the user can put right: printed without a traceback."""


def questions_of(path: Path) -> list[Question]:
    """The questions of a file.

    Raises:
        Mistake: it cannot be read, or some line of it is no question on a context.
    """
    text = text_of(path)
    try:
        if path.suffix == ".csv":
            csv.field_size_limit(2**31 - 1)
            rows: Any = list(csv.DictReader(text.splitlines(keepends=True)))
        elif path.suffix == ".json":
            rows = json.loads(text)
        else:
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, csv.Error) as error:
        raise Mistake(f"{path} is not what its name says: {error}") from error
    found = []
    for number, one in enumerate(rows if isinstance(rows, list) else [rows], 1):
        if not isinstance(one, Mapping) or not all(isinstance(one.get(name), str) for name in ("question", "context")):
            raise Mistake(f"{path}: entry {number} has no texts question and context: {one!s:.80}")
        found.append(Question(one["question"], one["context"]))
    if not found:
        raise Mistake(f"{path} holds no questions")
    return found


def text_of(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise Mistake(f"cannot read {path}: {error}") from error
