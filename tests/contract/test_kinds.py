"""The contract of `awsrun.resources.kind.Kind`, for every kind there is, on the embedded cloud."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL, pinned
from awsrun.aws.errors import matches
from awsrun.aws.tags import PURGE
from awsrun.resources.kind import UNKNOWN, Found, Kind, Refs, diff
from awsrun.resources.registry import KINDS
from awsrun.spec.references import ResourceSpec
from tests.contract.kinds_bench import Bench
from tests.contract.kinds_samples import SAMPLES, Edit, Sample, spec

each_kind = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.kind}-{sample.node}")
each_edit = pytest.mark.parametrize(
    ("sample", "edit"),
    [
        pytest.param(sample, edit, id=f"{sample.kind}-{edit.what.replace(' ', '_')}")
        for sample in SAMPLES
        for edit in sample.edits
    ],
)


@pytest.fixture
def cloud(local_cloud: Any) -> Cloud:
    import boto3

    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=LOCAL.region)
    return Cloud(session, LOCAL, local_cloud.endpoint)


@pytest.fixture(scope="module")
def ireland(local_cloud: Any) -> Cloud:
    """Another region, whose clients serve all tests."""
    import boto3

    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="eu-west-1")
    return Cloud(session, pinned(LOCAL, "eu-west-1", str(LOCAL.account)), local_cloud.endpoint)


@pytest.fixture
def bench(cloud: Cloud, sample: Sample) -> Bench:
    return Bench(cloud, unique(), sample.specs)


def unique() -> str:
    return f"k{uuid.uuid4().hex[:10]}"


def subject(bench: Bench, sample: Sample) -> Kind[Any, Any]:
    return bench.kind(bench.nodes[sample.node])


def found(kind: Kind[Any, Any], stack: str | None, name: str) -> list[Found]:
    """What a new instance of the kind finds under ``name``: it must not live on what an older one remembers."""
    return [one for one in type(kind)(kind.cloud).find(stack) if one.name == name]


def test_every_kind_has_a_sample() -> None:
    assert {sample.kind for sample in SAMPLES} == set(KINDS)


@each_kind
def test_a_life(bench: Bench, sample: Sample, ireland: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Created, found by its tags, by its stack alone, as wanted; tagged; deleted, absent, found no more.

    No verb sleeps; what is not there is harmless.
    """
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("a verb slept"))
    bench.make()
    kind, name = subject(bench, sample), sample.node
    seen, owner = bench.seen(name), bench.owner(name, bench.wanted(name))
    assert seen.phase == "ready"
    assert diff(bench.wanted(name), seen.state) == ()
    assert {"id", "arn"} & set(seen.outputs)
    if kind.listed:
        outputs = bench.outputs("", name)
        assert kind.Spec.outputs, "others may name nothing of it"
        assert all(isinstance(outputs[one], (str, int, float)) for one in kind.Spec.outputs)

    (one,) = found(kind, bench.stack, name)
    assert one.id == bench.ids[name]
    assert owner.tags.items() <= one.tags.items(), "tags did not go on in the create call"
    assert one.seen in (None, seen), "the list told something else than a read"

    for other in (unique(), bench.stack[:-1]):  # the second is the start of this one's name
        assert found(kind, other, name) == []
    assert one.id in {other.id for other in found(kind, None, name)}
    there = type(kind)(ireland)
    assert one.id not in {other.id for other in there.find(bench.stack)}, "a stack of its name elsewhere has it too"

    if kind.taggable:
        kind.tag(one.id, {PURGE: "true", "team": "a"}, ())
        assert found(kind, bench.stack, name)[0].tags == {**one.tags, PURGE: "true", "team": "a"}
        kind.tag(one.id, {}, (PURGE, "team"))
    assert found(kind, bench.stack, name)[0].tags == one.tags

    for node in reversed(bench.order()):
        bench.remove(node)
    assert kind.read(one.id).phase == "absent"
    assert found(kind, bench.stack, name) == []
    assert kind.holds(one.id) == 0
    harmless(kind, lambda: kind.delete(one.id, seen))
    harmless(kind, lambda: kind.tag(one.id, {"team": "a"}, ()))


def harmless(kind: Kind[Any, Any], verb: Any) -> None:
    """It does nothing, or raises what the kind lists as "not there" or as "look again"."""
    try:
        verb()
    except ClientError as error:
        assert matches(error, kind.absent | kind.retry), f"listed neither in absent nor in retry: {error}"


@each_edit
def test_a_difference_is_seen_and_mended_in_place(bench: Bench, sample: Sample, edit: Edit, local_cloud: Any) -> None:
    bench.make()
    name = sample.node
    if edit.by_hand is not None:
        edit.by_hand(local_cloud.client, bench.ids[name])
    for changed, new in (edit.specs or {}).items():
        bench.put(changed, new)
    bench.make()
    changes = diff(bench.wanted(name), bench.seen(name).state)
    assert {change.field for change in changes} == edit.fields
    assert not any(change.replace for change in changes)
    bench.settle(name)
    if edit.specs:  # and back again
        for changed in edit.specs:
            bench.put(changed, sample.specs[changed])
        bench.settle(name)


