"""What a search without a driver finds, by TPE and by a Gaussian process, beside Optuna's own and chance.

The best of 40 trials by 4 workers at a time, the mean over 20 seeds with its standard error; less is better.  awsrun's
workers each have a study of their own, rebuilt from the runs table (in memory here), and every third trial is chosen by
a worker that has just started; Optuna's is one study, asked and told.  Both have the same trials under way at each
moment: a trial takes between 0.5 and 1.5 units of time, the same for both.  "apart" is what awsrun's mean lies above
Optuna's, in standard errors of the difference.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna

from awsrun.worker.protocol import space
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, Run, TrialRecord
from awsrun.worker.protocol.samplers import SAMPLERS
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.search import Bayes

TRIALS, WORKERS, SEEDS = 40, 4, 20
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Function:
    """A function to make small, and the space that is searched."""

    name: str
    loss: Callable[[Params], float]
    ranges: Mapping[str, Mapping[str, Any]]
    axes: Mapping[str, list[Any]]

    def space(self, search: str) -> dict[str, Any]:
        return {"search": search, "axes": dict(self.axes), "ranges": dict(self.ranges), "set": {}, "total": TRIALS}


def between(low: float, high: float, log: bool = False, whole: bool = False) -> dict[str, Any]:
    return {"low": low, "high": high, "log": log, "int": whole}


def branin(p: Params) -> float:
    """Least: 0.398."""
    x, y = p["x"], p["y"]
    curve = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return float(curve**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


def hartmann(p: Params) -> float:
    """Hartmann's function of six variables; least: -3.322 (Dixon and Szegö, 1978)."""
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    at = [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
    total = 0.0
    for weight, scales, places in zip((1.0, 1.2, 3.0, 3.2), a, at, strict=True):
        total += weight * math.exp(
            -sum(s * (p[f"x{i}"] - c / 1e4) ** 2 for i, (s, c) in enumerate(zip(scales, places, strict=True)))
        )
    return -total


def training(p: Params) -> float:
    """As the validation error of a small network is: log learning rate, whole layers, a choice; least: 0.02."""
    rate = (math.log10(p["lr"]) + 2.5) ** 2
    depth = 0.05 * (p["layers"] - 4) ** 2
    waste = {"adam": 0.0, "sgd": 0.3, "rmsprop": 0.1}[p["optimizer"]]
    return 0.02 + 0.1 * rate + depth + waste + 0.2 * abs(p["dropout"] - 0.3) * rate


FUNCTIONS = (
    Function("Branin, 2 floats", branin, {"x": between(-5.0, 10.0), "y": between(0.0, 15.0)}, {}),
    Function("Hartmann, 6 floats", hartmann, {f"x{i}": between(0.0, 1.0) for i in range(6)}, {}),
    Function(
        "training, mixed",
        training,
        {
            "lr": between(1e-5, 1.0, log=True),
            "layers": between(1, 12, whole=True),
            "dropout": between(0.0, 0.7),
        },
        {"optimizer": ["sgd", "adam", "rmsprop"]},
    ),
)


def measure() -> list[dict[str, object]]:
    """A row per function."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return [_row(function) for function in FUNCTIONS]


def _row(function: Function) -> dict[str, object]:
    row: dict[str, object] = {"function": function.name}
    for search, called in (("bayes", "TPE"), ("gp", "GP")):
        ours = [with_awsrun(function, seed, search) for seed in range(SEEDS)]
        theirs = [with_optuna(function, seed, search) for seed in range(SEEDS)]
        row |= {f"{called}, awsrun": _shown(ours), f"{called}, Optuna": _shown(theirs)}
        row[f"{called}, apart"] = f"{_apart(ours, theirs):+.1f}"
    return row | {"random": _shown([drawn(function, seed) for seed in range(SEEDS)])}


def with_awsrun(function: Function, seed: int, search: str) -> float:
    """The best of a run whose workers have nothing but the table in common."""
    wanted = function.space(search)
    run = Run("r", "job.py", "f", wanted, TRIALS, seed, "y", "min", limits=Limits(workers=WORKERS))
    store = RunStore(MemoryTable())
    store.create(run)
    workers = [_worker(store, run) for _ in range(WORKERS)]
    values: list[float] = []

    def ask(n: int, slot: int) -> TrialRecord:
        if n % 3 == 2:
            workers[slot] = _worker(store, run)
        trial = store.claim("r", n, Me(slot, 1000), workers[slot].params(n))
        assert trial is not None
        return trial

    def tell(trial: TrialRecord) -> None:
        values.append(function.loss(trial.params))
        store.settle("r", replace(trial, state="done", value=values[-1]))

    in_parallel(seed, ask, tell)
    return min(values)


def with_optuna(function: Function, seed: int, search: str) -> float:
    """The best of one study that sees everything, with one sampler that lives as long."""
    study = optuna.create_study(sampler=SAMPLERS[search].made(optuna, seed))
    made = optuna.distributions
    asked: dict[str, Any] = {name: made.CategoricalDistribution(values) for name, values in function.axes.items()}
    for name, at in function.ranges.items():
        kind = made.IntDistribution if at["int"] else made.FloatDistribution
        asked[name] = kind(at["low"], at["high"], log=at["log"])
    in_parallel(seed, lambda n, slot: study.ask(asked), lambda trial: study.tell(trial, function.loss(trial.params)))
    return float(study.best_value)


def drawn(function: Function, seed: int) -> float:
    """The best of a random search."""
    return min(function.loss(space.params(function.space("random"), seed, n)) for n in range(TRIALS))


def in_parallel(seed: int, ask: Callable[[int, int], Any], tell: Callable[[Any], object]) -> None:
    """Ask and tell in the order in which so many workers would."""
    rng = random.Random(seed)
    lasts = [rng.uniform(0.5, 1.5) for _ in range(TRIALS)]
    free = [(0.0, slot) for slot in range(WORKERS)]
    under_way: dict[int, Any] = {}
    for n in range(TRIALS):
        now, slot = heapq.heappop(free)
        if slot in under_way:
            tell(under_way.pop(slot))
        under_way[slot] = ask(n, slot)
        heapq.heappush(free, (now + lasts[n], slot))
    for _, slot in sorted(free):
        tell(under_way.pop(slot))


def _worker(store: RunStore, run: Run) -> Bayes:
    made = Bayes(store, run)
    error = made.prepare(Path(tempfile.gettempdir()))
    assert error is None, error
    return made


def _shown(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {_error(values):.3f}"


def _apart(ours: list[float], theirs: list[float]) -> float:
    return (statistics.mean(ours) - statistics.mean(theirs)) / math.hypot(_error(ours), _error(theirs))


def _error(values: list[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))
