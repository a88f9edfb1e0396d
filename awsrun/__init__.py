"""awsrun: YAML specs to AWS resources, Python files to sweeps on AWS Batch, on boto3 alone.

Names are imported when they are first used: inside a container only the worker's part of the package is there.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Trial": "awsrun.worker.trial",
    "Stop": "awsrun.worker.trial",
    "main": "awsrun.worker.main",
    "Experiment": "awsrun.jobs.experiment",
    "submit": "awsrun.jobs.api",
    "run": "awsrun.jobs.api",
    "Run": "awsrun.jobs.run",
    "load": "awsrun.reconcile.api",
    "plan": "awsrun.reconcile.api",
    "apply": "awsrun.reconcile.api",
    "teardown": "awsrun.reconcile.api",
    "outputs": "awsrun.reconcile.api",
    "session": "awsrun.aws.session",
}
__all__ = [
    "Experiment",
    "Run",
    "Stop",
    "Trial",
    "__version__",
    "apply",
    "load",
    "main",
    "outputs",
    "plan",
    "run",
    "session",
    "submit",
    "teardown",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'awsrun' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
