"""Questions and answers as a person reads them, and as programs do."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

FIELDS = (
    "question",
    "context",
    "answer",
    "score",
    "start",
    "end",
    "no_answer",
    "n_best",
    "model",
    "asked_at",
    "answered_at",
)


def row(item: Mapping[str, Any]) -> dict[str, Any]:
    """A question as JSON and CSV have it."""
    found = {name: item[name] for name in FIELDS if name in item}
    for name in ("score", "no_answer"):
        if name in found:
            found[name] = float(found[name])
    for name in ("start", "end"):
        if name in found:
            found[name] = int(found[name])
    if "n_best" in found:
        found["n_best"] = json.loads(found["n_best"])
    return {"id": item["item_id"], **found}


def listed(items: Sequence[Mapping[str, Any]], given: argparse.Namespace) -> None:
    """Print many: a table, or what a program reads."""
    if given.json:
        print(json.dumps([row(item) for item in items], ensure_ascii=False, indent=2))
    elif given.csv:
        writer = csv.DictWriter(sys.stdout, ["id", *FIELDS], restval="")
        writer.writeheader()
        for item in items:
            found = row(item)
            writer.writerow({**found, "n_best": json.dumps(found.get("n_best", []), ensure_ascii=False)})
    elif items:
        wide = max(20, (shutil.get_terminal_size((100, 24)).columns - 10) // 2)
        print(f"{'question':{wide}}  {'answer':{wide}}  score")
        for item in items:
            print(f"{short(item['question'], wide):{wide}}  {short(said(item), wide):{wide}}  {percent(item)}".rstrip())


def show(item: Mapping[str, Any], context: str) -> None:
    """One question with its answer, and what stands around it."""
    start, end = int(item["start"]), int(item["end"])
    around = context
    if len(context) > 700:
        first, last = (max(0, start - 250), end + 250) if start >= 0 else (0, 500)
        around = "… " * (first > 0) + context[first:last] + " …" * (last < len(context))
    wrapped = textwrap.fill(plain(around), 96, initial_indent="context   ", subsequent_indent=" " * 10)
    print(wrapped)
    print(textwrap.fill(plain(item["question"]), 96, initial_indent="question  ", subsequent_indent=" " * 10))
    where = f", characters {start} to {end}" if start >= 0 else ""
    print(f"answer    {plain(said(item))}  (score {percent(item)}{where})")


def said(item: Mapping[str, Any]) -> str:
    if "answered_at" not in item:
        return "not answered yet"
    return str(item["answer"]) or "the text does not say"


def percent(item: Mapping[str, Any]) -> str:
    return f"{float(item['score']):.0%}" if "score" in item else ""


def plain(text: str) -> str:
    """A text without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def short(text: str, wide: int) -> str:
    text = plain(text)
    return text if len(text) <= wide else text[: wide - 1] + "…"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Line:
    """A line that changes, on a terminal; elsewhere a line for each change."""

    def __init__(self) -> None:
        self._terminal, self._shown = sys.stderr.isatty(), ""

    def show(self, text: str) -> None:
        if text != self._shown:
            self._shown = text
            sys.stderr.write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")
            sys.stderr.flush()

    def end(self) -> None:
        if self._terminal:
            sys.stderr.write("\n")
