"""ECS (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from awsrun.local.iam.request import Authorization, Request, Rule, everywhere, on, pairs, passing, tag_keys, tags

_LINKED = "AWSServiceRoleForECS"
_ROLES = ("taskRoleArn", "executionRoleArn")


def _arn(request: Request, kind: str, given: str) -> str:
    return given if given.startswith("arn:") else request.arn(f"{kind}/{given}")


def _cluster(request: Request) -> Iterable[str]:
    names = request.body.get("clusters") or [request.body.get("cluster") or "default"]
    return [_arn(request, "cluster", name) for name in names]


def _tagged(request: Request, resource: str) -> Iterator[Authorization]:
    given = tags(pairs(request.body.get("tags")))
    yield Authorization(request.action, resource, given)
    if given:
        yield Authorization("ecs:TagResource", resource, {**given, "ecs:CreateAction": (request.operation,)})


def _create_cluster(request: Request) -> Iterator[Authorization]:
    yield from _tagged(request, request.arn(f"cluster/{request.body.get('clusterName') or 'default'}"))
    if not request.directory.has_role(_LINKED):
        resource = request.arn(f"role/aws-service-role/ecs.amazonaws.com/{_LINKED}", "iam", region="")
        yield Authorization("iam:CreateServiceLinkedRole", resource, {"iam:AWSServiceName": ("ecs.amazonaws.com",)})


def _register(request: Request) -> Iterator[Authorization]:
    yield from _tagged(request, request.arn(f"task-definition/{request.body.get('family', '')}:*"))
    for field in _ROLES:
        if request.body.get(field):
            yield passing(request.body[field], "ecs-tasks.amazonaws.com")


def _run(request: Request) -> Iterator[Authorization]:
    body = request.body
    (definition,) = _definition(request)
    given = tags(pairs(body.get("tags")))
    clusters: dict[str, tuple[str, ...]] = {"ecs:cluster": tuple(_cluster(request))}
    yield Authorization(request.action, definition, {**given, **clusters})
    if given:
        task = request.arn(f"task/{_cluster_name(request)}/*")
        yield Authorization("ecs:TagResource", task, {**given, "ecs:CreateAction": (request.operation,)})
    # The roles of its tasks are passed, be they the definition's or others:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/CWE_IAM_role.html
    roles = {**request.directory.task_roles(request.region, str(body.get("taskDefinition", "")))}
    roles |= {field: role for field in _ROLES if (role := (body.get("overrides") or {}).get(field))}
    for role in roles.values():
        yield passing(role, "ecs-tasks.amazonaws.com")


def _tasks(request: Request) -> Iterable[str]:
    cluster = str(request.body.get("cluster") or "default").rpartition("/")[2]
    names = request.body.get("tasks") or [request.body.get("task", "")]
    return [name if name.startswith("arn:") else request.arn(f"task/{cluster}/{name}") for name in names]


def _definition(request: Request) -> Iterable[str]:
    return [_revision(request, str(request.body.get("taskDefinition", "")))]


def _revision(request: Request, given: str) -> str:
    """A family without a revision means the newest, which the call does not tell."""
    whole = _arn(request, "task-definition", given)
    return whole if ":" in given.rpartition("/")[2] else f"{whole}:*"


def _list_tasks(request: Request) -> Iterator[Authorization]:
    """The reference names container instances, which only those tasks are authorised on that are listed by one; the
    tasks of a cluster are on ``*``, and ``ecs:cluster`` says whose they are
    (https://github.com/cdklabs/construct-hub/pull/1207, https://github.com/widdix/complete-aws-iam-reference/issues/74).
    """
    given = str(request.body.get("containerInstance") or "")
    resource = _arn(request, f"container-instance/{_cluster_name(request)}", given) if given else "*"
    yield Authorization(request.action, resource, {"ecs:cluster": tuple(_cluster(request))})


def _cluster_name(request: Request) -> str:
    return str(request.body.get("cluster") or "default").rpartition("/")[2]


def _services(request: Request) -> Iterable[str]:
    names = request.body.get("services") or [request.body.get("service") or request.body.get("serviceName", "")]
    return [name if name.startswith("arn:") else request.arn(f"service/{_cluster_name(request)}/{name}")
            for name in names]  # fmt: skip


def _create_service(request: Request) -> Iterator[Authorization]:
    (service,) = _services(request)
    yield from _tagged(request, service)


def _revisions(request: Request) -> Iterable[str]:
    return [_revision(request, name) for name in request.body.get("taskDefinitions") or ()]


def _tag(request: Request) -> Iterator[Authorization]:
    context = tags(pairs(request.body.get("tags"))) or tag_keys(request.body.get("tagKeys", ()))
    yield Authorization(request.action, request.body["resourceArn"], context)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(
        (
            "DeleteCluster",
            "DescribeClusters",
            "PutClusterCapacityProviders",
            "UpdateCluster",
            "UpdateClusterSettings",
        ),
        on(_cluster),
    ),
    **dict.fromkeys(("DeleteService", "DescribeServices", "UpdateService"), on(_services)),
    **dict.fromkeys(("DescribeTasks", "StopTask"), on(_tasks)),
    **dict.fromkeys(("ListTagsForResource", "TagResource", "UntagResource"), _tag),
    **dict.fromkeys(
        (
            "DescribeTaskDefinition",
            "DeregisterTaskDefinition",
            "ListClusters",
            "ListServices",
            "ListTaskDefinitionFamilies",
            "ListTaskDefinitions",
        ),
        everywhere,
    ),
    "CreateCluster": _create_cluster,
    "CreateService": _create_service,
    "DeleteTaskDefinitions": on(_revisions),
    "ListTasks": _list_tasks,
    "RegisterTaskDefinition": _register,
    "RunTask": _run,
}
