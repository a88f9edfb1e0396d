"""A script of a user who checks types: read by mypy (see setup.cfg), never run.

Where a line says ``type: ignore``, mypy must have something to say, or it complains of that.
"""

from __future__ import annotations

from pathlib import Path

import awsrun


def train(trial: awsrun.Trial, lr: float = 0.1) -> dict[str, float]:
    for epoch in trial.range(3):
        trial.report(loss=lr / (epoch + 1))
    return {"loss": lr}


def experiments() -> None:
    experiment = awsrun.Experiment(job=Path("job.py"), grid={"lr": (0.1, 0.2)}, range={"b": "1..2"}, timeout=60)
    awsrun.Experiment(job="job.py", gird={"lr": [0.1]})  # type: ignore[call-arg]
    run: awsrun.Run = awsrun.submit(experiment, seed=3, timeout="30m", inputs=[{"lr": 0.1}], until={"loss": 0.1})
    awsrun.submit("job.py", search="bays")  # type: ignore[arg-type]
    awsrun.submit("job.py", trails=3)  # type: ignore[call-arg]
    awsrun.run("job.py", wait=60, progress=lambda status: print(status.done), set={"lr": 0.1}, context="local")
    total: int = awsrun.check("job.py", trials=3).total
    for trial in run.as_completed(timeout=60):
        n: int = trial.n
        value: str = trial.value  # type: ignore[assignment]
        print(n, value, trial.params["lr"], trial.seconds, total)
    best = run.best
    print(best.value)  # type: ignore[union-attr]
    print(run.wait().state, run.results()[0].result, run.cancel(), run.retry(), run.experiment().to_yaml())
    print([entry.job for entry in awsrun.runs(limit=3)], awsrun.nonsense)  # type: ignore[attr-defined]


def resources() -> None:
    spec = awsrun.load("specs/batch.yaml")
    plan = awsrun.plan(spec, "local")
    applied = awsrun.apply(spec, confirm=lambda shown: shown.bill is not None)
    print(plan, applied, awsrun.outputs("mnist")["results"]["name"])
    print([one.stack for one in awsrun.status()], awsrun.teardown("mnist", purge=True).left)
