"""Who has only what ``awsrun policy`` prints can do all that awsrun does with a stack, and nothing to another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jobs_stack import LIGHT
from stack_shell import Shell

from awsrun.aws.clients import Cloud, offline
from awsrun.aws.context import LOCAL
from awsrun.aws.errors import DENIED, matches
from awsrun.jobs import rights as jobs
from awsrun.jobs.reading.reader import Reader
from awsrun.jobs.run import Run
from awsrun.jobs.site import locate
from awsrun.jobs.workers import engines
from awsrun.preflight import rights as preflight
from awsrun.reconcile import graph as graphs
from awsrun.reconcile import rights as stacks
from awsrun.reconcile.graph import Node
from awsrun.resources.models import SpecModels
from awsrun.resources.registry import KINDS, Kinds
from awsrun.spec.load import load, parse
from tests.recorded_cloud import RecordedCloud, User

BATCH = Path(__file__).parents[2] / "specs" / "batch.yaml"
TEXT = BATCH.read_text()


# What the embedded cloud never asks for, and why it is in the policy all the same.
ONLY_ON_AWS = {
    "servicequotas:GetAWSDefaultServiceQuota": "AWS has no value of its own for quotas that nobody touched",
    "ec2:DescribeInstanceTypes": "an account on AWS's free plan has few of them",
}


COMMANDS = ("plan", "apply", "submit", "results", "teardown")


@dataclass
class Team:
    """The stack of specs/batch.yaml and its users, who run commands; another stack, which is root's.

    Attributes:
        users: who has the policy ``--for`` each of `COMMANDS`, and who has that for ``all``.
        other: what the other stack put out.
    """

    cloud: RecordedCloud
    users: dict[str, User]
    folder: Path
    root: Shell
    other: dict[str, Any]

    def shell(self, who: str) -> Shell:
        return Shell(self.folder, self.users[who].env)

    def submit(self, *arguments: str) -> str:
        return str(self.shell("submit").json("submit", "job.py", *arguments)["run"])


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """The policies are made by the admin's command, from the spec alone, before anything is there."""
    cloud = RecordedCloud.make(tmp_path_factory.mktemp("team"))
    folder = tmp_path_factory.mktemp("work")
    (folder / "job.py").write_text(LIGHT)
    (folder / "other.yaml").write_text(TEXT.replace("stack: mnist", "stack: other"))
    (folder / "batch.yaml").write_text(TEXT)
    root = Shell(folder, cloud.env)
    root.awsrun("apply", "other.yaml", "--yes")
    users = {
        name: cloud.user(f"for-{name}", root.json("policy", "batch.yaml", "--for", name)["documents"])
        for name in (*COMMANDS, "all")
    }
    yield Team(cloud, users, folder, root, root.json("outputs", "other"))
    cloud.stop()


def test_each_policy_is_enough_for_its_commands_and_all_of_it_is_used(team: Team) -> None:
    """Five people, each with the policy for one command, take a stack from nothing to nothing."""
    _make(team)
    _look(team)
    _run(team)
    team.shell("teardown").awsrun("teardown", "mnist", "--yes")
    for command in COMMANDS:
        user = team.users[command]
        denied = {action for action, resource in user.denied() if "other" not in resource}
        assert denied == ({"dynamodb:UpdateItem"} if command == "results" else set()), command
        assert _named(command) - user.used() <= ONLY_ON_AWS.keys(), command


def _make(team: Team) -> None:
    apply, plan = team.shell("apply"), team.shell("plan")
    said = plan.awsrun("doctor", "batch.yaml", code=1).stdout  # a new account has no GPU quota
    assert "may not call batch:CancelJob, batch:CreateComputeEnvironment" in said, "doctor knows what this user lacks"
    plan.awsrun("plan", "batch.yaml", code=2)
    apply.awsrun("apply", "batch.yaml", "--yes")
    in_place = apply.write(TEXT.replace("max_vcpus: 64", "max_vcpus: 32"), "in-place.yaml")
    apply.awsrun("apply", in_place, "--yes")
    replaced = apply.write(TEXT.replace("[g4dn.xlarge]", "[g4dn.2xlarge]"), "replaced.yaml")
    assert "compute" in apply.awsrun("apply", replaced, "--yes").stdout
    assert "may make all of" in team.shell("all").awsrun("doctor", "batch.yaml", code=1).stdout


