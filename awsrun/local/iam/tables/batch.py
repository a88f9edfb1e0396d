"""AWS Batch (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from awsrun.local.calls import Call
from awsrun.local.iam.request import Authorization, Request, Rule, everywhere, pairs, passing, tag_keys, tags

_LINKED = "AWSServiceRoleForBatch"
_TAGGING = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}
# What Batch hands roles to, by the table of API operations in the reference.
_TAKERS = ("batch.amazonaws.com", "ec2.amazonaws.com", "spotfleet.amazonaws.com")


def name(call: Call) -> str:
    """The operation, which Batch's paths have in lower case."""
    if call.path.startswith("/v1/tags/"):
        return _TAGGING.get(call.method, "")
    return _NAMES.get(call.path.rpartition("/")[2], "")


def _arn(request: Request, kind: str, given: str) -> str:
    return given if given.startswith("arn:") else request.arn(f"{kind}/{given}")


def _named(kind: str, *fields: str) -> Rule:
    def rule(request: Request) -> Iterator[Authorization]:
        for field in fields:
            if request.body.get(field):
                yield Authorization(request.action, _arn(request, kind, str(request.body[field])))

    return rule


def _tagged(request: Request, resource: str) -> Iterator[Authorization]:
    given = tags(pairs(request.body.get("tags")))
    yield Authorization(request.action, resource, given)
    if given:
        yield Authorization("batch:TagResource", resource, given)


def _create_environment(request: Request) -> Iterator[Authorization]:
    body = request.body
    yield from _tagged(request, request.arn(f"compute-environment/{body.get('computeEnvironmentName', '')}"))
    if body.get("serviceRole"):
        yield passing(_role(body["serviceRole"], request), *_TAKERS)
    elif not request.directory.has_role(_LINKED):
        resource = request.arn(f"role/aws-service-role/batch.amazonaws.com/{_LINKED}", "iam", region="")
        yield Authorization("iam:CreateServiceLinkedRole", resource, {"iam:AWSServiceName": ("batch.amazonaws.com",)})
    yield from _resource_roles(request, body.get("computeResources") or {})


def _update_environment(request: Request) -> Iterator[Authorization]:
    body = request.body
    yield from _named("compute-environment", "computeEnvironment")(request)
    if body.get("serviceRole"):
        yield passing(_role(body["serviceRole"], request), *_TAKERS)
    yield from _resource_roles(request, body.get("computeResources") or {})


def _resource_roles(request: Request, resources: Mapping[str, Any]) -> Iterator[Authorization]:
    if profile := resources.get("instanceRole"):
        yield passing(request.directory.role_of_profile(profile) or profile, *_TAKERS)
    if fleet := resources.get("spotIamFleetRole"):
        yield passing(fleet, *_TAKERS)


def _role(given: str, request: Request) -> str:
    return given if given.startswith("arn:") else request.directory.iam_arn("role", given)


def _queue(request: Request) -> Iterator[Authorization]:
    if request.operation == "CreateJobQueue":
        yield from _tagged(request, request.arn(f"job-queue/{request.body.get('jobQueueName', '')}"))
    else:
        yield Authorization(request.action, _arn(request, "job-queue", str(request.body.get("jobQueue", ""))))
    for entry in request.body.get("computeEnvironmentOrder") or ():
        yield Authorization(request.action, _arn(request, "compute-environment", entry["computeEnvironment"]))


def _register(request: Request) -> Iterator[Authorization]:
    yield from _tagged(request, request.arn(f"job-definition/{request.body.get('jobDefinitionName', '')}"))
    container = request.body.get("containerProperties") or {}
    for field in ("jobRoleArn", "executionRoleArn"):
        if container.get(field):
            yield passing(_role(container[field], request), "ecs-tasks.amazonaws.com")


def _submit(request: Request) -> Iterator[Authorization]:
    body = request.body
    yield from _tagged(request, request.arn("job/*"))
    yield Authorization(request.action, _arn(request, "job-queue", str(body.get("jobQueue", ""))))
    yield Authorization(request.action, _arn(request, "job-definition", str(body.get("jobDefinition", ""))))


def _tag(request: Request) -> Iterator[Authorization]:
    context = tags(pairs(request.body.get("tags"))) or tag_keys(request.call.query.get("tagKeys", ()))
    yield Authorization(request.action, unquote(request.call.path.removeprefix("/v1/tags/")), context)


RULES: Mapping[str, Rule] = {
    "CancelJob": _named("job", "jobId"),
    "CreateComputeEnvironment": _create_environment,
    "CreateJobQueue": _queue,
    "DeleteComputeEnvironment": _named("compute-environment", "computeEnvironment"),
    "DeleteJobQueue": _named("job-queue", "jobQueue"),
    "DeregisterJobDefinition": _named("job-definition", "jobDefinition"),
    "DescribeComputeEnvironments": everywhere,
    "DescribeJobDefinitions": everywhere,
    "DescribeJobQueues": everywhere,
    "DescribeJobs": everywhere,
    "ListJobs": everywhere,
    "ListTagsForResource": _tag,
    "RegisterJobDefinition": _register,
    "SubmitJob": _submit,
    "TagResource": _tag,
    "TerminateJob": _named("job", "jobId"),
    "UntagResource": _tag,
    "UpdateComputeEnvironment": _update_environment,
    "UpdateJobQueue": _queue,
}
_NAMES = {operation.lower(): operation for operation in RULES}
