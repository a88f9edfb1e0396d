"""Workers are asked for once, whatever becomes of the answer; their stages are counted as Batch has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from jobs_runs import a_run

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.site import Site
from awsrun.jobs.workers import batch
from awsrun.jobs.workers.engines import OnBatch
from awsrun.worker.cores import bounded
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.store import RunStore

LOST = ReadTimeoutError(endpoint_url="http://batch")


class Cloud:
    """A Batch that does with each SubmitJob as the script says; the first ``lists_after`` lists are empty."""

    def __init__(self, *script: str, lists_after: int = 0) -> None:
        self.script, self.taken, self.asked = list(script), [], 0
        self.lists_after = lists_after

    def read(self, service: str) -> Cloud:
        return self

    write = read
    region = "us-east-1"

    def submit_job(self, **request: Any) -> dict[str, str]:
        what = self.script.pop(0)
        if what in ("take", "lose"):
            self.taken.append(request)
        if what in ("lose", "drop"):
            raise LOST
        if what != "take":
            raise ClientError({"Error": {"Code": what, "Message": "said"}}, "SubmitJob")
        return {"jobId": f"job-{len(self.taken)}"}

    def list_jobs(self, **request: Any) -> dict[str, Any]:
        self.asked += 1
        names = request["filters"][0]["values"]
        found = [i for i, job in enumerate(self.taken, 1) if job["jobName"] in names]
        shown = [{"jobId": f"job-{i}", "createdAt": i} for i in found] if self.asked > self.lists_after else []
        if "nextToken" in request:
            return {"jobSummaryList": shown}
        return {"jobSummaryList": [], "nextToken": "more"}


def test_a_list_that_lags_behind_does_not_make_a_double() -> None:
    cloud = Cloud("lose", "take", lists_after=4)
    assert start(cloud) == "job-1"
    assert len(cloud.taken) == 1


def start(cloud: Cloud, workers: int = 3) -> str:
    return batch.start(cloud, "q", "d", "awsrun-r-w0", workers, ["run"], {}, sleep=lambda _: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "job", "reason"),
    [
        (["take"], "job-1", "taken at once"),
        (["ThrottlingException", "TooManyRequestsException", "take"], "job-1", "throttled: nothing was done"),
        (["lose"], "job-1", "taken, the answer was lost: found by its name"),
        (["drop", "take"], "job-1", "never arrived: asked again"),
    ],
)
def test_workers_are_asked_for_once(script: list[str], job: str, reason: str) -> None:
    cloud = Cloud(*script)
    assert start(cloud) == job, reason
    assert len(cloud.taken) == 1, reason


def test_a_refusal_is_told_and_not_repeated() -> None:
    cloud = Cloud("ClientException", "take")
    with pytest.raises(AwsrunError, match="Batch does not take the job awsrun-r-w0") as caught:
        start(cloud)
    assert (caught.value.why, cloud.taken) == ("said (ClientException)", [])


def test_an_answer_that_never_comes_ends_with_what_to_do() -> None:
    with pytest.raises(AwsrunError) as caught:
        start(Cloud(*["drop"] * 20))
    assert caught.value.hint == "run the command again"


def test_sizes_are_plain_numbers_however_large() -> None:
    """https://github.com/kestra-io/plugin-aws/issues/504"""
    cloud = Cloud("take", "take")
    size = {"vcpus": 192.0, "memory_mib": 1_992_294, "gpus": 8}
    batch.start(cloud, "q", "d", "awsrun-r-w0", 1, ["run"], {}, size=size)  # type: ignore[arg-type]
    asked = {one["type"]: one["value"] for one in cloud.taken[0]["containerOverrides"]["resourceRequirements"]}
    assert asked == {"VCPU": "192", "MEMORY": "1992294", "GPU": "8"}
    batch.start(cloud, "q", "d", "awsrun-r-w0", 1, ["run"], {}, size={"vcpus": 0.25})  # type: ignore[arg-type]
    assert cloud.taken[1]["containerOverrides"]["resourceRequirements"] == [{"type": "VCPU", "value": "0.25"}]


def test_a_worker_starts_as_many_threads_as_it_has_vcpus_of_its_machine() -> None:
    """A container has a share of the processors, and sees all of them."""
    cloud = Cloud("take", "take")
    jobs = {"queue": "q", "definition": "d", "table": "t", "vcpus": 4.0}
    for run, threads in ((a_run(), "4"), (replace(a_run(), run="other", size={"vcpus": 0.5}), "1")):
        store = RunStore(MemoryTable())
        assert store.create(run)
        engine = OnBatch(Site("s", store, cloud, jobs), cloud, jobs)  # type: ignore[arg-type]
        engine.start(run, 1, 0, "an image", "", lambda _: None)
        given = {one["name"]: one["value"] for one in cloud.taken[-1]["containerOverrides"]["environment"]}
        assert bounded(given)["OMP_NUM_THREADS"] == bounded(given)["OPENBLAS_NUM_THREADS"] == threads
        assert bounded({**given, "OMP_NUM_THREADS": "2"})["OMP_NUM_THREADS"] == "2", "the spec or the image says it"
    assert bounded({"A": "b"}) == {"A": "b"}, "a worker of an older version of awsrun, or on Fargate"


@pytest.mark.parametrize(("workers", "size"), [(1, None), (2, {"size": 2}), (10_000, {"size": 10_000})])
def test_one_worker_is_a_plain_job_more_are_an_array(workers: int, size: dict[str, int] | None) -> None:
    cloud = Cloud("take")
    start(cloud, workers)
    assert cloud.taken[0].get("arrayProperties") == size


class Described(Cloud):
    def __init__(self, *jobs: dict[str, Any]) -> None:
        super().__init__()
        self.jobs = {f"j{i}": {"createdAt": 5000 + i, **job} for i, job in enumerate(jobs)}
        self.calls = 0

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        self.calls += 1
        assert len(jobs) <= 100, "https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html"
        return {"jobs": [self.jobs[job] for job in jobs]}


def test_the_children_of_an_array_are_counted_by_stage() -> None:
    summary = {"RUNNING": 3, "RUNNABLE": 4, "SUCCEEDED": 1, "FAILED": 0}
    cloud = Described(
        {"status": "PENDING", "arrayProperties": {"size": 10, "statusSummary": summary}},
        {"status": "RUNNABLE", "statusReason": "no capacity"},
        {"status": "SUBMITTED", "arrayProperties": {"size": 7}},
    )
    found = batch.stages(cloud, list(cloud.jobs))  # type: ignore[arg-type]
    assert found.counts == {"submitted": 2 + 7, "waiting": 5, "running": 3, "ended": 1}
    assert (found.alive, found.reasons, found.since) == (17, ("no capacity",), 5.0)


def test_many_jobs_are_described_a_hundred_at_a_time() -> None:
    cloud = Described(*[{"status": "RUNNING"}] * 250)
    assert batch.stages(cloud, list(cloud.jobs)).counts == {"running": 250}  # type: ignore[arg-type]
    assert cloud.calls == 3


def test_no_job_is_no_call() -> None:
    cloud = Described()
    assert batch.stages(cloud, []) == batch.Stages()  # type: ignore[arg-type]
    assert cloud.calls == 0
