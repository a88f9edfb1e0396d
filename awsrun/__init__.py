"""awsrun: YAML specs to AWS resources, Python files to sweeps on AWS Batch, on boto3 alone.

Names are imported when they are first used: inside a container only the worker's part of the package is there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from awsrun.aws.session import session
    from awsrun.jobs.api import check, run, runs, submit
    from awsrun.jobs.run import Run
    from awsrun.jobs.submit.experiment import Experiment
    from awsrun.reconcile.api import adopt, apply, drift, load, outputs, plan, status
    from awsrun.scripts import teardown
    from awsrun.worker.job.main import main
    from awsrun.worker.job.states import load_states
    from awsrun.worker.job.trial import Stop, Trial

__version__ = "0.1.0"

_HOMES = {
    "Trial": "awsrun.worker.job.trial",
    "Stop": "awsrun.worker.job.trial",
    "main": "awsrun.worker.job.main",
    "Experiment": "awsrun.jobs.submit.experiment",
    "submit": "awsrun.jobs.api",
    "check": "awsrun.jobs.api",
    "runs": "awsrun.jobs.api",
    "run": "awsrun.jobs.api",
    "Run": "awsrun.jobs.run",
    "load": "awsrun.reconcile.api",
    "plan": "awsrun.reconcile.api",
    "apply": "awsrun.reconcile.api",
    "drift": "awsrun.reconcile.api",
    "adopt": "awsrun.reconcile.api",
    "status": "awsrun.reconcile.api",
    "outputs": "awsrun.reconcile.api",
    "teardown": "awsrun.scripts",
    "session": "awsrun.aws.session",
    "load_states": "awsrun.worker.job.states",
}
__all__ = [
    "Experiment",
    "Run",
    "Stop",
    "Trial",
    "__version__",
    "adopt",
    "apply",
    "check",
    "drift",
    "load",
    "load_states",
    "main",
    "outputs",
    "plan",
    "run",
    "runs",
    "session",
    "status",
    "submit",
    "teardown",
]


if not TYPE_CHECKING:  # else every misspelt name would have a type

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'awsrun' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
