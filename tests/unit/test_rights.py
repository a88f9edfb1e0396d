"""What kinds, engine, jobs and ssh say they need is what AWS understands, and no wider than AWS allows."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from iam_reference import fits, mistakes, required

from awsrun.aws.clients import Cloud, offline
from awsrun.aws.context import LOCAL, Context
from awsrun.aws.rights import ANY, Right, allow
from awsrun.jobs import rights as jobs
from awsrun.preflight import rights as preflight
from awsrun.reconcile import rights as stacks
from awsrun.resources.kind import replace_fields
from awsrun.resources.models import SpecModels
from awsrun.resources.registry import KINDS, Kinds, kind
from awsrun.spec.load import load, parse
from awsrun.spec.stack import StackSpec
from awsrun.ssh import rights as ssh

CLOUD = offline(LOCAL)
SPECS = Path(__file__).parents[2] / "specs"
BATCH = SPECS / "batch.yaml"
# A definition is tagged in the call that registers it, before its revision, the only thing with tags, has a number.
BEYOND_THE_REFERENCE = "batch:TagResource knows no resource like arn:aws:batch:us-east-1:123456789012:job-definition/"
NAMED = """
stack: mine
resources:
  data: {kind: s3.bucket, name: a-bucket-of-mine, purge: true}
  people: {kind: dynamodb.table, name: people, hash_key: id}
  images: {kind: ecr.repository, name: team/images}
  logs: {kind: logs.group, name: /awsrun/elsewhere}
  worker: {kind: iam.role, name: the-worker, service: ecs-tasks, managed_policies: [AmazonSQSReadOnlyAccess]}
  network: {kind: vpc}
  compute: {kind: batch.compute_environment, name: the-compute, vpc: network, max_vcpus: 4}
  queue: {kind: batch.job_queue, name: the-queue, compute_environments: [compute]}
  train: {kind: batch.job_definition, name: the-job, image: python, memory_mib: 512, role: worker, log_group: logs}
