"""How many epochs of an MNIST search pruning saves, and what it costs in accuracy.

18 trials of 9 epochs on 2,500 digits (2,000 train, 500 validate), drawn at random, by 4 workers; 10 seeds, each with
other parameters and other weights.  Every trial is trained to its end once; that is the search without pruning.  With
pruning the same searches run again through the workers' own claims, rungs and promotions on a table in memory, an epoch
a unit of time, each epoch with the accuracy that it had: a trial that goes on behind its checkpoint repeats exactly
what it would have done (tests/unit/test_worker_trial.py), so nothing needs to be trained twice.  One torch thread.
"""

from __future__ import annotations

import heapq
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch

from awsrun.worker.job.trial import Trial
from awsrun.worker.protocol import space
from awsrun.worker.protocol.claims import Claims, Identity, Tools
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, Run, Standing
from awsrun.worker.protocol.rungs import Halving
from awsrun.worker.protocol.store import RunStore
from benchmarks.bench import ROOT

TRIALS, EPOCHS, WORKERS, SEEDS = 18, 9, 4, 10
ETAS = (3, 2, 4)  # the default first
SPACE = {
    "search": "random",
    "axes": {"batch_size": [32, 64, 128]},
    "ranges": {
        "lr": {"low": 1e-4, "high": 1.0, "log": True, "int": False},
        "momentum": {"low": 0.0, "high": 0.95, "log": False, "int": False},
    },
    "set": {"epochs": EPOCHS, "data": "sample", "patience": 0},
    "total": TRIALS,
}
Curves = list[list[float]]


class Ear:
    """Hears what a trial reports."""

    def __init__(self) -> None:
        self.accuracies: list[float] = []

    def send(self, message: Mapping[str, Any]) -> None:
        metrics = message.get("metrics")
        if isinstance(metrics, dict):
            self.accuracies.append(float(metrics["val_accuracy"]))

    def stopping(self) -> bool:
        return False

    def told_to_stop(self) -> bool:
        return False


def measure() -> list[dict[str, object]]:
    """A row without pruning, and one per eta."""
    torch.set_num_threads(1)
    searches = [trained(seed) for seed in range(SEEDS)]
    whole = [max(map(max, curves)) for curves in searches]
    rows = [row("none", [TRIALS * EPOCHS] * SEEDS, whole, whole)]
    for eta in ETAS:
        found = [pruned(seed, curves, eta) for seed, curves in enumerate(searches)]
        rows.append(row(f"eta {eta}", [epochs for epochs, _ in found], [best for _, best in found], whole))
    return rows


def row(name: str, epochs: list[int], best: list[float], whole: list[float]) -> dict[str, object]:
    lost = [100 * (theirs - ours) for theirs, ours in zip(whole, best, strict=True)]
    return {
        "pruning": name,
        "epochs": f"{statistics.mean(epochs):.0f} ({min(epochs)} to {max(epochs)})",
        "saved": f"{1 - statistics.mean(epochs) / (TRIALS * EPOCHS):.0%}",
        "best accuracy, %": f"{100 * statistics.mean(best):.2f} ± {100 * error(best):.2f}",
        "lost by it, points": f"{statistics.mean(lost):.2f} ± {error(lost):.2f}",
        "same best": f"{sum(ours == theirs for ours, theirs in zip(best, whole, strict=True))} of {SEEDS}",
    }


def trained(seed: int) -> Curves:
    """Each trial's validation accuracy by epoch."""
    sys.path.insert(0, str(ROOT / "jobs"))
    import mnist

    images, labels = mnist.sample(mnist.CACHE / "sample-5000.pt")
    mnist.digits = lambda data: (images[::2], labels[::2])
    curves = []
    for n in range(TRIALS):
        ear, params = Ear(), space.params(SPACE, seed, n)
        with tempfile.TemporaryDirectory() as folder:
            mnist.train(Trial(n, params, space.trial_seed(seed, n), Path(folder), ear), **params)
        curves.append(ear.accuracies)
    return curves


def pruned(seed: int, curves: Curves, eta: int) -> tuple[int, float]:
    """(epochs trained, the best accuracy of a trial that is done) of the same search with pruning."""
    run = Run("r", "mnist.py", "train", SPACE, TRIALS, seed, "val_accuracy", limits=Limits(eta=eta, lease=math.inf))
    store = RunStore(MemoryTable())
    store.create(run)
    waiting = [(0.0, slot, worker(store, run, slot, curves)) for slot in range(WORKERS)]
    while waiting:
        now, slot, course = heapq.heappop(waiting)
        if (lasts := next(course, None)) is not None:
            heapq.heappush(waiting, (now + lasts, slot, course))
    trials = store.trials("r", 0)
    return sum(trial.step for trial in trials), max(
        t.value for t in trials if t.state == "done" and t.value is not None
    )


def worker(store: RunStore, run: Run, slot: int, curves: Curves) -> Iterator[float]:
    """One worker's life; yields how long it is busy, an epoch being about 1."""
    me, halving, rng = Me(slot, 1000), Halving(run.limits.eta, run.limits.least), Random(slot)
    store.register(run.run, me)
    claims = Claims(store, run, Identity(me), Tools(lambda n: space.params(SPACE, run.seed, n), rng=rng))
    while not claims.ended:
        trial = claims.next() or claims.sweep()
        if trial is None:
            yield 0.5
            continue
        paused = False
        step = halving.steps(trial.rung - 1) if trial.rung else 0
        while step < EPOCHS and not paused:
            yield rng.uniform(0.8, 1.2)
            step += 1
            rung = halving.rung(step)
            if rung is not None and step < EPOCHS:
                paused = not claims.goes_on(Standing(rung, trial.n, trial.attempt, curves[trial.n][step - 1]))
        if paused:
            record = replace(trial, state="paused", rung=rung or 0, value=curves[trial.n][step - 1], step=step)
        else:
            record = replace(trial, state="done", value=max(curves[trial.n]), step=step)
        claims.settled(record, store.settle(run.run, record))


def error(values: list[float]) -> float:
    """The standard error of the mean."""
    return statistics.stdev(values) / math.sqrt(len(values))