@each_kind
def test_what_has_no_owner_tags_is_foreign(bench: Bench, sample: Sample) -> None:
    name = sample.node
    bench.make_before(name)
    kind, state = subject(bench, sample), bench.wanted(name)
    if not kind.taggable:
        pytest.skip("it is whose what it is part of is")
    untagged = replace(bench.owner(name, state), tags={"awsrun": "no"})
    bench.ids[name] = kind.create(state, untagged)
    for stack in (bench.stack, None):
        assert bench.ids[name] not in {one.id for one in kind.find(stack, {untagged.physical})}


@each_kind
def test_a_name_that_is_taken_is_an_error_of_its_own(bench: Bench, sample: Sample) -> None:
    kind, name = subject(bench, sample), sample.node
    if not kind.exists:
        pytest.skip("AWS makes a second one")
    bench.make()
    with pytest.raises(ClientError) as caught:
        bench.create(name)
    assert matches(caught.value, kind.exists), f"not listed in exists: {caught.value}"


@pytest.mark.parametrize("name", ["network/routes", "network/s3"])
def test_a_token_goes_with_the_create_call(cloud: Cloud, name: str) -> None:
    bench = Bench(cloud, unique(), {"network": spec("vpc", max_azs=1)})
    bench.make_before(name)
    kind, state = bench.kind(bench.nodes[name]), bench.wanted(name)
    sent: list[Any] = []
    cloud.write("ec2").meta.events.register("provide-client-params.ec2", lambda params, **_: sent.append(params))
    owner = bench.owner(name, state)
    kind.create(state, owner)
    assert kind.identity == "token"
    assert [params["ClientToken"] for params in sent] == [owner.token]


class Unknowns(Refs):
    """References to what is not there yet."""

    stack, name, account, region = "s", "n", "123456789012", "us-east-1"

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def output(self, name: str, key: str) -> Any:
        return UNKNOWN

    def arn(self, name: str) -> str:
        return f"arn:aws:s3:::{name}"

    def spec(self, name: str) -> ResourceSpec:
        return self.bench.nodes[name]


@each_kind
def test_what_is_wanted_can_be_said_before_anything_is_there(bench: Bench, sample: Sample) -> None:
    bench.cloud.calls.clear()
    kind, node = subject(bench, sample), bench.nodes[sample.node]
    state = kind.lower(node, Unknowns(bench))
    assert isinstance(state, kind.State)
    assert kind.physical("s", "n", node, state)
    assert not bench.cloud.calls


@pytest.mark.parametrize(
    ("sample", "blocker"),
    [
        pytest.param(sample, blocker, id=f"{sample.kind}-by-{blocker}")
        for sample in SAMPLES
        for blocker in {
            "network": ["network/public-0"],
            "results": ["object"],
            "page": ["object"],
            "images": ["image"],
        }.get(sample.node, [])
    ],
)
def test_what_is_in_the_way_is_an_error_of_its_own(
    bench: Bench, sample: Sample, blocker: str, local_cloud: Any
) -> None:
    """The errors that real AWS and the plain emulator both raise; the strict cloud's tests have the others."""
    bench.make()
    kind, id = subject(bench, sample), bench.ids[sample.node]
    for node in reversed(bench.order()):
        if node not in (sample.node, blocker):
            bench.remove(node)
    if blocker == "object":
        local_cloud.client("s3").put_object(Bucket=id, Key="a", Body=b"x")
    if blocker == "image":
        local_cloud.client("ecr").put_image(repositoryName=id, imageTag="latest", imageManifest=MANIFEST)
    with pytest.raises(ClientError) as caught:
        bench.remove(sample.node)
    assert matches(caught.value, kind.blocked), f"not listed in blocked: {caught.value}"


MANIFEST = """{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "config":
{"mediaType": "application/vnd.docker.container.image.v1+json", "size": 7, "digest": "sha256:%s"}, "layers": []}""" % (
    "0" * 64
)


def test_a_role_is_blocked_by_its_profile(cloud: Cloud) -> None:
    bench = Bench(cloud, unique(), {"r": spec("iam.role", service="ec2"), "p": spec("iam.instance_profile", role="r")})
    bench.make()
    with pytest.raises(ClientError) as caught:
        bench.remove("r")
    assert matches(caught.value, bench.kind(bench.nodes["r"]).blocked), caught.value


def _versions(client: Any, bucket: str) -> None:
    s3 = client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="a", Body=body)
    s3.delete_object(Bucket=bucket, Key="a")


def _image(client: Any, repository: str) -> None:
    for tag in ("a", "b"):
        client("ecr").put_image(repositoryName=repository, imageTag=tag, imageManifest=MANIFEST)


def _item(client: Any, table: str) -> None:
    client("dynamodb").put_item(TableName=table, Item={"id": {"S": "a"}, "at": {"N": "1"}})


