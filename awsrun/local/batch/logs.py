"""Where a job's output goes in CloudWatch Logs."""

from __future__ import annotations

from awsrun.local.batch.jobs import Job
from awsrun.local.work import logs

DEFAULT_GROUP = "/aws/batch/job"  # the only group that is made here; AWS makes no other either


def group_of(job: Job) -> str:
    """The log group that a job writes to."""
    configuration = job.container.get("logConfiguration") or {}
    group: str = (configuration.get("options") or {}).get("awslogs-group", DEFAULT_GROUP)
    return group


def stream_of(job: Job, unique: str) -> str:
    """The name of an attempt's stream."""
    options = (job.container.get("logConfiguration") or {}).get("options") or {}
    return f"{options.get('awslogs-stream-prefix', job.definition_name)}/default/{unique}"


def exists(account: str, region: str, group: str) -> bool:
    """Whether output that is sent there is kept."""
    return group == DEFAULT_GROUP or logs.exists(account, region, group)
