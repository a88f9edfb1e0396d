"""What `submit` says that the workers cost: from the stack's record alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from awsrun.aws.clients import offline
from awsrun.aws.context import LOCAL
from awsrun.jobs.workers.price import hourly

CLOUD = offline(LOCAL)
DISK = 30 * 0.08 / 730
WORKER = {"vcpus": 4.0, "gpus": 1, "memory_mib": 12000, "capacity": "EC2", "instance_types": ["g4dn.xlarge"]}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWSRUN_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("changed", "workers", "dollars"),
    [
        ({}, 1, 0.526 + 0.005 + DISK),
        ({}, 3, 3 * (0.526 + 0.005 + DISK)),
        ({"instance_types": ["g4dn.xlarge", "g5.xlarge"]}, 1, 0.526 + 0.005 + DISK),
        ({"vcpus": 1.0, "gpus": 0, "memory_mib": 1000, "instance_types": ["c5.xlarge"]}, 4, 0.17 + 0.005 + DISK),
        ({"instance_types": ["zz9.large"]}, 1, None),
        ({"instance_types": []}, 1, None),
        (
            {"gpus": 0, "capacity": "FARGATE", "instance_types": []},
            2,
            2 * (4 * 0.04048 + 12000 / 1024 * 0.004445 + 0.005),
        ),
    ],
)
def test_workers_cost_what_their_machines_cost(changed: dict[str, Any], workers: int, dollars: float | None) -> None:
    found = hourly(CLOUD, WORKER | changed, workers)
    assert found == (None if dollars is None else pytest.approx(dollars))


def test_a_record_of_an_older_awsrun_has_no_machines_and_no_price() -> None:
    assert hourly(CLOUD, {"vcpus": 1}, 1) is None
