"""What differs between runs: parameters, code, results, time and cost."""

from __future__ import annotations

import difflib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from awsrun.jobs.reading.costs import Costs
from awsrun.jobs.reading.status import Status
from awsrun.jobs.style import scale_of, short
from awsrun.jobs.submit.pack import PROJECT
from awsrun.jobs.views.notebook import table
from awsrun.jobs.workers import image
from awsrun.worker.protocol.runs import Run

_SHOWN = 6  # values of a grid
_MOST = 200_000  # bytes of a file that is compared line by line


@dataclass(frozen=True)
class Side:
    """One of the runs that are compared.

    Attributes:
        seconds: from the submit until its end, or until now.
        parameters: name -> where its values come from, in words.
        settings: what else was submitted: job, metric, search, seed, code, versions ...
    """

    run: str
    status: Status
    mode: str
    seconds: float
    costs: Costs
    parameters: Mapping[str, str]
    settings: Mapping[str, str]

    @property
    def cost_per_trial(self) -> float | None:
        """The total over the trials that have ended."""
        ended = sum(n for state, n in self.status.counts.items() if state in ("done", "failed", "cancelled", "stopped"))
        return None if self.costs.total is None or not ended else self.costs.total / ended

    def record(self) -> dict[str, Any]:
        best = self.status.best
        return {
            "run": self.run,
            "state": self.status.state,
            "trials": self.status.total,
            "done": self.status.done,
            "failed": self.status.failed,
            "best": best and {"n": best.n, "value": best.value, "params": best.params},
            "seconds": round(self.seconds, 3),
            "trial_seconds": self.status.seconds,
            "lost_seconds": self.status.lost,
            "cost": self.costs.total,
            "cost_per_trial": self.cost_per_trial,
            "parameters": dict(self.parameters),
            "settings": dict(self.settings),
        }


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side.

    Attributes:
        parameters: the names of those that differ; ``settings``: of what else differs.
        same: what is the same in all: name -> value.
        winner: the place of the run with the best value, None where metrics differ or nothing is done.
    """

    sides: Sequence[Side]
    parameters: Sequence[str] = ()
    settings: Sequence[str] = ()
    same: Mapping[str, str] = field(default_factory=dict)
    winner: int | None = None

    def _repr_html_(self) -> str:
        rows: list[tuple[str, list[str]]] = []
        rows += [(name, [side.parameters.get(name, "–") for side in self.sides]) for name in self.parameters]
        rows.append(("state", [side.status.state for side in self.sides]))
        rows.append(("best", [_best(side.status) for side in self.sides]))
        rows.append(("cost", ["" if side.costs.total is None else f"${side.costs.total:.2f}" for side in self.sides]))
        rows.append(("duration (s)", [f"{side.seconds:,.0f}" for side in self.sides]))
        rows.append(("trial time (s)", [f"{side.status.seconds:,.0f}" for side in self.sides]))
        rows += [(name, [side.settings.get(name, "") for side in self.sides]) for name in self.settings]
        return table(["", *(side.run for side in self.sides)], ([name, *cells] for name, cells in rows))

    def record(self) -> dict[str, Any]:
        """As ``compare --json`` prints it."""
        return {
            "runs": [side.record() for side in self.sides],
            "differ": {"parameters": list(self.parameters), "settings": list(self.settings)},
            "same": dict(self.same),
            "best": None if self.winner is None else self.sides[self.winner].run,
        }


def _best(status: Status) -> str:
    best = status.best
    return f"{scale_of(status.metric, [best.value]).text(best.value)}, trial {best.n}" if best else ""


def side(run: Run, status: Status, costs: Costs, now: float) -> Side:
    """A run as one side of a comparison; ``now`` in seconds since the epoch."""
    submitted = datetime.fromisoformat(run.submitted_at).timestamp() if run.submitted_at else now
    end = run.ended_ms / 1000 if run.ended_ms else now
    return Side(run.run, status, run.mode, max(0.0, end - submitted), costs, _parameters(run), _settings(run))


def compare(sides: Sequence[Side]) -> Comparison:
    """What differs between the sides, and what does not."""
    names = list(dict.fromkeys(name for one in sides for name in one.parameters))
    more = list(dict.fromkeys(name for one in sides for name in one.settings))
    parameters = [name for name in names if len({one.parameters.get(name) for one in sides}) > 1]
    settings = [name for name in more if len({one.settings.get(name) for one in sides}) > 1]
    same = {name: sides[0].parameters[name] for name in names if name not in parameters}
    same |= {name: sides[0].settings[name] for name in more if name not in settings and sides[0].settings[name]}
    return Comparison(sides, parameters, settings, same, _winner(sides))


def code_changes(old: bytes, new: bytes, names: tuple[str, str]) -> str:
    """A unified diff of two code archives, their projects alone; files that are no text are only named.

    Args:
        names: of the runs, for the headings.
    """
    before, after = _project(old), _project(new)
    parts: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        heading = (f"{names[0]}/{name}" if one is not None else "/dev/null", f"{names[1]}/{name}")
        heading = heading if other is not None else (heading[0], "/dev/null")
        lines, others = _lines(one), _lines(other)
        if lines is None or others is None:
            parts.append(f"--- {heading[0]}\n+++ {heading[1]}\nno text, or too long: {name} differs\n")
            continue
        parts += [line.rstrip("\n") + "\n" for line in difflib.unified_diff(lines, others, *heading)]
    return "".join(parts)


def _parameters(run: Run) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, values in (run.space.get("axes") or {}).items():
        shown = ", ".join(short(value) for value in values[:_SHOWN])
        found[name] = shown + (f" … ({len(values):,} values)" if len(values) > _SHOWN else "")
    for name, wanted in (run.space.get("ranges") or {}).items():
        found[name] = f"{short(wanted['low'])} to {short(wanted['high'])}" + (", log" if wanted.get("log") else "")
    return found | {name: short(value) for name, value in run.fixed.items()}


def _settings(run: Run) -> dict[str, str]:
    known = run.provenance
    dirty = list(known.get("dirty") or ())
    commit = str(known.get("commit") or "")[:10]
    changed = f" and {len(dirty)} changed file{'s' * (len(dirty) > 1)}" if dirty else ""
    limits = run.limits
    found = {
        "job": run.job,
        "metric": ", ".join(f"{name} ({mode})" for name, mode in run.goals.items()),
        "search": str(run.space.get("search", "")),
        "pruning": f"one in {limits.eta} goes on, from report {limits.least} on" if run.prunes else "",
        "seed": str(run.seed),
        "workers": str(limits.workers),
        "retries": str(limits.retries),
        "timeout": f"{limits.timeout:g} s" if limits.timeout else "",
        "commit": (commit + changed) if commit else "",
        "changed files": ", ".join(dirty[:5]) + (" …" if len(dirty) > 5 else ""),
        "code": run.code_hash[:10],
        "requirements": run.requirements,
        "job definition": str(run.engine.get("definition", "")).rsplit("/", 1)[-1],
        "image": image.told(run, short=True) if image.of_run(run).used else "",
        "user": str(known.get("user") or ""),
        "python": str(known.get("python") or ""),
        "awsrun": str(known.get("awsrun") or ""),
        "command": str(known.get("command") or ""),
    }
    return found


def _winner(sides: Sequence[Side]) -> int | None:
    values = [(i, one.status.best.value) for i, one in enumerate(sides) if one.status.best]
    if not values or len({(one.status.metric, one.mode) for one in sides}) > 1:
        return None
    pick = max if sides[0].mode == "max" else min
    return pick(values, key=lambda pair: pair[1])[0]


def _project(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        named = (name for name in packed.namelist() if name.startswith(PROJECT))
        return {name.removeprefix(PROJECT): packed.read(name) for name in named}


def _lines(content: bytes | None) -> list[str] | None:
    """None for what is no text, or too long to compare."""
    if content is None:
        return []
    try:
        return content.decode().splitlines(keepends=True) if len(content) <= _MOST else None
    except UnicodeDecodeError:
        return None
