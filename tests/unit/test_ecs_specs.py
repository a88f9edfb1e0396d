"""What users may write of ECS, told before any call; prices of what it means."""

from __future__ import annotations

from typing import Any

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.aws.quotas import FARGATE_SPOT
from awsrun.preflight.linked_roles import wanted_roles
from awsrun.preflight.need import pools
from awsrun.prices import machines
from awsrun.prices.table import shipped
from awsrun.resources.models import SpecModels
from awsrun.spec.load import parse

HOME = shipped("us-east-1")
REST = """
  network: {kind: vpc, max_azs: 1}
  shut: {kind: vpc, cidr: 10.1.0.0/16, private: endpoints}
  tasks: {kind: ecs.cluster}
  worker: {kind: iam.role, service: ecs-tasks}
  other: {kind: iam.role, service: lambda}
  images: {kind: ecr.repository}
  arm: {kind: ecr.image, repository: images, platform: linux/arm64}
  wait: {kind: ecs.task_definition, command: [sleep, "60"]}
"""


def loaded(line: str) -> Any:
    return parse(f"stack: s\nresources:{REST}  {line}\n", "s.yaml", SpecModels()).resources


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ask: {kind: ecs.task_definition, vcpus: 3}", "Fargate has no 3 vCPUs"),
        ("ask: {kind: ecs.task_definition, vcpus: 1, memory_mib: 512}", "the nearest is 2048"),
        ("ask: {kind: ecs.task_definition, stop_timeout: 5m}", "between 2 and 120 s"),
        ("ask: {kind: ecs.task_definition, image: a, built: arm}", "one of image"),
        ("ask: {kind: ecs.task_definition, image: arm}", "write built: arm"),
        ("ask: {kind: ecs.task_definition, role: other}", "give it service: ecs-tasks"),
        ("ask: {kind: ecs.task_definition, built: arm, architecture: x86_64}", "built for arm64"),
        ("ask: {kind: ecs.task_definition, log_days: 8}", "the nearest is 7"),
        ("ask: {kind: ecs.task_definition, environment: {A: images.nothing}}", "no output 'nothing'"),
        (
            "web: {kind: ecs.service, cluster: tasks, task_definition: wait, vpc: network, subnets: private}",
            "no private",
        ),
        (
            "web: {kind: ecs.service, cluster: tasks, task_definition: wait, vpc: shut}",
            "which the endpoints of 'shut' do not lead to",
        ),
        ("web: {kind: ecs.service, cluster: wait, task_definition: wait, vpc: network}", "this names a ecs.cluster"),
    ],
)
def test_what_cannot_be_is_refused(line: str, said: str) -> None:
    with pytest.raises(AwsrunError) as caught:
        loaded(line)
    assert said in str(caught.value) or said in caught.value.why, caught.value


def test_the_processor_is_that_of_the_image() -> None:
    assert loaded("ask: {kind: ecs.task_definition, built: arm}")["ask"].architecture == "arm64"
    assert loaded("ask: {kind: ecs.task_definition}")["ask"].architecture == "x86_64"


def test_what_a_service_runs_counts_for_fargates_quota() -> None:
    line = "web: {kind: ecs.service, cluster: tasks, task_definition: wait, vpc: network, desired_count: 5, spot: true}"
    (pool,) = pools(loaded(line))
    assert (pool.max_vcpus, list(pool.quotas())) == (2, [FARGATE_SPOT])  # five quarters of a vCPU


def test_jobs_on_a_cluster_count_for_fargates_quota_without_batch() -> None:
    there = "results: {kind: s3.bucket}\n  train: {kind: ecs.task_definition}\n"
    jobs = "jobs: {cluster: tasks, definition: train, vpc: network, max_vcpus: 40, spot: true}\n"
    spec = parse(f"stack: s\nresources:{REST}  {there}{jobs}", "s.yaml", SpecModels())
    (pool,) = pools(spec.resources, spec.jobs)
    assert (pool.name, pool.max_vcpus, list(pool.quotas())) == ("tasks", 40, [FARGATE_SPOT])
    assert [service for _, service in wanted_roles([pool])] == ["ecs"]


def test_a_task_is_paid_by_vcpu_memory_disk_and_address() -> None:
    one = machines.fargate_task(HOME, 1, 4096)
    assert one == pytest.approx(0.04048 + 4 * 0.004445 + 0.005)
    assert machines.fargate_task(HOME, 1, 4096, storage_gib=120, public=False) == pytest.approx(
        0.04048 + 4 * 0.004445 + 100 * 0.000111
    )
    assert machines.fargate_task(HOME, 1, 4096, arm=True, public=False) == pytest.approx(0.03238 + 4 * 0.00356)
