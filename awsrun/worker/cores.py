"""How many cores of its machine a worker counts with.

A container on a machine of Batch has a share of the processors, and sees all of them: a worker of 4 vCPUs beside 15
others on 64 would start 64 threads as each of them does, and all would wait for each other
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html, ``cpu``;
https://docs.pytorch.org/docs/stable/notes/cpu_threading_torchscript_inference.html).  On Fargate it sees its own alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

VCPUS = "AWSRUN_VCPUS"
"""Variable of a worker's environment: its vCPUs, where its machine may have more."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def bounded(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker's jobs: a thread for each vCPU, unless the image or the spec says how many."""
    try:
        vcpus = float(env.get(VCPUS, ""))
    except ValueError:
        return dict(env)
    return {**dict.fromkeys(_THREADS, str(max(1, math.ceil(vcpus)))), **env}
