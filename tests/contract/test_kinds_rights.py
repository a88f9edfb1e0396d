"""Each kind's verbs work for an IAM user who has the rights that the kind names and no others, and use all of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.aws.documents import documents
from awsrun.aws.rights import Right
from awsrun.aws.tags import PURGE
from awsrun.resources.kind import diff
from awsrun.resources.registry import KINDS
from tests import docker_engine
from tests.contract.kinds_bench import Bench
from tests.contract.kinds_samples import SAMPLES, SQS, Sample, spec
from tests.contract.test_kinds import MANIFEST
from tests.recorded_cloud import RecordedCloud, User

# What the embedded cloud never asks for, kind by kind, and why it is in the policy all the same.
ONLY_ON_AWS: dict[str, dict[str, str]] = {
    "vpc.endpoint": {"route53:AssociateVPCWithHostedZone": "private DNS names of interface endpoints, which it lacks"},
    "ec2.instance": {"iam:CreateServiceLinkedRole": "the first spot instance of an account makes EC2's own role"},
    "lambda.function": dict.fromkeys(
        ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy"),
        "Lambda lets itself pull from a repository in the caller's name",
    ),
}

# What is used only where something goes wrong, for the reason that is told then.
IN_TROUBLE = {"ecs.service": {"ecs:DescribeTasks"}}

# What is used where there is a Docker engine to push with.
PUSHING = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:GetAuthorizationToken",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedCloud]:
    cloud = RecordedCloud.make(tmp_path_factory.mktemp("rights"))
    yield cloud
    docker_engine.forget(docker_engine.repository(cloud.endpoint, "*"))
    cloud.stop()


def rights_of(bench: Bench, sample: Sample) -> dict[str, list[Right]]:
    """What the kinds of a sample name for all its specs, those of its edits included."""
    every = dict(bench.nodes)
    for number, edit in enumerate(sample.edits):
        other = Bench(bench.cloud, bench.stack, {**sample.specs, **(edit.specs or {})})
        every |= {f"{name}-{number}": one for name, one in other.nodes.items()}
    found: dict[str, list[Right]] = {}
    for kind in {one.kind for one in every.values()}:
        specs = {name: one for name, one in every.items() if one.kind == kind}
        found[kind] = list(bench.kind(next(iter(specs.values()))).rights(bench.stack, specs))
    return found


def live(bench: Bench, sample: Sample, root: Any) -> None:
    """All that is ever done to a resource: made, found, changed in each way, tagged, filled, emptied, deleted."""
    name, node = sample.node, bench.nodes[sample.node]
    bench.make()
    kind, id = bench.kind(node), bench.ids[name]
    for edit in sample.edits:
        if edit.by_hand is not None:
            edit.by_hand(root, id)
        for changed, wanted in (edit.specs or sample.specs).items():
            bench.put(changed, wanted)
        bench.make()
        bench.settle(name)
        for changed, wanted in sample.specs.items():
            bench.put(changed, wanted)
        bench.settle(name)
        assert not diff(bench.wanted(name), bench.seen(name).state)
    for scope in (bench.stack, None):
        assert id in {one.id for one in type(kind)(bench.cloud).find(scope)}
    if kind.taggable:
        kind.tag(id, {PURGE: "true"}, ())
        kind.tag(id, {}, (PURGE,))
    if kind.kind == "ecs.cluster":
        task = run_task(root, id)
        kind.delete(id, bench.seen(name))
        root("ecs").get_waiter("tasks_stopped").wait(cluster=id, tasks=[task], WaiterConfig={"Delay": 1})
    if kind.kind in ("s3.bucket", "s3.site"):
        root("s3").put_object(Bucket=id, Key="a", Body=b"x")
    if kind.kind == "ecr.repository":
        root("ecr").put_image(repositoryName=id, imageTag="latest", imageManifest=MANIFEST)
    if kind.holds_data:
        assert kind.holds(id) or kind.kind in ("dynamodb.table", "sqs.queue")
        kind.empty(id)
    kind.holder(id, bench.seen(name))
    for other in reversed(bench.order()):
        bench.remove(other)


def run_task(root: Any, cluster: str) -> str:
    """Somebody runs a task in a cluster; its ARN."""
    container = {"name": "main", "image": "busybox", "command": ["sleep", "600"], "stopTimeout": 2}
    definition = root("ecs").register_task_definition(
        family=f"f{uuid.uuid4().hex}", containerDefinitions=[container], cpu="256", memory="512",
        requiresCompatibilities=["FARGATE"], networkMode="awsvpc",
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    subnet = root("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    made = root("ecs").run_task(
        cluster=cluster, taskDefinition=definition, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
    )  # fmt: skip
    return str(made["tasks"][0]["taskArn"])


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_needs_just_what_it_names(recorded: RecordedCloud, name: str) -> None:
    named: set[str] = set()
    used: set[str] = set()
    for sample in (one for one in SAMPLES if one.kind == name):
        stack = f"k{uuid.uuid4().hex[:10]}"
        rights = rights_of(Bench(Cloud(None, LOCAL, None), stack, sample.specs), sample)
        user = recorded.user(stack, documents(right for listed in rights.values() for right in listed))
        live(Bench(Cloud(user.session, LOCAL, recorded.endpoint), stack, sample.specs), sample, recorded.client)
        named |= {action for right in rights[name] for action in right.actions}
        used |= user.used()
        _assert_denied_only_of_others(user, stack)
    used |= IN_TROUBLE.get(name, set())
    if docker_engine.client() is None:
        used |= PUSHING & named
    assert named - used == ONLY_ON_AWS.get(name, {}).keys()


def _assert_denied_only_of_others(user: User, stack: str) -> None:
    """A look at all stacks passes over what it may not read; nothing else was tried."""
    for action, resource in user.denied():
        assert action.partition(":")[2].startswith(("Get", "List")) and stack not in resource, (action, resource)


BOUNDARY = "arn:aws:iam::123456789012:policy/lab"
ANYTHING = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


def test_with_a_boundary_only_bounded_roles_are_made_and_widened(recorded: RecordedCloud) -> None:
    root, stack = recorded.client("iam"), f"k{uuid.uuid4().hex[:10]}"
    root.create_policy(PolicyName="lab", PolicyDocument=ANYTHING)
    bounded = replace(LOCAL, boundary=BOUNDARY)
    specs = {"worker": spec("iam.role", service="ec2", jobs=True, managed_policies=["AmazonS3ReadOnlyAccess"])}
    rights = list(Bench(Cloud(None, bounded, None), stack, specs).kind(specs["worker"]).rights(stack, specs))
    user = recorded.user(stack, documents(rights))
    bench = Bench(Cloud(user.session, bounded, recorded.endpoint), stack, specs)
    bench.make()
    name = bench.ids["worker"]
    assert root.get_role(RoleName=name)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY

    root.delete_role_permissions_boundary(RoleName=name)
    mine = user.client("iam")
    for call in (
        lambda: mine.put_role_policy(RoleName=name, PolicyName="awsrun", PolicyDocument=ANYTHING),
        lambda: mine.update_assume_role_policy(RoleName=name, PolicyDocument=ANYTHING),
        lambda: mine.create_role(RoleName="x", Path=f"/awsrun/us-east-1/{stack}/", AssumeRolePolicyDocument="{}"),
        lambda: mine.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=SQS),
        lambda: mine.delete_role_permissions_boundary(RoleName=name),
    ):
        with pytest.raises(ClientError, match="not authorized"):
            call()
    (change,) = diff(bench.wanted("worker"), bench.seen("worker").state)
    assert (change.field, change.old, change.new) == ("boundary", "", BOUNDARY)
    bench.settle("worker")
    mine.put_role_policy(RoleName=name, PolicyName="awsrun", PolicyDocument=ANYTHING)  # as wide as the boundary
    bench.settle("worker")
    assert "iam:PutRolePermissionsBoundary" in user.used()
    bench.remove("worker")