def _look(team: Team) -> None:
    shell = team.shell("plan")
    shell.awsrun("drift", "replaced.yaml")
    assert "ready" in shell.awsrun("status", "mnist").stdout
    listed = shell.json("status")
    assert [one["stack"] for one in listed] == ["mnist"], "another stack's status is not this user's to see"
    assert shell.awsrun("outputs", "mnist", "queue.name").stdout.strip() == "mnist-queue"


def _run(team: Team) -> None:
    shell, reader = team.shell("submit"), team.shell("results")
    run = team.submit("--grid", "lr=0.1,0.2", "--workers", "2", "--wait")
    assert reader.json("show", run)["image"].endswith("/mnist-images:latest, not used: workers were processes")
    assert [trial["state"] for trial in reader.json("results", run)["trials"]] == ["done", "done"]
    assert "training with lr" in reader.awsrun("logs", run, "0").stdout
    assert run in reader.awsrun("runs").stdout
    assert "training with lr" in shell.awsrun("logs", run).stdout
    (artifact,) = Run(run, cloud=_cloud(team.users["results"])).artifacts(0)
    assert artifact.read().startswith(b"lr was")
    long = team.submit("--grid", "lr=0.1,0.2", "--set", "gate=/never", "--workers", "1")
    assert "not authorized" in reader.awsrun("cancel", long, code=1).stderr, "who reads cannot cancel"
    for user in (team.users["submit"], team.users["results"]):
        _ask_why_it_waits(_cloud(user), run)
        _ask_why_it_waits(_cloud(user), long)  # of a single worker
    _call_off(team)
    shell.awsrun("cancel", long, "1")
    shell.awsrun("cancel", long)
    shell.awsrun("retry", long)
    shell.awsrun("cancel", long)
    shell.awsrun("resume", long)  # it goes on until the teardown


def _ask_why_it_waits(cloud: Cloud, run: str) -> None:
    """What ``show`` asks of a run whose workers have not started for minutes."""
    where, _ = locate(cloud, run)
    record = Reader(where.store, run).run()
    engines.of_run(where, record).diagnose(record)


def _call_off(team: Team) -> None:
    """What ``submit --wait`` does at the end of a run for which workers still wait."""
    run = team.submit("--grid", f"lr={','.join(str(n / 100) for n in range(64))}", "--set", "gate=/never")
    where, _ = locate(_cloud(team.users["submit"]), run)
    record = Reader(where.store, run).run()
    assert engines.of_run(where, record).dismiss(record, "over") > 0, "64 workers have no room on this machine"
    team.shell("submit").awsrun("cancel", run)


def _cloud(user: User) -> Cloud:
    return Cloud(user.session, LOCAL, user.cloud.endpoint)


def _named(command: str) -> set[str]:
    """What engine, jobs and checks name for a command; kinds are proved one by one in
    tests/contract/test_kinds_rights.py."""
    cloud, spec = offline(LOCAL), load(BATCH, SpecModels())
    where, verbs = stacks.where_jobs_run(spec, Kinds(cloud), cloud), stacks.VERBS.get(command, frozenset())
    rights = [right for right in stacks.engine(cloud, spec.stack) if right.verb in verbs]
    if command in jobs.VERBS:
        rights += jobs.rights(cloud, spec.stack, where, command)
    if command == "plan":
        rights += preflight.rights(cloud, spec.resources, spec.jobs)
    return {action for right in rights for action in right.actions}


