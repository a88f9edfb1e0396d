"""AWS Batch as a way to get workers: start them, say what stage they are in, stop them.  Nothing else of Batch is used.

A set of workers is one Batch job: an array of 2 to 10,000 children, or a plain job for a single worker.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import DENIED, AwsrunError, code_of, matches, message_of, outcome
from awsrun.jobs.workers.stages import STAGES, Stages

MOST_WORKERS = (
    10_000  # the most children of one array job, https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
)
# A worker that was lost is started again: its machine was taken back or died, or it was told to go (143: SIGTERM) or
# killed (137: for want of memory, or after SIGTERM), or it never started; what no rule matches is retried.  One that
# ended by itself (1), or whose image lacks Python (126, 127) or has an entrypoint that takes the command for arguments
# of its own (2), has said why in its log and would do so again.  A spot machine that is taken back counts as an
# attempt, too: as many as Batch allows.
# https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
RETRY: Mapping[str, Any] = {
    "attempts": 10,
    "evaluateOnExit": [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onExitCode": "1", "action": "EXIT"},
        {"onExitCode": "2", "action": "EXIT"},
        {"onExitCode": "12*", "action": "EXIT"},
    ],
}
_BACKOFF = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds; SubmitJob is limited to 50/s per account
_LOOKS = (0.5, 1.0, 2.0)  # seconds between looks for a job whose answer was lost
_DESCRIBED = 100  # ids per DescribeJobs
_FALLEN = 5  # workers of one group that failed say enough

_STAGE = {
    "SUBMITTED": "submitted",
    "PENDING": "submitted",
    "RUNNABLE": "waiting",
    "STARTING": "starting",
    "RUNNING": "running",
    "SUCCEEDED": "ended",
    "FAILED": "failed",
}


def start(
    cloud: Cloud,
    queue: str,
    definition: str,
    name: str,
    workers: int,
    command: Sequence[str],
    tags: Mapping[str, str],
    sleep: Callable[[float], None] = time.sleep,
    size: Mapping[str, Any] | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Start ``workers`` workers as one job called ``name``, once; the job's id.

    A lost answer is followed by a look for a job of that name, so that nothing is started twice.

    Args:
        size: ``vcpus``, ``memory_mib`` and ``gpus`` of each, where they are not the definition's.
        variables: of each one's environment.

    Raises:
        AwsrunError: Batch refuses the job, or does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    request: dict[str, Any] = {
        "jobName": name,
        "jobQueue": queue,
        "jobDefinition": definition,
        "containerOverrides": {"command": list(command), **_resources(size or {}), **_environment(variables)},
        "retryStrategy": RETRY,
        "tags": dict(tags),
    }
    if workers > 1:
        request["arrayProperties"] = {"size": workers}
    for wait in (*_BACKOFF, None):
        try:
            return str(cloud.write("batch").submit_job(**request)["jobId"])
        except (ClientError, BotoCoreError) as error:
            kind = outcome(error)
            if kind not in ("throttled", "unknown") or wait is None:
                hint = "run the command again" if kind == "unknown" else ""
                raise AwsrunError(f"Batch does not take the job {name}", _said(error), hint) from error
            sleep(wait)
            if kind == "unknown" and (job := _look(cloud, queue, name, sleep)):
                return job
    raise AssertionError("unreachable")


def _resources(size: Mapping[str, Any]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html"""
    wanted = {"VCPU": size.get("vcpus"), "MEMORY": size.get("memory_mib"), "GPU": size.get("gpus")}
    listed = [{"type": type, "value": _number(value)} for type, value in wanted.items() if value]
    return {"resourceRequirements": listed} if listed else {}


def _environment(variables: Mapping[str, str]) -> dict[str, Any]:
    listed = [{"name": name, "value": value} for name, value in variables.items()]
    return {"environment": listed} if listed else {}


def _number(value: float) -> str:
    """``4``, ``0.25``, ``1048576``: Batch takes neither ``4.0`` nor ``1.04858e+06``
    (https://github.com/kestra-io/plugin-aws/issues/504)."""
    return str(int(value)) if value == int(value) else str(value)


def find(cloud: Cloud, queue: str, name: str) -> str | None:
    """The id of the newest job called ``name``, None if there is none.

    A page of what a filter lets through may be empty and not the last one
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html).
    """
    asked: dict[str, Any] = {"jobQueue": queue, "filters": [{"name": "JOB_NAME", "values": [name]}]}
    found: list[Mapping[str, Any]] = []
    while True:
        answer = cloud.read("batch").list_jobs(**asked)
        found += answer["jobSummaryList"]
        if not (token := answer.get("nextToken")):
            break
        asked["nextToken"] = token
    newest = max(found, key=lambda job: int(job.get("createdAt", 0)), default=None)
    return str(newest["jobId"]) if newest else None


def _look(cloud: Cloud, queue: str, name: str, sleep: Callable[[float], None]) -> str | None:
    """`find`, several times: a list may not show for a moment what was made just now."""
    for wait in _LOOKS:
        if job := find(cloud, queue, name):
            return job
        sleep(wait)
    return find(cloud, queue, name)


def stages(cloud: Cloud, jobs: Sequence[str]) -> Stages:
    """Workers of these jobs by stage: one call per hundred jobs, however many workers they have."""
    counts: Counter[str] = Counter()
    reasons: dict[str, None] = {}
    born = []
    for first in range(0, len(jobs), _DESCRIBED):
        for job in cloud.read("batch").describe_jobs(jobs=list(jobs[first : first + _DESCRIBED]))["jobs"]:
            for status, number in _statuses(job).items():
                counts[_STAGE[status]] += number
            born.append(job.get("createdAt", 0) / 1000)
            stage = _STAGE[job["status"]]
            if stage in ("waiting", "failed") and job.get("statusReason"):
                reasons[job["statusReason"]] = None
    return Stages({s: counts[s] for s in STAGES if counts[s]}, tuple(reasons), min(born, default=0.0))


