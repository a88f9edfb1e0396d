"""500 trials that do nothing, on the same cores: wall time from start to the last result, start-up apart.

Ray Tune and Optuna keep their state on this machine; awsrun keeps it in a (here: embedded) DynamoDB, survives the loss
of any process, and needs no driver.  Start-up is what the same tool takes for 2 trials.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.bench import Stack, stack

TRIALS, WORKERS = 500, 2

RAY = """
import sys, ray
from ray import tune
ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
space = {"x": tune.uniform(0, 1)}
tuner = tune.Tuner(lambda config: {"y": config["x"]}, param_space=space,
    tune_config=tune.TuneConfig(num_samples=int(sys.argv[1]), metric="y", mode="max", max_concurrent_trials=2,
        reuse_actors=True),
    run_config=tune.RunConfig(storage_path=sys.argv[2], verbose=0))
assert len(tuner.fit()) == int(sys.argv[1])
"""
OPTUNA = """
import sys, optuna
from concurrent.futures import ProcessPoolExecutor
optuna.logging.set_verbosity(optuna.logging.ERROR)
url = f"sqlite:///{sys.argv[2]}/study-{sys.argv[1]}.db"
def work(trials):
    study = optuna.load_study(study_name="s", storage=url, sampler=optuna.samplers.RandomSampler())
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
if __name__ == "__main__":
    optuna.create_study(study_name="s", storage=url, direction="maximize")
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(work, [int(sys.argv[1]) // 2] * 2))
"""


def measure() -> list[dict[str, object]]:
    rows = [_other("Optuna, SQLite, 2 processes", OPTUNA)]
    try:
        import ray  # noqa: F401
    except ImportError:
        print("Ray is not installed here: pip install 'ray[tune]'\n")
    else:
        rows.append(_other("Ray Tune, 2 at a time", RAY))
    with stack() as cloud:
        for workers in (1, WORKERS):
            rows.append(_ours(cloud, workers))
    return rows


def _other(name: str, program: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        few, many = (_wall(program, trials, folder) for trials in (2, TRIALS))
    return _row(name, few, many)


def _wall(program: str, trials: int, folder: str) -> float:
    env = {**os.environ, "RAY_AIR_NEW_OUTPUT": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    path = os.path.join(folder, "program.py")
    with open(path, "w") as file:
        file.write(program)
    start = time.perf_counter()
    subprocess.run([sys.executable, path, str(trials), folder], check=True, env=env, capture_output=True)
    return time.perf_counter() - start


def _ours(cloud: Stack, workers: int) -> dict[str, object]:
    few, _ = _sweep(cloud, 2, workers)
    many, server = _sweep(cloud, TRIALS, workers)
    row = _row(f"awsrun, {workers} worker{'s' if workers > 1 else ''}", few, many)
    own = (many - few) / TRIALS * 1e3 - server / TRIALS * 1e3
    return {**row, "of it the server's CPU, ms": f"{server / TRIALS * 1e3:.1f}", "beyond it, ms": f"{own:.1f}"}


def _sweep(cloud: Stack, trials: int, workers: int) -> tuple[float, float]:
    """(wall seconds, the server's CPU seconds) of a whole `submit --wait`."""
    before, start = cloud.server_seconds(), time.perf_counter()
    args = ["--range", "x=0..1", "--trials", str(trials), "--workers", str(workers), "--wait"]
    cloud.awsrun("submit", "benchmarks/noop_job.py", *args)
    return time.perf_counter() - start, cloud.server_seconds() - before


def _row(name: str, few: float, many: float) -> dict[str, object]:
    return {
        "tool": name,
        "start-up s": f"{few:.1f}",
        "500 trials s": f"{many:.1f}",
        "ms per trial": f"{(many - few) / TRIALS * 1e3:.1f}",
        "of it the server's CPU, ms": "",
        "beyond it, ms": "",
    }
