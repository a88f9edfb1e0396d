"""Which parameters made the difference: Optuna's functional ANOVA over a run's trials.

A random forest is fitted to the trials; a parameter's importance is the share of the forest's variance over the search
space that it explains alone (Hutter et al., ICML 2014; `optuna.importance.FanovaImportanceEvaluator`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.style import INK, MUTED, figure, finish, name_of
from awsrun.worker.protocol.records import TrialRecord
from awsrun.worker.protocol.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST = 4
MOST = 1000
"""Trials that the forest is fitted to; of more, so many are taken at even distances."""


def importance(run: Run, trials: Sequence[TrialRecord]) -> dict[str, float]:
    """Parameter -> share of the metric's variance, the most important first; the shares add up to 1.

    Empty where it cannot be told: fewer than two parameters that vary, all values alike.

    Raises:
        AwsrunError: the run has no metric, or fewer than `FEWEST` trials are done.
    """
    if not run.metric:
        raise AwsrunError(f"{run.job} names no metric", "nothing can matter to it")
    done = [t for t in trials if t.state == "done" and t.value is not None and math.isfinite(t.value)]
    if len(done) < FEWEST:
        why = f"{len(done)} of at least {FEWEST} trials are done"
        raise AwsrunError(f"what matters in {run.run} cannot be told yet", why, f"awsrun show {run.run}")
    if len(done) > MOST:
        done = [done[i * len(done) // MOST] for i in range(MOST)]
    kinds = _distributions(run, done)
    if len(kinds) < 2 or len({trial.value for trial in done}) < 2:
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if run.mode == "max" else "minimize")
    made = optuna.trial.create_trial
    for trial in done:
        params = {name: _plain(trial.params[name]) for name in kinds}
        study.add_trial(made(params=params, distributions=dict(kinds), value=trial.value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=run.seed % 2**32)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def draw(run: Run, trials: Sequence[TrialRecord]) -> Figure:
    """The shares as bars.

    Raises:
        AwsrunError: it cannot be told.
    """
    shares = importance(run, trials)
    if not shares:
        why = "it takes two parameters that vary, and trials that differ in the metric"
        raise AwsrunError(f"what matters in {run.run} cannot be told", why)
    names = list(shares)[::-1]
    fig = figure(6.8, 1.9 + 0.45 * len(names))
    ax = fig.subplots()
    bars = ax.barh([name_of(name) for name in names], [100 * shares[name] for name in names], color=INK, height=0.62)
    ax.bar_label(bars, [f"{100 * shares[name]:.0f} %" for name in names], padding=4, color="#20303a", fontsize=10)
    ax.set_xlim(0, 112 * max(shares.values()))
    ax.set_xlabel(f"share of the variance of {name_of(run.metric)} that it explains alone (%)", color=MUTED)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return finish(fig, run, f"what matters to {name_of(run.metric)}", len(trials))


def _distributions(run: Run, done: Sequence[TrialRecord]) -> Mapping[str, Any]:
    """Of the parameters that took more than one value: where their values come from."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    ranges: Mapping[str, Mapping[str, Any]] = run.space.get("ranges") or {}
    for name in [*(run.space.get("axes") or {}), *ranges]:
        values = list(dict.fromkeys(_plain(trial.params.get(name)) for trial in done))
        if len(values) < 2:
            continue
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) < len(values):
            found[name] = CategoricalDistribution(values)
            continue
        low, high = min(numbers), max(numbers)
        log = bool(ranges[name].get("log")) if name in ranges else low > 0 and high / low >= 20
        if all(isinstance(value, int) for value in numbers):
            found[name] = IntDistribution(int(low), int(high), log=log)
        else:
            found[name] = FloatDistribution(float(low), float(high), log=log)
    return found


def _plain(value: Any) -> Any:
    """What Optuna takes as a value: a list or a mapping as its text."""
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
