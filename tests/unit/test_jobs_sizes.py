"""A submit may ask for other workers than the stack's; what no machine holds is refused with what comes nearest."""

from __future__ import annotations

from typing import Any

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.workers.sizes import Size, mebibytes, nearest, sized

TASKS = {"engine": "fargate", "capacity": "FARGATE", "vcpus": 1.0, "memory_mib": 4096, "max_vcpus": 16}
MACHINES = {"capacity": "EC2", "instance_types": ["g4dn.xlarge"], "vcpus": 4, "memory_mib": 12000, "max_vcpus": 64}


@pytest.mark.parametrize(
    ("text", "mib"), [(8192, 8192), ("8192", 8192), ("8GB", 8192), ("8g", 8192), ("0.5 GiB", 512), ("512m", 512)]
)
def test_memory_is_written_as_people_do(text: Any, mib: int) -> None:
    assert mebibytes(text) == mib
    assert Experiment(job="job.py", memory=text).memory == mib


def test_what_is_no_memory_is_refused() -> None:
    with pytest.raises(AwsrunError, match="write 8192"):
        Experiment(job="job.py", memory="lots")


def test_what_fits_takes_the_place_of_the_definitions() -> None:
    found = sized(TASKS, Size(vcpus=2))
    assert (found["vcpus"], found["memory_mib"]) == (2, 4096)
    assert sized(TASKS, Size()) == TASKS
    assert sized(MACHINES, Size(vcpus=2, memory_mib=6000, gpus=1))["gpus"] == 1


@pytest.mark.parametrize(
    ("jobs", "size", "said"),
    [
        (TASKS, Size(memory_mib=10000), "the nearest that holds it: --vcpus 2 --memory 10240"),
        (TASKS, Size(vcpus=3), "the nearest that holds it: --vcpus 4 --memory 8192"),
        (TASKS, Size(vcpus=8), "the nearest that holds it: --vcpus 8 --memory 16384"),
        (TASKS, Size(vcpus=0.5, memory_mib=4500), "the nearest that holds it: --vcpus 1 --memory 5120"),
        (TASKS, Size(memory_mib=200_000), "the largest is 16 vCPUs with 122880 MiB"),
        (TASKS, Size(vcpus=32), "at most 16 vCPUs at once"),
        (TASKS, Size(gpus=1), "Fargate has no GPUs"),
        ({**MACHINES, "capacity": "FARGATE_SPOT"}, Size(vcpus=3), "the nearest that holds it"),
        (MACHINES, Size(gpus=2), "ask for less with --gpus"),
        (MACHINES, Size(vcpus=8), "8 vCPUs (the largest: 4)"),
        (MACHINES, Size(memory_mib=16384), "--memory"),
        (MACHINES, Size(vcpus=0.5), "--vcpus 1"),
    ],
)
def test_what_no_machine_holds_is_refused(jobs: dict[str, Any], size: Size, said: str) -> None:
    with pytest.raises(AwsrunError) as caught:
        sized(jobs, size)
    assert said in str(caught.value)


def test_the_nearest_is_the_smallest_that_holds_both() -> None:
    assert nearest(0.1, 1) == (0.25, 512)
    assert nearest(1, 8193) == (2, 9216)
    assert nearest(16, 122881) is None