def log_streams(cloud: Cloud, jobs: Sequence[str]) -> dict[str, list[str]]:
    """Job or child id -> its log streams, one per attempt that has started."""
    found = {}
    for first in range(0, len(jobs), _DESCRIBED):
        for job in cloud.read("batch").describe_jobs(jobs=list(jobs[first : first + _DESCRIBED]))["jobs"]:
            streams = [a.get("container", {}).get("logStreamName", "") for a in job.get("attempts", ())]
            streams.append((job.get("container") or {}).get("logStreamName", ""))  # the latest, while it runs
            found[str(job["jobId"])] = list(dict.fromkeys(stream for stream in streams if stream))
    return found


def fallen(cloud: Cloud, groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Job and child ids of workers that failed, a few of each group; of a single worker its job, failed or not.

    Args:
        groups: ``job`` and ``workers`` of each, as a run's record has them.
    """
    found = []
    for group in groups:
        if int(group["workers"]) == 1:
            found.append(str(group["job"]))
            continue
        answer = cloud.read("batch").list_jobs(arrayJobId=group["job"], jobStatus="FAILED", maxResults=_FALLEN)
        found += [str(child["jobId"]) for child in answer["jobSummaryList"]]
    return found


def diagnose(cloud: Cloud, queue: str, arrays: Sequence[str]) -> list[str]:
    """Why workers do not start: what Batch says of waiting children of ``arrays``, of the queue, and of its
    environments; and the account's quotas, of which Batch says nothing."""
    batch = cloud.read("batch")
    found: dict[str, None] = {}
    for job in arrays:
        waiting = batch.list_jobs(arrayJobId=job, jobStatus="RUNNABLE", maxResults=5)["jobSummaryList"]
        found |= {child["statusReason"]: None for child in waiting if child.get("statusReason")}
    for known in batch.describe_job_queues(jobQueues=[queue])["jobQueues"]:
        if known["state"] != "ENABLED" or known["status"] != "VALID":
            said = known.get("statusReason", "")
            found[f"queue {known['jobQueueName']} is {known['state']}, {known['status']}: {said}".rstrip(": ")] = None
        names = [entry["computeEnvironment"] for entry in known["computeEnvironmentOrder"]]
        for environment in batch.describe_compute_environments(computeEnvironments=names)["computeEnvironments"]:
            if environment["state"] != "ENABLED" or environment["status"] != "VALID":
                said = environment.get("statusReason", "")
                name, state = environment["computeEnvironmentName"], environment["status"]
                found[f"environment {name} is {environment['state']}, {state}: {said}".rstrip(": ")] = None
            elif environment.get("computeResources"):
                found |= dict.fromkeys(_over_quota(cloud, environment))
    return list(found)


def _over_quota(cloud: Cloud, environment: Mapping[str, Any]) -> Iterator[str]:
    """Quotas that no machine of an environment is within, where this user may look at them."""
    from botocore.exceptions import ClientError

    from awsrun.preflight.need import Pool
    from awsrun.preflight.quotas import vcpu_quotas

    resources, name = environment["computeResources"], str(environment["computeEnvironmentName"])
    kind, types = str(resources["type"]), tuple(resources.get("instanceTypes", ()))
    pool = Pool(name, types, kind.startswith("FARGATE"), kind.endswith("SPOT"), int(resources["maxvCpus"]))
    try:
        yield from (f"{one.what}: {one.hint}" for one in vcpu_quotas(cloud, [pool]).look() if one.severity == "error")
    except ClientError as error:
        if not matches(error, DENIED):
            raise


def stop(cloud: Cloud, jobs: Sequence[str], reason: str) -> None:
    """Stop these jobs and their children; one that has ended is left as it is.

    To stop twice is to stop once, so the client that repeats does it.
    """
    for job in jobs:
        cloud.read("batch").terminate_job(jobId=job, reason=reason)


def dismiss(cloud: Cloud, jobs: Sequence[str], reason: str) -> int:
    """Have those of these jobs and of their children that have not begun never begin; how many they were.

    CancelJob on the parent of an array is for its children: those that are SUBMITTED, PENDING or RUNNABLE fail, those
    that are STARTING or RUNNING are left alone (https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html;
    older versions of that page have a RUNNABLE one fail only once it is at the head of its queue, which is before a
    container of it starts).  It may be said again.
    """
    count = 0
    for first in range(0, len(jobs), _DESCRIBED):
        for job in cloud.read("batch").describe_jobs(jobs=list(jobs[first : first + _DESCRIBED]))["jobs"]:
            waiting = sum(n for status, n in _statuses(job).items() if _STAGE[status] in ("submitted", "waiting"))
            if waiting:
                cloud.read("batch").cancel_job(jobId=job["jobId"], reason=reason)
            count += waiting
    return count


def _statuses(job: Mapping[str, Any]) -> Mapping[str, int]:
    array = job.get("arrayProperties") or {}
    if not array.get("size"):
        return {job["status"]: 1}
    known: Mapping[str, int] = array.get("statusSummary") or {}
    summary = {status: number for status, number in known.items() if number}
    missing = int(array["size"]) - sum(summary.values())
    if missing > 0:  # children that Batch has not counted yet share the parent's fate
        summary[job["status"]] = summary.get(job["status"], 0) + missing
    return summary


def _said(error: BaseException) -> str:
    code = code_of(error)
    return f"{message_of(error)} ({code})" if code else message_of(error)