EVERYTHING_ELSE = """
stack: lab
resources:
  data: {kind: s3.bucket, name: a-bucket-of-the-lab, versioning: true, expire_days: 9, purge: true}
  people: {kind: dynamodb.table, name: people-of-the-lab, hash_key: id, ttl: until, purge: true}
  images: {kind: ecr.repository, name: lab/images, keep: 3}
  logs: {kind: logs.group, name: /awsrun/lab-logs}
  machine: {kind: iam.role, name: lab-machine, service: ec2, read: [data], managed_policies: [AmazonSQSReadOnlyAccess]}
  profile: {kind: iam.instance_profile, name: lab-profile, role: machine}
  network: {kind: vpc, cidr: 10.20.0.0/16, max_azs: 2, private: nat}
  closed: {kind: vpc, cidr: 10.30.0.0/16, max_azs: 1, private: endpoints}
  web: {kind: security_group, vpc: network, ingress: [{port: 22, from: 203.0.113.0/24}]}
  compute:
    {kind: batch.compute_environment, name: lab-own, vpc: network, max_vcpus: 4, instance_profile: profile,
     security_groups: [web]}
  containers: {kind: batch.compute_environment, vpc: closed, fargate: true, max_vcpus: 4}
  queue: {kind: batch.job_queue, name: labs, compute_environments: [compute]}
  small: {kind: batch.job_queue, compute_environments: [containers]}
  train: {kind: batch.job_definition, name: a-job, image: python, memory_mib: 512, role: worker, log_group: logs}
  worker: {kind: iam.role, service: ecs-tasks, read_write: [people]}
  tiny: {kind: batch.job_definition, repository: images, fargate: true, vcpus: 0.25, memory_mib: 512}
  key: {kind: key_pair, name: lab-key}
  address: {kind: elastic_ip}
  server:
    {kind: ec2.instance, vpc: network, key_pair: key, instance_type: t3.micro, security_groups: [web],
     elastic_ip: address}
  tasks: {kind: ecs.cluster, name: lab-tasks}
  task: {kind: ecs.task_definition, name: lab-task, image: python, vcpus: 0.25, memory_mib: 512, role: worker}
  keeper: {kind: ecs.service, cluster: tasks, task_definition: task, vpc: network, desired_count: 0}
  mail: {kind: sqs.queue, name: lab-mail}
  setting: {kind: ssm.parameter, name: /lab/setting, value: data.name}
  answer:
    {kind: lambda.function, name: lab-answer, dead_letter: mail, read: [people],
     code: "def handler(event, context): return {}"}
  api: {kind: apigateway.rest_api, routes: {GET /: answer}}
  page: {kind: s3.site, name: a-page-of-the-lab, folder: "PAGE"}
jobs: {queue: queue, definition: train, bucket: data}
""".replace("PAGE", str(Path(__file__).parents[2] / "apps" / "bashoutter" / "page"))
BOUNDARY = "arn:aws:iam::123456789012:policy/lab"