"""


def everything(spec: StackSpec, cloud: Cloud = CLOUD) -> list[Right]:
    kinds = Kinds(cloud)
    where = stacks.where_jobs_run(spec, kinds, cloud)
    found = [one for command in stacks.VERBS for one in stacks.rights(spec, kinds, cloud, command)]
    found += [*preflight.rights(cloud, spec.resources, spec.jobs), *ssh.rights(cloud, spec.stack)]
    return found + [one for command in jobs.VERBS for one in jobs.rights(cloud, spec.stack, where, command)]


def named() -> StackSpec:
    return parse(NAMED, "named.yaml", SpecModels())


def on(rights: Iterable[Right], action: str) -> set[str]:
    """The resources on which ``action`` is wanted."""
    return {resource for right in rights if action in right.actions for resource in right.resources}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_says_what_its_verbs_need(name: str) -> None:
    made = kind(name)
    verbs = {right.verb for right in made(CLOUD).rights("mnist", {})}
    assert verbs <= {"find", "read", "create", "update", "tag", "delete", "empty", "adopt"}
    assert {"find", "create", "delete"} <= verbs
    assert ("tag" in verbs) == made.taggable
    changeable = {field.name for field in dataclasses.fields(made.State)} - replace_fields(made.State)
    assert ("update" in verbs) == bool(changeable), f"what can be changed in place: {changeable}"
    assert ("empty" in verbs) == made.holds_data


def networks() -> StackSpec:
    """Both ways out of private subnets, in every zone."""
    both = "".join(
        f"  {how}: {{kind: vpc, cidr: 10.{n}.0.0/16, private: {how}, private_per_az: true}}\n"
        for n, how in enumerate(("nat", "endpoints"))
    )
    return parse(f"stack: nets\nresources:\n{both}", "nets.yaml", SpecModels())


def web() -> StackSpec:
    """Functions behind an API."""
    function = "{kind: lambda.function, code: 'def handler(event, context): pass'}"
    api = "{kind: apigateway.rest_api, routes: {GET /items: list}}"
    return parse(f"stack: web\nresources:\n  list: {function}\n  api: {api}\n", "web.yaml", SpecModels())


def servers() -> StackSpec:
    """One with all that a server may have, and one that is bought as spot."""
    fields = "vpc: net, role: may, elastic_ip: fixed, key_pair: key, ami: /mine/image"
    return parse(
        "stack: servers\nresources:\n  net: {kind: vpc}\n  key: {kind: key_pair}\n  fixed: {kind: elastic_ip}\n"
        f"  may: {{kind: iam.role, service: ec2}}\n  web: {{kind: ec2.instance, {fields}}}\n"
        "  spot: {kind: ec2.instance, vpc: net, spot: true}\n",
        "servers.yaml",
        SpecModels(),
    )


STACKS = {
    "batch": load(BATCH, SpecModels()),
    "named": named(),
    "networks": networks(),
    "servers": servers(),
    "web": web(),
}


@pytest.mark.parametrize("spec", STACKS.values(), ids=STACKS)
def test_rights_are_what_the_reference_knows_and_no_wider(spec: StackSpec) -> None:
    found = {mistake for right in everything(spec) for mistake in mistakes(right)}
    assert {one for one in found if not one.startswith(BEYOND_THE_REFERENCE)} == set()


def test_the_check_against_the_reference_can_fail() -> None:
    table = "arn:aws:dynamodb:us-east-1:123456789012:table/x"
    assert mistakes(allow("read", "dynamodb", "Scan"))[0].endswith("* is too wide")
    assert mistakes(allow("read", "dynamodb", "Skan", table)) == ["dynamodb:Skan is not an action of AWS"]
    assert "no resource like" in mistakes(allow("read", "s3", "GetObject", "arn:aws:s3:::bucket"))[0]
    passed = ("StringEquals", "iam:PassedToService", ("ec2.amazonaws.com",))
    assert "no condition key" in mistakes(allow("read", "dynamodb", "Scan", table, when=[passed]))[0]


def test_where_an_action_asks_for_several_resources_all_are_named() -> None:
    """A subnet is made in a VPC: a policy that names the subnet alone allows nothing."""
    found = everything(load(BATCH, SpecModels())) + everything(networks())
    for action in sorted({action for right in found for action in right.actions}):
        resources = on(found, action)
        lacking = [p for p in required(action) if ANY not in resources and not any(fits(r, p) for r in resources)]
        assert not lacking, action


def test_names_of_the_users_own_are_named_and_no_others() -> None:
    found = everything(named())
    here = "us-east-1:123456789012"
    assert "arn:aws:s3:::a-bucket-of-mine" in on(found, "s3:DeleteBucket")
    assert f"arn:aws:dynamodb:{here}:table/people" in on(found, "dynamodb:DeleteTable")
    assert f"arn:aws:ecr:{here}:repository/team/images" in on(found, "ecr:DeleteRepository")
    assert f"arn:aws:logs:{here}:log-group:/awsrun/elsewhere" in on(found, "logs:DeleteLogGroup")
    assert f"arn:aws:logs:{here}:log-group:/awsrun/elsewhere:*" in on(found, "logs:FilterLogEvents")
    assert f"arn:aws:batch:{here}:compute-environment/the-compute" in on(found, "batch:DeleteComputeEnvironment")
    assert on(found, "s3:PutObject") == {"arn:aws:s3:::a-bucket-of-mine/awsrun/*"}
    submitted = {f"arn:aws:batch:{here}:{one}" for one in ("job-queue/the-queue", "job-definition/the-job:*", "job/*")}
    assert on(found, "batch:SubmitJob") == submitted
    # A role's own name does not matter: it lies below the stack's path, whatever it is called.
    assert on(found, "iam:CreateRole") == {"arn:aws:iam::123456789012:role/awsrun/us-east-1/mine/*"}


def test_derived_bucket_names_of_another_stack_that_begins_alike_do_not_fit() -> None:
    (pattern,) = on(everything(load(BATCH, SpecModels())), "s3:DeleteBucket")
    bucket = Kinds(CLOUD)["s3.bucket"]
    spec = bucket.Spec.model_validate({"kind": "s3.bucket"})
    regex = re.escape(pattern).replace(r"\*", ".*")
    assert re.fullmatch(regex, bucket.arn(bucket.physical("mnist", "results", spec)))
    assert not re.fullmatch(regex, bucket.arn(bucket.physical("mnist-two", "results", spec)))


def test_only_managed_policies_of_the_spec_may_be_attached() -> None:
    (right,) = {r for r in everything(named()) if "iam:AttachRolePolicy" in r.actions}
    ((operator, key, values),) = right.when
    assert (operator, key) == ("ArnEquals", "iam:PolicyARN")
    assert {value.rpartition("/")[2] for value in values} == {
        "AmazonSQSReadOnlyAccess",
        "AmazonEC2ContainerServiceforEC2Role",
    }


def test_roles_are_passed_to_named_services_only() -> None:
    passing = [right for right in everything(load(BATCH, SpecModels())) if "iam:PassRole" in right.actions]
    services = {value for right in passing for _, key, values in right.when if "Passed" in key for value in values}
    assert services == {"ec2.amazonaws.com", "ecs-tasks.amazonaws.com"}
    assert all(right.when for right in passing)


def test_a_plan_needs_nothing_that_changes_anything() -> None:
    changing = re.compile(r":(Add|Attach|Authorize|Create|Delete|Detach|Modify|Pass|Put|Register|Submit|Tag|Update)")
    for rights in (
        stacks.rights(load(BATCH, SpecModels()), Kinds(CLOUD), CLOUD, "plan"),
        (r for r in everything(load(BATCH, SpecModels())) if r.verb in ("find", "read", "look", "results")),
    ):
        assert not [action for right in rights for action in right.actions if changing.search(action)]


def test_kinds_that_a_spec_does_not_have_are_looked_for_and_no_more() -> None:
    small = parse("stack: small\nresources:\n  t: {kind: dynamodb.table, hash_key: id}\n", "s.yaml", SpecModels())
    found = everything(small)
    assert on(found, "batch:DescribeJobQueues") == {ANY}
    assert not on(found, "batch:CreateJobQueue") and not on(found, "ec2:CreateVpc") and not on(found, "iam:PassRole")
    assert not on(found, "batch:SubmitJob"), "a stack without jobs"


def test_arns_follow_the_partition() -> None:
    china = offline(Context("aws", region="cn-north-1", account="123456789012"))
    resources = {r for right in everything(load(BATCH, SpecModels()), china) for r in right.resources if r != ANY}
    assert all(resource.startswith("arn:aws-cn:") for resource in resources)
