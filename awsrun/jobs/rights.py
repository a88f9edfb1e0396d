"""What an identity must be allowed to submit runs, look after them and read what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from awsrun.aws.clients import Cloud
from awsrun.aws.names import stack_table
from awsrun.aws.rights import Right, allow, equals, made_for, not_owned, owned_by, passed_to
from awsrun.resources.ours import arn

VERBS: Mapping[str, frozenset[str]] = {
    "submit": frozenset({"look", "results", "change", "submit"}),  # cancel, retry and resume too
    "results": frozenset({"look", "results"}),  # runs, show, logs, plot, compare and report too
    "teardown": frozenset({"look", "change"}),  # which cancels live runs and saves their records
}


def rights(cloud: Cloud, stack: str, where: Mapping[str, str], command: str) -> Iterator[Right]:
    """What ``command``, one of `VERBS`, needs for the jobs of a stack.  Calls nothing.

    Args:
        where: ARNs by the names of the stack's record: ``queue`` or ``cluster``, ``definition`` (without revision),
            ``bucket``, ``table``, ``log_group``, ``repository``; of a cluster's definition also ``role`` and
            ``execution_role``; empty for a stack without jobs, which needs nothing.
    """
    if where:
        workers = _batch if "queue" in where else _fargate
        every = (*_rights(cloud, stack, where), *workers(cloud, stack, where))
        yield from (right for right in every if right.verb in VERBS[command])


def _rights(cloud: Cloud, stack: str, where: Mapping[str, str]) -> Iterator[Right]:
    own = where["table"].rpartition("/")[0] + f"/{stack_table(stack)}"
    yield allow("look", "dynamodb", "ListTables")
    yield allow("look", "dynamodb", "GetItem", own)
    yield allow("look", "dynamodb", "GetItem Query", where["table"])
    yield allow("results", "s3", "GetObject", f"{where['bucket']}/*")
    if "log_group" in where:
        yield allow("results", "logs", "FilterLogEvents", where["log_group"], f"{where['log_group']}:*")
    yield allow("change", "dynamodb", "UpdateItem", where["table"])
    yield allow("submit", "dynamodb", "PutItem", where["table"])
    if "repository" in where:  # which image its tag stands for
        yield allow("submit", "ecr", "DescribeImages", where["repository"])
    # Without the right to list, S3 answers 403 rather than 404 for the code that is not there yet.
    yield allow("submit", "s3", "ListBucket", where["bucket"])
    yield allow("submit", "s3", "PutObject", f"{where['bucket']}/awsrun/*")


def _batch(cloud: Cloud, stack: str, where: Mapping[str, str]) -> Iterator[Right]:
    jobs = f"{where['queue'].partition(':job-queue/')[0]}:job/*"
    yield allow("results", "batch", "DescribeComputeEnvironments DescribeJobQueues DescribeJobs ListJobs")
    quotas = [arn(cloud, "servicequotas", f"{service}/*") for service in ("ec2", "fargate")]  # why workers wait
    yield allow("results", "servicequotas", "GetServiceQuota", *quotas)
    yield allow("results", "servicequotas", "GetAWSDefaultServiceQuota")
    yield allow("change", "batch", "TerminateJob", jobs, when=[owned_by(stack)])
    yield allow("submit", "batch", "CancelJob", jobs, when=[owned_by(stack)])
    yield allow("submit", "batch", "SubmitJob", where["queue"], f"{where['definition']}:*")
    # Batch has no key for tags in a create call: jobs that have an owner already must be out of reach.
    yield allow("submit", "batch", "SubmitJob TagResource", jobs, when=[made_for(stack), not_owned()])


def _fargate(cloud: Cloud, stack: str, where: Mapping[str, str]) -> Iterator[Right]:
    """Tasks of the stack's cluster alone
    (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html).
    Its tasks are listed on ``*``: the container instances of the reference are for lists of what one of them runs
    (https://github.com/cdklabs/construct-hub/pull/1207)."""
    place, _, name = where["cluster"].partition(":cluster/")
    tasks, inside = f"{place}:task/{name}/*", equals("ecs:cluster", where["cluster"])
    yield allow("results", "ecs", "DescribeClusters", where["cluster"])
    for verb in ("change", "results"):
        yield allow(verb, "ecs", "ListTasks", when=[inside])
    yield allow("results", "ecs", "DescribeTasks", tasks)
    yield allow("change", "ecs", "StopTask", tasks)
    yield allow("submit", "ecs", "RunTask", f"{where['definition']}:*", when=[inside])
    running = equals("ecs:CreateAction", "RunTask")
    yield allow("submit", "ecs", "TagResource", tasks, when=[made_for(stack), running])
    roles = (where[role] for role in ("role", "execution_role") if role in where)
    yield allow("submit", "iam", "PassRole", *roles, when=[passed_to("ecs-tasks")])