def _message(client: Any, queue: str) -> None:
    sqs = client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody="a")


@pytest.mark.parametrize(
    ("sample", "fill"),
    [
        pytest.param(sample, fill, id=sample.kind)
        for name, fill in (
            ("results", _versions),
            ("page", _versions),
            ("images", _image),
            ("table", _item),
            ("work", _message),
        )
        for sample in SAMPLES
        if sample.node == name
    ],
)
def test_what_holds_data_says_so_and_can_be_emptied(bench: Bench, sample: Sample, fill: Any, local_cloud: Any) -> None:
    bench.make()
    kind, id = subject(bench, sample), bench.ids[sample.node]
    assert kind.holds_data
    assert kind.holds(id) == 0
    fill(local_cloud.client, id)
    assert kind.holds(id) > 0
    for _ in range(3):
        if kind.holds(id):
            kind.empty(id)
    assert kind.holds(id) == 0
    bench.remove(sample.node)


def test_a_bucket_of_ones_own_that_is_there_is_not_made_again(cloud: Cloud, local_cloud: Any) -> None:
    """In us-east-1 CreateBucket would succeed, and take over a bucket that was there before."""
    bench = Bench(cloud, unique(), {"results": spec("s3.bucket")})
    owner = bench.owner("results", bench.wanted("results"))
    local_cloud.client("s3").create_bucket(Bucket=owner.physical)
    with pytest.raises(ClientError) as caught:
        bench.create("results")
    assert matches(caught.value, bench.kind(bench.nodes["results"]).exists)


def test_a_new_revision_is_listed_before_the_old_one(cloud: Cloud) -> None:
    old = spec("batch.job_definition", memory_mib=512, image="python:3.11")
    bench = Bench(cloud, unique(), {"train": old})
    bench.make()
    first = bench.ids["train"]
    bench.put("train", spec("batch.job_definition", memory_mib=1024, image="python:3.11"))
    changes = diff(bench.wanted("train"), bench.seen("train").state)
    assert [(change.field, change.replace) for change in changes] == [("memory_mib", True)]
    second = bench.create("train")
    kind = bench.kind(bench.nodes["train"])
    assert [one.id for one in kind.find(bench.stack)] == [second, first]
    kind.delete(first, kind.read(first))
    assert [one.id for one in kind.find(bench.stack)] == [second]


@pytest.mark.parametrize("kind", ["batch.job_definition", "ecs.task_definition"])
def test_new_definitions_have_an_init_process_and_older_ones_are_left_alone(cloud: Cloud, kind: str) -> None:
    plain = spec(kind, memory_mib=512, image="python:3.11")
    bench = Bench(cloud, unique(), {"train": plain})
    bench.make()
    state = bench.seen("train").state
    assert state is not None and state.init
    assert getattr(state, "shared_memory_mib", 64) == 64, "an eighth of the memory, on machines"
    bench.put("train", plain.model_copy(update={"init": False}))
    changes = diff(bench.wanted("train"), state)
    assert [(change.field, change.old, change.new, change.replace) for change in changes] == [
        ("init", True, False, True)
    ]
    without = bench.kind(bench.nodes["train"]).read(bench.create("train"))
    assert without.state is not None and without.state.init is False
    bench.put("train", plain)
    assert not diff(bench.wanted("train"), without.state), "an upgrade of awsrun alone would replace it"


def test_a_group_lets_go_of_other_groups_before_it_goes(cloud: Cloud) -> None:
    """Two groups that name each other hold each other: each must revoke, before either can be deleted."""
    rule = {"port": 80, "from_group": "a"}
    specs = {"network": spec("vpc", max_azs=1), "a": spec("security_group", vpc="network")}
    bench = Bench(cloud, unique(), {**specs, "b": spec("security_group", vpc="network", ingress=[rule])})
    bench.make()
    order: list[str] = []
    cloud.write("ec2").meta.events.register("before-send", lambda event_name, **_: order.append(event_name))
    bench.remove("b")
    assert order == ["before-send.ec2.RevokeSecurityGroupIngress", "before-send.ec2.DeleteSecurityGroup"]


def test_a_plan_of_the_sweeps_stack_costs_few_calls(cloud: Cloud) -> None:
    """A second apply may take 40 calls in all; 6 are the engine's own.  It looks at the kinds that the spec has."""
    from pathlib import Path

    from awsrun.resources.models import SpecModels
    from awsrun.resources.registry import kind
    from awsrun.spec.load import load

    written = load(Path(__file__).parents[2] / "specs" / "batch.yaml", SpecModels())
    bench = Bench(cloud, unique(), written.resources)
    bench.make()
    cloud.calls.clear()
    kinds = sorted({spec.kind for spec in bench.nodes.values()})
    listed = [one for name in kinds for one in kind(name)(cloud).find(bench.stack)]
    assert {one.name for one in listed} == set(bench.nodes)
    assert all(one.seen is not None for one in listed)
    assert sum(cloud.calls.values()) <= 32, cloud.calls
