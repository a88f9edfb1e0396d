"""Bayesian search without a driver: each worker asks a study of its own, fed from the runs table, at each claim.

The table is the only truth: a worker that starts late, or again, rebuilds the same study from it.  Finished trials
never change, so each is read once; those under way are known as such, so that workers do not all try the same.  Where
trials are pruned, one that waits at a rung, was stopped there or was let past and is not done yet counts by its value
there, behind those that are done and those that got further.  A run that is after several things has a study of
several, which makes the front better.  The sampler is one of `awsrun.worker.protocol.samplers`, with a seed of its own
for every trial.  Optuna is looked for in the workers' image, then among the run's requirements; nothing else needs it
there.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from awsrun.worker.protocol import goals, space
from awsrun.worker.protocol.records import SHARD, Run, TrialRecord
from awsrun.worker.protocol.rungs import Halving
from awsrun.worker.protocol.samplers import SAMPLERS
from awsrun.worker.protocol.store import RunStore


class Bayes:
    """Chooses the parameters of a run's next trial.  Not safe to use from several threads at once.

    Two workers that ask at the same moment do not see each other: in a small finite space TPE may choose the same.
    """

    def __init__(self, store: RunStore, run: Run) -> None:
        self._store, self._run = store, run
        self._axes: dict[str, list[Any]] = dict(run.space.get("axes") or {})
        self._ranges: Mapping[str, Mapping[str, Any]] = run.space.get("ranges") or {}
        self._sampler = SAMPLERS[run.space["search"]]
        self._optuna: Any = None
        self._distributions: dict[str, Any] = {}
        self._known: dict[int, Any] = {}  # trials as the sampler takes them
        self._failed: dict[int, dict[str, Any]] = {}  # parameters of those that it takes to be bad
        self._closed: set[int] = set()
        self._first = 0  # every trial below is closed
        self._tried: set[str] = set()

    def prepare(self, site: Path) -> dict[str, Any] | None:
        """Import the sampler; why that failed, as a failure's record, or None.

        Args:
            site: where the run's requirements are installed, if it has any.
        """
        sys.path.append(str(site))  # at the end: what the worker has imported, boto3, stays the image's
        if why := self._sampler.missing():
            message = (
                f"a {self._sampler.called} search needs {self._sampler.packages} in the workers' image ({why}); add "
                f"{'it' if len(self._sampler.needs) == 1 else 'them'} to the image's requirements, or to a file given "
                "with --requirements"
            )
            return {"type": "ImportError", "message": message, "traceback": message, "import": True}
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        made = optuna.distributions
        self._optuna = optuna
        # places among the values instead of the values: those may be of any type
        self._distributions = {
            name: made.CategoricalDistribution(range(len(values))) for name, values in self._axes.items()
        } | {
            name: (made.IntDistribution if limits["int"] else made.FloatDistribution)(
                limits["low"], limits["high"], log=limits["log"]
            )
            for name, limits in self._ranges.items()
        }
        return None

    def params(self, n: int) -> dict[str, Any]:
        """The parameters of trial ``n``, by what is known of the others now."""
        self._read(n)
        others = self._being_chosen(n)
        found = self._new(n, others)
        while others:  # it took a while: some may have chosen by now, and by another table than this one
            self._read(n)
            before, others = others, self._being_chosen(n)
            if others == before:
                break
            found = self._new(n, others)
        return self._run.fixed | found

    def _new(self, n: int, others: Sequence[int]) -> dict[str, Any]:
        """Varied parameters that no trial has, as long as there are any; ``others`` choose in this moment, too."""
        study, tried = self._study(self._sampler.pending - len(others)), set(self._tried)
        for m in others:
            tried.add(_key(self._suggested(study, m, tried)))
        return self._suggested(study, n, tried)

    def _being_chosen(self, n: int) -> list[int]:
        """The trials before ``n`` that have no record yet, for a sampler that insists.

        Their workers choose in this moment, by the same seeds and much the same table: what they will choose, this one
        can choose, too.
        """
        if not self._sampler.insists:
            return []
        unknown = [m for m in range(self._first, n) if m not in self._known and m not in self._closed]
        return unknown[-self._sampler.pending :]

    def _suggested(self, study: Any, n: int, tried: Collection[str]) -> dict[str, Any]:
        """Parameters for trial ``n`` that were not tried, as long as there are any."""
        seed = _seed(self._run.seed, n)
        study.sampler = self._sampler.made(self._optuna, seed)
        for _ in range(self._sampler.asks):
            found = self._ask(study)
            if _key(found) not in tried:
                return found
        if not all(at["int"] for at in self._ranges.values()):  # a space without end, and the sampler insists
            return found
        points: dict[str, Sequence[Any]] = {**self._axes} | {
            name: range(at["low"], at["high"] + 1) for name, at in self._ranges.items()
        }
        size, start = math.prod(map(len, points.values())), seed
        for i in range(len(tried) + 1):
            found = space.point(points, (start + i) % size)
            if _key(found) not in tried:
                break
        return found

    def _study(self, most: int) -> Any:
        """A study of the trials that are known, of those under way the newest.

        It is made anew for each question, for only what the table holds counts.
        """
        directions = ["maximize" if mode == "max" else "minimize" for mode in self._run.goals.values()]
        study = self._optuna.create_study(directions=directions)
        told = self._known | self._bad()
        running = self._optuna.trial.TrialState.RUNNING
        under_way = sorted(n for n, trial in told.items() if trial.state == running)
        left_out = set(under_way[: max(len(under_way) - most, 0)])
        study.add_trials([told[n] for n in sorted(told) if n not in left_out])
        return study

    def _bad(self) -> dict[int, Any]:
        """The trials that failed, each as bad as the worst of those that did not; none as long as all did."""
        ended = [t.values for t in self._known.values() if t.state == self._optuna.trial.TrialState.COMPLETE]
        if not ended:
            return {}
        worst = [
            (min if mode == "max" else max)(values[i] for values in ended)
            for i, mode in enumerate(self._run.goals.values())
        ]
        create = self._optuna.trial.create_trial
        return {
            n: create(params=inner, distributions=self._distributions, values=worst)
            for n, inner in self._failed.items()
        }

    def _ask(self, study: Any) -> dict[str, Any]:
        """What the sampler suggests."""
        asked = study.ask(self._distributions)
        if not self._sampler.insists:
            study.tell(asked.number, state=self._optuna.trial.TrialState.FAIL)
        return {
            **{name: values[asked.params[name]] for name, values in self._axes.items()},
            **{name: asked.params[name] for name in self._ranges},
        }

    def _read(self, n: int) -> None:
        """Learn what the table has that is not known yet."""
        last = min(n + self._run.limits.workers, self._run.total - 1)
        for shard in range(self._first // SHARD, last // SHARD + 1):
            for trial in self._store.trials(self._run.run, shard, self._first):
                if trial.n not in self._closed:
                    self._learn(trial)
        while self._first in self._closed:
            self._closed.remove(self._first)
            self._first += 1

    def _learn(self, trial: TrialRecord) -> None:
        """Know a trial as it is now."""
        if trial.settled:
            self._closed.add(trial.n)
        self._known.pop(trial.n, None)
        self._failed.pop(trial.n, None)
        if not trial.params:  # cancelled before it started
            return
        varied = {name: trial.params[name] for name in self._distributions}
        self._tried.add(_key(varied))
        states, found = self._optuna.trial.TrialState, self._outcome(trial)
        inner = varied | {name: values.index(varied[name]) for name, values in self._axes.items()}
        if trial.settled and found["state"] == states.RUNNING:
            if self._sampler.insists:
                self._failed[trial.n] = inner
            return
        self._known[trial.n] = self._optuna.trial.create_trial(params=inner, distributions=self._distributions, **found)

    def _outcome(self, trial: TrialRecord) -> dict[str, Any]:
        """A trial's end as the sampler takes it: its value, or where it stood at its last rung; else it runs."""
        states, limits = self._optuna.trial.TrialState, self._run.limits
        if (values := goals.reached(self._run, trial)) is not None:
            return {"state": states.COMPLETE, "values": values}
        waited = self._run.prunes and trial.state in ("run", "paused", "stopped")
        if waited and trial.value is not None and math.isfinite(trial.value):
            steps = Halving(limits.eta, limits.least).steps(trial.rung - (trial.state == "run"))
            return {"state": states.PRUNED, "intermediate_values": {steps: trial.value}}
        return {"state": states.RUNNING}


def _key(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)


def _seed(seed: int, n: int) -> int:
    digest = hashlib.blake2b(f"{seed}:{n}".encode(), digest_size=4, person=b"awsrun.bayes").digest()
    return int.from_bytes(digest, "big")
