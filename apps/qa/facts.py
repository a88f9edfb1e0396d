"""Small texts of made-up facts with questions on them: what the offline model learns from, and what it is measured by.

A text is about two subjects of one kind (people, companies, towns, ...), a few facts on each, so that mostly there is
another value of the right kind to be mistaken for the answer.  Some questions have no answer in their text.  The
wordings, names and words are in facts.yaml, divided in two by position: what is measured on has none in common with
what was trained on.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

Part = Literal["training", "held out", "new"]
"""``training``; ``held out``: the same relations in other words, with other names; ``new``: other relations as well."""

NEW = frozenset({"dish", "plays in", "death year", "head", "crew", "rose"})
"""The relations that are never trained."""


@dataclass(frozen=True)
class Example:
    """A question on a text.

    Attributes:
        start: of the answer in the context, in characters; -1 if there is none (``answer`` is "" then).
        relation: what is asked for.
    """

    context: str
    question: str
    answer: str
    start: int
    relation: str


@dataclass(frozen=True)
class Relation:
    """One kind of fact: `about` and `answer` are kinds of subjects and of words; `weight`: how often it is asked."""

    name: str
    about: str
    answer: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    weight: int = 1


@dataclass(frozen=True)
class Fact:
    """A statement, and what its slots are filled with."""

    relation: Relation
    statement: str
    filled: Mapping[str, str]
    asked: bool = False


@functools.cache
def material() -> dict[str, Any]:
    """facts.yaml, with the words that are reckoned."""
    found: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    for part in ("names", "subjects", "words"):
        found[part] = {name: [word.strip() for word in text.split(",")] for name, text in found[part].items()}
    for part in ("before", "after", "between"):
        found[part] = [text.strip() for text in found[part].split(";")]
    months = ["January", "March", "April", "June", "August", "October", "November", "December"]
    found["words"] |= {
        "year": [str(year) for year in range(1821, 2023)],
        "month": [f"{day} {month}" for day in (2, 7, 11, 14, 19, 23, 28) for month in months],
        "number": [f"{n:,}" for n in (120, 340, 760, 1500, 2300, 4800, 9100, 12500, 31000, 68000, 152000, 840000)],
        "money": [f"${n}" for n in (12, 30, 45, 80, 150)] + [f"{n} million dollars" for n in (3, 7, 12, 25, 60)],
        "metres": [f"{n} metres" for n in (12, 27, 38, 54, 81, 96, 120, 143, 210, 305, 410, 520)],
        "her": [f"{first} {last}" for first in found["names"]["she"] for last in found["names"]["last"][::5]],
    }
    found["relations"] = [
        Relation(name, **{key: tuple(given) if isinstance(given, list) else given for key, given in each.items()})
        for name, each in found["relations"].items()
    ]
    return found


def examples(count: int, part: Part, seed: int, unanswerable: float = 0.2) -> list[Example]:
    """So many examples of one part, the same for the same seed.

    Args:
        unanswerable: the share of questions that their text does not answer.
    """
    rng = random.Random(f"{part} {seed}")
    return [_Text(rng, part).example(rng.random() < unanswerable) for _ in range(count)]


class _Text:
    """One text in the making: no value is used twice in it."""

    def __init__(self, rng: random.Random, part: Part) -> None:
        self._rng, self._part = rng, part
        self._used: set[str] = set()
        self._all = material()

    def example(self, unanswerable: bool) -> Example:
        """The text with its question."""
        rng = self._rng
        new = self._part == "new"
        asked = rng.choice([r for r in self._all["relations"] if (r.name in NEW) == new for _ in range(r.weight)])
        others = [
            r for r in self._all["relations"] if r.about == asked.about and r != asked and (r.name not in NEW or new)
        ]
        (name, pronoun), (other, its), (nobody, _) = (self._subject(asked.about) for _ in range(3))
        mine = [replace(self._fact(asked, name), asked=True)]
        mine += [self._fact(relation, name) for relation in rng.sample(others, min(rng.randint(0, 2), len(others)))]
        theirs = [self._fact(relation, other) for relation in rng.sample(others, min(rng.randint(0, 1), len(others)))]
        theirs += [self._fact(asked, other)] if rng.random() < 0.6 or not theirs else []
        for facts in (mine, theirs):
            rng.shuffle(facts)
        fact = next(fact for fact in mine if fact.asked)
        question = self._question(fact)
        how = rng.random()
        if unanswerable and how < 0.4 and _inside(name) in question:
            question = question.replace(_inside(name), _inside(nobody))  # of somebody of whom the text says nothing
        elif unanswerable and how < 0.8:
            mine.remove(fact)  # of something that the text does not say
        elif not unanswerable and asked.about == "person" and rng.random() < 0.3:
            question = question.replace(name, name.split()[-1])
        blocks = [self._told(mine, name, pronoun), self._told(theirs, other, its)]
        rng.shuffle(blocks)
        context, start = "", -1
        for sentence, at in (each for block in blocks for each in block):
            context += " " if context else ""
            start = len(context) + at if at >= 0 and not unanswerable else start
            context += sentence
        if unanswerable and how >= 0.8:
            context = self._another()  # of something else altogether
        elif rng.random() < 0.15:
            more = self._another() + " "
            context, start = (
                (more + context, start + len(more) * (start >= 0))
                if rng.random() < 0.5
                else (context + " " + more, start)
            )
        answer = context[start : start + len(fact.filled["a"])] if start >= 0 else ""
        return Example(context, question, answer, start, asked.name)

    def _another(self) -> str:
        return _Text(self._rng, self._part).example(False).context

    def _mine(self, values: Sequence[str], held_out: bool | None = None) -> list[str]:
        """The half that is this part's: every fourth is held out, beginning with the last of the first four."""
        held_out = self._part != "training" if held_out is None else held_out
        return [value for i, value in enumerate(values) if (i % 4 == 3) == held_out]

    def _take(self, values: Sequence[str]) -> str:
        """One of this part's that the text does not have yet; of the other part's where there is none left."""
        left = [value for value in self._mine(values) if value not in self._used]
        found = self._rng.choice(left or [value for value in values if value not in self._used])
        self._used.add(found)
        return found

    def _subject(self, kind: str) -> tuple[str, str]:
        """(name, pronoun)."""
        if kind == "person":
            pronoun = self._rng.choice(["She", "He"])
            names = self._all["names"]
            return f"{self._take(names[pronoun.lower()])} {self._take(names['last'])}", pronoun
        pronoun = self._rng.choice(["He", "She"]) if kind == "family" else "It"
        return self._take(self._all["subjects"][kind]), pronoun

    def _fact(self, relation: Relation, name: str) -> Fact:
        held_out = self._part == "held out"
        wordings = relation.statements if self._part == "new" else self._mine(relation.statements, held_out)
        statement = self._rng.choice(wordings or relation.statements)
        filled = {"s": name, "a": self._take(self._all["words"][relation.answer])}
        for slot in re.findall(r"{(\w+)}", statement):
            if slot not in filled:
                filled[slot] = self._take(self._all["words"][slot.rstrip("2")])
        return Fact(relation, statement, filled)

    def _question(self, fact: Fact) -> str:
        """A question with no other slots than the statement has."""
        every = [q for q in fact.relation.questions if set(re.findall(r"{(\w+)}", q)) <= set(fact.filled)]
        mine = set(self._mine(fact.relation.questions, self._part == "held out"))
        wordings = [q for q in every if self._part == "new" or q in mine]
        return self._rng.choice(wordings or every).format_map({**fact.filled, "s": _inside(fact.filled["s"])})

    def _told(self, facts: Sequence[Fact], name: str, pronoun: str) -> list[tuple[str, int]]:
        """(sentence, where the answer is in it or -1); after the first one mostly with a pronoun."""
        rng, found = self._rng, list[tuple[str, int]]()
        for i, fact in enumerate(facts):
            he = i > 0 and fact.statement.startswith("{s} ") and rng.random() < 0.6
            before = f"{self._take(self._all['before'])}, " if rng.random() < 0.15 else ""
            shown = (pronoun.lower() if before else pronoun) if he else _inside(name) if i or before else name
            statement = fact.statement
            if rng.random() < 0.2:
                statement = statement.removesuffix(".") + f", {self._take(self._all['after'])}."
            if before and not statement.startswith("{"):
                statement = statement[0].lower() + statement[1:]
            filled = {**fact.filled, "s": shown}
            ahead, _, _ = statement.partition("{a}")
            sentence = before + statement.format_map(filled)
            found.append(
                (sentence[0].upper() + sentence[1:], len(before + ahead.format_map(filled)) if fact.asked else -1)
            )
            if rng.random() < 0.1:
                found.append((self._take(self._all["between"]), -1))
        return found


def _inside(name: str) -> str:
    """A name in the middle of a sentence: ``An old fisherman`` is the old fisherman there."""
    article, _, rest = name.partition(" ")
    return f"the {rest}" if article in ("An", "A", "The") and rest in _tales() else name


@functools.cache
def _tales() -> frozenset[str]:
    return frozenset(name.partition(" ")[2] for name in material()["subjects"]["family"])
