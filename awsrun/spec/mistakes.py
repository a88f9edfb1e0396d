"""What is wrong with a spec: each mistake with its place, all of them in one error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from awsrun.aws.errors import AwsrunError
from awsrun.spec.references import Trail


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing to mend.  ``line`` counts from 1; ``where`` is the dotted way to the value, empty for the file."""

    line: int
    where: str
    text: str


def dotted(trail: Trail) -> str:
    """``("resources", "compute", "ports", 0)`` as ``resources.compute.ports[0]``."""
    text = ""
    for step in trail:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def near(word: object, known: Iterable[str]) -> str:
    """``; did you mean 'network'?`` where one of ``known`` is close to ``word``, else the choice where it is short."""
    names = sorted(known)
    spelled = {name.lower(): name for name in names}
    close = get_close_matches(str(word).lower(), spelled, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {spelled[close[0]]!r}?"
    return f" (there are: {', '.join(names)})" if 0 < len(names) <= 16 else ""


def refuse(source: str, mistakes: Iterable[Mistake]) -> AwsrunError:
    """The one error that names them all, in the order of the file."""
    found = sorted(set(mistakes))
    count = "a mistake" if len(found) == 1 else f"{len(found)} mistakes"
    lines = (": ".join(part for part in (f"{source}:{m.line}", m.where, m.text) if part) for m in found)
    return AwsrunError(f"{source} has {count}", "\n".join(lines))
