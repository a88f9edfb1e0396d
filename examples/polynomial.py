"""A polynomial through noisy points, for examples/search.ipynb: which degree and which ridge penalty predict best?

python examples/polynomial.py --degree 5 --penalty 0.001
"""

from __future__ import annotations

import numpy

import awsrun


def fit(trial: awsrun.Trial, degree: int = 3, penalty: float = 0.001, points: int = 40) -> dict[str, float]:
    """Fit on ``points`` points.

    Returns:
        The root mean squared errors on them and on 200 others.
    """
    chance = numpy.random.default_rng(1008)  # the same points for every trial, so that their errors compare
    x, new = chance.uniform(-1, 1, points), chance.uniform(-1, 1, 200)
    y = numpy.sin(4 * x) + chance.normal(0, 0.2, points)
    powers = numpy.vander(x, degree + 1)
    weights = numpy.linalg.solve(powers.T @ powers + penalty * numpy.eye(degree + 1), powers.T @ y)
    trained = float(numpy.sqrt(numpy.mean((powers @ weights - y) ** 2)))
    error = float(numpy.sqrt(numpy.mean((numpy.vander(new, degree + 1) @ weights - numpy.sin(4 * new)) ** 2)))
    trial.report(rmse=error)
    return {"rmse": error, "trained_rmse": trained}


if __name__ == "__main__":
    awsrun.main(fit, metric="rmse", mode="min")
