"""Where jobs run follows from the spec, or is asked for in words that say what to write."""

from __future__ import annotations

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.resources.models import SpecModels
from awsrun.spec.load import parse
from awsrun.spec.stack import JobsSpec

COMMON = """
stack: s
resources:
  results: {kind: s3.bucket}
  network: {kind: vpc}
  worker: {kind: iam.role, service: ecs-tasks, read_write: [results], jobs: true, run: [train]}
"""
FARGATE = """
  tasks: {kind: ecs.cluster}
  train: {kind: ecs.task_definition, role: worker}
"""
BATCH = """
  compute: {kind: batch.compute_environment, vpc: network, max_vcpus: 4}
  queue: {kind: batch.job_queue, compute_environments: [compute]}
  fit: {kind: batch.job_definition, image: i, memory_mib: 512, role: worker}
"""
SERVICE = "  web: {kind: ecs.task_definition, image: i}\n"


def jobs(text: str) -> JobsSpec | None:
    return parse(text, "s.yaml", SpecModels()).jobs


def mistake(text: str) -> str:
    with pytest.raises(AwsrunError) as caught:
        jobs(text)
    return str(caught.value)


def test_a_cluster_and_a_workers_definition_are_a_place_for_jobs() -> None:
    found = jobs(COMMON + FARGATE + SERVICE)
    assert found == JobsSpec(cluster="tasks", definition="train", bucket="results", vpc="network")
    assert found.queue is None
    assert jobs(COMMON.replace(", run: [train]", "") + "  tasks: {kind: ecs.cluster}\n" + SERVICE) is None, (
        "a service's"
    )


def test_what_is_left_out_beside_a_cluster_is_inferred() -> None:
    found = jobs(COMMON + FARGATE + "jobs: {spot: true, max_vcpus: 8}")
    assert found == JobsSpec(
        cluster="tasks", definition="train", bucket="results", vpc="network", spot=True, max_vcpus=8
    )


def test_between_batch_and_ecs_the_spec_must_choose() -> None:
    both = COMMON + FARGATE + BATCH
    said = mistake(both)
    assert "say which, jobs: {queue: queue} or jobs: {cluster: tasks}" in said
    on_queue, on_cluster = jobs(both + "jobs: {queue: queue}"), jobs(both + "jobs: {cluster: tasks}")
    assert on_queue and (on_queue.definition, on_queue.vpc) == ("fit", None)
    assert on_cluster and (on_cluster.definition, on_cluster.vpc) == ("train", "network")
    assert jobs(both + "jobs: {definition: fit}") == on_queue
    assert jobs(both + "jobs: {definition: train}") == on_cluster


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{queue: queue, cluster: tasks}", "name a queue or a cluster, not both"),
        ("{queue: queue, definition: train}", "'train' is a ecs.task_definition, but here workers are a batch.job_def"),
        ("{queue: queue, spot: true}", "is for workers on a cluster"),
        ("{cluster: tasks, subnets: private}", "'network' has no private subnets"),
        ("{cluster: tasks, definition: trian}", "no resource named 'trian'"),
        ("{cluster: tasks, max_vcpus: 0}", "max_vcpus"),
    ],
)
def test_mistakes_say_what_is_wrong(written: str, said: str) -> None:
    assert said in mistake(COMMON + FARGATE + BATCH + f"jobs: {written}")


def test_images_of_workers_behind_endpoints_come_from_ecr() -> None:
    shut = COMMON.replace("{kind: vpc}", "{kind: vpc, private: endpoints}")
    assert "its image comes from the internet, which the endpoints of 'network'" in mistake(shut + FARGATE)
    ours = "image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/a, "
    assert jobs(shut + FARGATE.replace("task_definition, ", f"task_definition, {ours}"))
    assert jobs(shut + FARGATE + "jobs: {subnets: public}")


def test_what_a_cluster_lacks_is_named() -> None:
    alone = COMMON.replace(", run: [train]", "") + "  tasks: {kind: ecs.cluster}\n" + SERVICE + "jobs: {cluster: tasks}"
    assert "no ecs.task_definition in this spec whose role says jobs: true" in mistake(alone)