def test_every_other_kind_names_of_ones_own_and_a_boundary(team: Team) -> None:
    """The stack is made, found unchanged and deleted by a user who has its policy, with a boundary for its roles."""
    spec = team.root.write(EVERYTHING_ELSE, "lab.yaml")
    made = {node.kind for text in (TEXT, EVERYTHING_ELSE) for node in _nodes(text)}
    assert made == set(KINDS) - {"ecr.image"}, "only images, which need a Docker engine, are in no spec here"
    team.cloud.client("iam").create_policy(PolicyName="lab", PolicyDocument=ANYTHING)
    user = team.cloud.user("lab", team.root.json("policy", spec, "--boundary", BOUNDARY)["documents"])
    shell = Shell(team.folder, {**user.env, "AWSRUN_BOUNDARY": BOUNDARY})
    shell.awsrun("apply", spec, "--yes")
    shell.awsrun("plan", spec)
    role = team.cloud.client("iam").get_role(RoleName=shell.json("outputs", "lab")["worker"]["name"])["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
    shell.awsrun("teardown", "lab", "--yes")
    assert {(action, resource) for action, resource in user.denied() if "other" not in resource} == set()


def _nodes(text: str) -> list[Node]:
    return list(graphs.build(parse(text, "spec.yaml", SpecModels()), Kinds(offline(LOCAL))).nodes.values())


Call = tuple[str, str, dict[str, Any]]
HERE = "us-east-1:123456789012"
TRUST = '{"Version": "2012-10-17", "Statement": []}'
ANYTHING = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


def _forbidden(team: Team) -> Iterator[tuple[str, Call]]:
    """Why it must not be, and the call."""
    bucket, network = team.other["results"]["name"], team.other["network"]
    role = f"arn:aws:iam::123456789012:role/awsrun/us-east-1/other/{team.other['worker']['name']}"
    yield "reads its objects", ("s3", "list_objects_v2", {"Bucket": bucket})
    yield "reads an object", ("s3", "get_object", {"Bucket": bucket, "Key": "a"})
    yield "writes an object", ("s3", "put_object", {"Bucket": bucket, "Key": "awsrun/a", "Body": b""})
    yield "deletes its bucket", ("s3", "delete_bucket", {"Bucket": bucket})
    yield "opens its bucket", ("s3", "delete_public_access_block", {"Bucket": bucket})
    yield "reads its record", ("dynamodb", "scan", {"TableName": "awsrun-other"})
    yield "reads its runs", ("dynamodb", "scan", {"TableName": "awsrun-other.runs"})
    yield "deletes its runs", ("dynamodb", "delete_table", {"TableName": "awsrun-other.runs"})
    yield "deletes its images", ("ecr", "delete_repository", {"repositoryName": "other-images", "force": True})
    yield "reads its logs", ("logs", "filter_log_events", {"logGroupName": "/awsrun/other/train/logs"})
    yield "deletes its logs", ("logs", "delete_log_group", {"logGroupName": "/awsrun/other/train/logs"})
    yield "stops its queue", ("batch", "update_job_queue", {"jobQueue": "other-queue", "state": "DISABLED"})
    submitted = {"jobName": "x", "tags": {"awsrun:stack": "mnist"}}
    mine = {"jobQueue": "mnist-queue", "jobDefinition": "mnist-train:1"}
    yield "runs on its queue", ("batch", "submit_job", {**mine, **submitted, "jobQueue": "other-queue"})
    yield "runs its job", ("batch", "submit_job", {**mine, **submitted, "jobDefinition": "other-train:1"})
    yield "hides a job of its own", ("batch", "submit_job", {**mine, "jobName": "x", "tags": {"awsrun:stack": "other"}})
    yield "deletes its VPC", ("ec2", "delete_vpc", {"VpcId": network["id"]})
    yield (
        "opens its network",
        (
            "ec2",
            "authorize_security_group_ingress",
            {"GroupId": network["security_group"], "IpPermissions": [{"IpProtocol": "-1"}]},
        ),
    )
    tag = [{"Key": "awsrun:stack", "Value": "mnist"}]
    yield "makes its VPC its own", ("ec2", "create_tags", {"Resources": [network["id"]], "Tags": tag})
    subnet = [{"ResourceType": "subnet", "Tags": tag}]
    builds = {"VpcId": network["id"], "CidrBlock": "10.10.1.192/28", "TagSpecifications": subnet}
    yield "builds in its VPC", ("ec2", "create_subnet", builds)
    yield "makes what nobody owns", ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/24"})
    yield (
        "makes what another owns",
        (
            "ec2",
            "create_vpc",
            {
                "CidrBlock": "10.0.0.0/24",
                "TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "awsrun:stack", "Value": "other"}]}],
            },
        ),
    )
    name = role.rpartition("/")[2]
    yield "reads its role", ("iam", "get_role", {"RoleName": name})
    yield (
        "widens its role",
        ("iam", "put_role_policy", {"RoleName": name, "PolicyName": "x", "PolicyDocument": ANYTHING}),
    )
    yield "deletes its role", ("iam", "delete_role", {"RoleName": name})
    made = {"RoleName": "mnist-x", "AssumeRolePolicyDocument": TRUST}
    yield "makes a role outside the path", ("iam", "create_role", made)
    yield "makes a role for it", ("iam", "create_role", {**made, "Path": "/awsrun/us-east-1/other/"})
    container = {"image": "x", "jobRoleArn": role, "resourceRequirements": [{"type": "VCPU", "value": "1"}]}
    definition = {"jobDefinitionName": "mnist-x", "type": "container", "containerProperties": container}
    yield "passes its role", ("batch", "register_job_definition", definition)
    yield (
        "rises itself",
        ("iam", "attach_user_policy", {"UserName": "for-all", "PolicyArn": f"{_AWS}/AdministratorAccess"}),
    )
    yield "makes users", ("iam", "create_user", {"UserName": "another"})


_AWS = "arn:aws:iam::aws:policy"


def test_another_stack_is_out_of_reach(team: Team) -> None:
    reached = {}
    for why, (service, operation, arguments) in _forbidden(team):
        try:
            getattr(team.users["all"].client(service), operation)(**arguments)
            reached[why] = "it was done"
        except ClientError as error:
            if not matches(error, DENIED):
                reached[why] = str(error)
    assert reached == {}


def test_a_job_of_another_stack_cannot_be_taken_over_and_stopped(team: Team) -> None:
    queues = team.cloud.client("batch")
    tags = {"awsrun:stack": "other"}
    theirs = queues.submit_job(jobName="t", jobQueue="other-queue", jobDefinition="other-train", tags=tags)
    for call in (
        lambda mine: mine.tag_resource(resourceArn=theirs["jobArn"], tags={"awsrun:stack": "mnist"}),
        lambda mine: mine.terminate_job(jobId=theirs["jobId"], reason="x"),
    ):
        with pytest.raises(ClientError, match="not authorized"):
            call(team.users["all"].client("batch"))


def test_commands_on_another_stack_are_denied_in_words(team: Team) -> None:
    for command in (("apply", "other.yaml", "--yes"), ("teardown", "other", "--yes"), ("outputs", "other")):
        said = team.shell("all").awsrun(*command, code=1).stderr
        assert "is not authorized to perform: dynamodb:" in said, command
    assert team.root.awsrun("plan", "other.yaml").returncode == 0, "nothing of it was changed"
