"""The samplers of Optuna that a search asks: what each needs of the workers' image, and where it is of no use.

``bayes`` is TPE (Bergstra et al., 2011), ``gp`` a Gaussian process with expected improvement, both with Optuna's
defaults.  Only samplers that may be made anew for each question are here: TPE keeps nothing between two, the Gaussian
process no more than the place where its next fit starts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Sampler:
    """One of Optuna's.

    Attributes:
        called: how the search is called where users read of it.
        make: (Optuna, seed) -> the sampler.
        needs: the modules it imports, Optuna first.
        least: the first major version of Optuna that it is right with.
        trials: how many a search may have.
        lag: seconds of a core that it takes to choose one after so many trials.
        metrics: how many a search may be after.
        pending: how many trials under way it is told of, the newest; the memory to choose one grows with them.
        asks: how often it is asked for something that was not tried yet, before chance decides.
        pruned: it learns from trials that did not come to their end.
        insists: it asks for the same again as long as it does not learn what comes of it; so trials that failed are
            told to it as bad ones, and it is asked first what the others choose in that moment.
    """

    called: str
    make: Callable[[Any, int], Any]
    needs: Sequence[str]
    least: int
    trials: int
    lag: Mapping[int, float]
    metrics: int
    pending: int
    asks: int
    pruned: bool
    insists: bool

    @property
    def packages(self) -> str:
        """What the image must hold, as pip takes it."""
        optuna, *others = self.needs
        *rest, last = [f"{optuna}>={self.least}", *others]
        return f"{', '.join(rest)} and {last}" if rest else last

    def missing(self) -> str:
        """Why it cannot be had here; "" where it can."""
        try:
            optuna, *_ = [import_module(name) for name in self.needs]
        except (ImportError, OSError) as error:  # OSError: torch without a library that it was built against
            return str(error)
        version = str(optuna.__version__)
        return "" if int(version.partition(".")[0]) >= self.least else f"it holds Optuna {version}"

    def made(self, optuna: Any, seed: int) -> Any:
        """The sampler; Optuna's word on what is experimental in it is for its developers."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return self.make(optuna, seed)


SAMPLERS = {
    "bayes": Sampler(
        called="Bayesian",
        make=lambda optuna, seed: optuna.samplers.TPESampler(seed=seed, constant_liar=True),
        needs=("optuna",),
        least=4,
        trials=10_000,
        lag={1_000: 0.05, 5_000: 0.3},
        metrics=100,
        pending=10_000,
        asks=8,
        pruned=True,
        insists=False,
    ),
    # Before 5, Optuna's Gaussian process did not see the trials under way, or took them to be as good as the best
    # (https://github.com/optuna/optuna/pull/6430, https://github.com/optuna/optuna/pull/6640).  To choose a
    # trial takes 300 MB, and 7 MB for each that is pending; with four metrics, 1.5 GB after 60 trials.
    "gp": Sampler(
        called="Gaussian-process",
        make=lambda optuna, seed: optuna.samplers.GPSampler(seed=seed),
        needs=("optuna", "scipy", "torch"),
        least=5,
        trials=1_000,
        lag={100: 0.1, 300: 0.4, 500: 1, 1_000: 4},
        metrics=3,
        pending=64,
        asks=3,
        pruned=False,
        insists=True,
    ),
}
"""By the name that ``--search`` has for it."""
