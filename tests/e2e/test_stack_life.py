"""A stack's life on the embedded cloud, as its user drives it; what is there is checked behind awsrun's back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stack_shell import Shell

from awsrun.aws.clients import connect
from awsrun.reconcile import api
from awsrun.reconcile.lock import Lease
from awsrun.reconcile.table import StackTable

BATCH = (Path(__file__).parents[2] / "specs" / "batch.yaml").read_text()
READS = ("Describe", "List", "Get", "Head", "Scan", "BatchGet", "Query")


@pytest.fixture
def life(fresh_cloud: Any, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell beside an embedded cloud of its own."""
    shell.env |= {"AWSRUN_HOME": str(fresh_cloud.home)}
    for name in ("AWS_ENDPOINT_URL", "AWSRUN_CONTEXT", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWSRUN_HOME", str(fresh_cloud.home))
    return shell


def actions(document: Any) -> dict[str, str]:
    """Resource -> action, of a plan's document."""
    return {change["name"]: change["action"] for change in document["changes"]}


def test_from_nothing_to_a_stack_and_back(life: Shell, fresh_cloud: Any) -> None:
    spec = life.write(BATCH)
    planned = life.json("plan", spec, code=2)
    assert planned["stack"] == "mnist"
    assert set(actions(planned).values()) == {"create"}
    assert fresh_cloud.client("dynamodb").list_tables()["TableNames"] == [], "a plan makes nothing"

    applied = life.json("apply", spec)
    assert {done["name"] for done in applied["applied"]} == set(actions(planned))
    assert applied["failed"] == []
    assert applied["outputs"]["results"]["name"] == life.awsrun("outputs", "mnist", "results.name").stdout.strip()
    assert life.json("outputs", "mnist") == applied["outputs"]
    status = life.json("status", "mnist")
    assert {one["phase"] for one in status["resources"]} == {"ready"}
    assert "mnist" in life.awsrun("status").stdout
    unchanged = life.json("plan", spec)
    assert (unchanged["changes"], unchanged["usual_seconds"]) == ([], 0), "exit code 0: no change"
    for document in planned, unchanged, status:
        price = document["price"]
        assert (price["idle_per_hour"], price["billed"], price["unknown"]) == (0, False, [])
        assert price["full_per_hour"] == pytest.approx(16 * (0.526 + 0.005 + 100 * 0.08 / 730)), "16 × g4dn.xlarge"
    assert 180 <= planned["usual_seconds"] <= 240, "an environment in about a minute, then a queue in one to three"

    refused = life.awsrun("teardown", "mnist", code=1)
    assert "add --yes" in refused.stderr
    some = ("vpcs", "roles", "queues", "tables")
    assert life.listed(fresh_cloud.endpoint, *some).keys() == set(some), "nobody said yes"

    gone = life.json("teardown", "--all", "--yes")
    assert gone["kept"] == gone["left"] == []
    assert {one["name"] for one in gone["deleted"]} >= set(actions(planned))
    assert life.listed(fresh_cloud.endpoint) == {}
    assert life.json("teardown", "--all", "--yes") == {"deleted": [], "kept": [], "left": []}


def test_a_second_apply_calls_little_and_writes_nothing(life: Shell) -> None:
    spec = api.load(life.folder / life.write(BATCH))
    assert api.apply(spec, connect("local")).failed == ()
    cloud = connect("local")
    again = api.apply(spec, cloud)
    assert again.applied == again.failed == ()
    assert again.outputs["results"]["name"].startswith("mnist-results")
    written = [call for call in cloud.calls if not call.split(".")[1].startswith(READS)]
    assert written == []
    assert sum(cloud.calls.values()) <= 40, dict(cloud.calls)


def test_changes_in_place_and_by_replacement(life: Shell, fresh_cloud: Any) -> None:
    """max_vcpus changes in place; other machines mean a new environment, and the queue moves over to it."""
    batch = fresh_cloud.client("batch")

    def environments() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = batch.describe_compute_environments()["computeEnvironments"]
        return found

    life.awsrun("apply", life.write(BATCH))
    (first,) = environments()

    spec = life.write(BATCH.replace("max_vcpus: 64", "max_vcpus: 32"))
    planned = life.json("plan", spec, code=2)
    assert actions(planned) == {"compute": "update"}
    assert [(f["field"], f["old"], f["new"]) for f in planned["changes"][0]["fields"]] == [("max_vcpus", 64, 32)]
    assert "max_vcpus: 64 → 32" in life.awsrun("apply", spec).stdout, "it is shown, and nobody needs to say yes"
    (same,) = environments()
    assert same["computeEnvironmentArn"] == first["computeEnvironmentArn"]
    assert same["computeResources"]["maxvCpus"] == 32

    spec = life.write(BATCH.replace("g4dn.xlarge]", "g4dn.2xlarge]"))
    planned = life.json("plan", spec, code=2)
    assert actions(planned)["compute"] == "replace"
    assert "add --yes" in life.awsrun("apply", spec, code=1).stderr
    assert environments() == [same], "nobody said yes"
    life.awsrun("apply", spec, "--yes")
    (fresh,) = environments()
    assert fresh["computeEnvironmentArn"] != first["computeEnvironmentArn"]
    (queue,) = batch.describe_job_queues()["jobQueues"]
    assert [o["computeEnvironment"] for o in queue["computeEnvironmentOrder"]] == [fresh["computeEnvironmentArn"]]
    life.awsrun("plan", spec)


SMALL = """\
stack: small
resources:
  people: {kind: dynamodb.table, hash_key: id}
  files: {kind: s3.bucket}
  web: {kind: logs.group, retention_days: 30}
"""


def test_a_table_with_data_is_not_replaced(life: Shell, fresh_cloud: Any) -> None:
    outputs = life.json("apply", life.write(SMALL))["outputs"]
    table, dynamodb = outputs["people"]["name"], fresh_cloud.client("dynamodb")
    dynamodb.put_item(TableName=table, Item={"id": {"S": "ada"}})

    spec = life.write(SMALL.replace("hash_key: id", "hash_key: email"))
    shown = life.awsrun("plan", spec, code=2).stdout
    assert "hash_key: id:S → email:S" in shown
    assert "apply will refuse" in shown
    failed = life.awsrun("apply", spec, "--yes", code=1)
    assert "holds data" in failed.stderr
    assert dynamodb.scan(TableName=table)["Count"] == 1

    dynamodb.delete_item(TableName=table, Key={"id": {"S": "ada"}})
    life.awsrun("apply", spec, "--yes")
    described = dynamodb.describe_table(TableName=table)["Table"]
    assert described["KeySchema"] == [{"AttributeName": "email", "KeyType": "HASH"}]


def test_drift_pruning_and_what_is_kept(life: Shell, fresh_cloud: Any) -> None:
    spec = life.write(SMALL)
    outputs = life.json("apply", spec)["outputs"]
    logs, s3 = fresh_cloud.client("logs"), fresh_cloud.client("s3")
    assert "no change" in life.awsrun("drift", spec).stdout

    logs.put_retention_policy(logGroupName=outputs["web"]["name"], retentionInDays=7)
    drifted = life.json("drift", spec, code=2)
    assert [(c["name"], f["old"], f["new"]) for c in drifted["changes"] for f in c["fields"]] == [("web", 7, 30)]
    life.awsrun("apply", spec)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 30

    s3.put_object(Bucket=outputs["files"]["name"], Key="a", Body=b"1")
    shorter = life.write("".join(line for line in SMALL.splitlines(keepends=True) if "logs.group" not in line))
    assert actions(life.json("plan", shorter, code=2)) == {"web": "delete"}
    life.awsrun("apply", shorter, "--yes")
    assert logs.describe_log_groups()["logGroups"] == []

    kept = life.json("teardown", "small", "--yes", code=1)
    assert [one["name"] for one in kept["kept"]] == ["files"]
    assert "people" in {one["name"] for one in kept["deleted"]}
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [outputs["files"]["name"]]
    again = life.awsrun("teardown", "small", "--yes", code=1)
    assert "to delete what holds data too: awsrun teardown small --purge" in again.stdout
    done = life.awsrun("teardown", "small", "--purge", "--yes")
    assert "nothing of stack small is left" in done.stdout
    assert s3.list_buckets()["Buckets"] == []
    assert fresh_cloud.client("dynamodb").list_tables()["TableNames"] == []


def test_a_second_apply_while_one_runs_is_refused(life: Shell) -> None:
    spec = life.write(SMALL)
    life.awsrun("apply", spec)
    session = api.open_session("local")
    changed = life.write(SMALL.replace("30", "7"))
    with Lease(session, StackTable(session.cloud, "small", session.calls)):
        for command in (["apply", changed, "--yes"], ["teardown", "small", "--yes"]):
            done = life.awsrun(*command, code=1)
            assert "small" in done.stderr.splitlines()[1], done.stderr
            assert "is working on" in done.stderr or "is being changed" in done.stderr or "holds" in done.stderr
        assert life.awsrun("plan", changed, code=2), "looking is free"
    life.awsrun("apply", changed)


def test_a_person_is_asked(life: Shell, fresh_cloud: Any) -> None:
    spec = life.write(SMALL)
    assert life.at_terminal(b"", "apply", spec)[0] == 0, "what only creates is not asked for"
    changed = life.write(SMALL.replace("hash_key: id", "hash_key: email"))
    table = "small-people"
    for typed, code in ((b"\n", 1), (b"\x03", 130)):
        ended, shown = life.at_terminal(typed, "apply", changed)
        assert "1 resource will be replaced. Go on?" in shown
        assert ended == code, shown
        assert ("stopped: nothing was done" in shown) == (code == 130)
        keys = fresh_cloud.client("dynamodb").describe_table(TableName=table)["Table"]["KeySchema"]
        assert keys[0]["AttributeName"] == "id", typed
    ended, shown = life.at_terminal(b"y\n", "teardown", "small")
    assert (ended, "nothing of stack small is left" in shown) == (0, True), shown


def test_other_regions_are_named_and_taken_when_asked(life: Shell, fresh_cloud: Any) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWSRUN_CONTEXT": "aws"}
    life.env |= {**keys, "AWS_ENDPOINT_URL": fresh_cloud.endpoint, "AWS_REGION": "eu-west-1"}
    life.awsrun("apply", life.write("stack: far\nresources: {web: {kind: logs.group}}\n"))
    life.env["AWS_REGION"] = "us-east-1"
    here = life.awsrun("teardown", "--all", "--yes")
    assert "in eu-west-1 there is more: far (awsrun teardown --all-regions)" in here.stdout
    gone = life.json("teardown", "--all-regions", "--yes")
    assert [one["name"] for one in gone["deleted"]] == ["web", "awsrun-far"]
    assert "there is more" not in life.awsrun("teardown", "--all", "--yes").stdout


def test_use_switches_and_pins_the_account(life: Shell, fresh_cloud: Any) -> None:
    assert life.json("use")["context"] == "local", "nobody is billed by surprise"
    life.env |= {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": fresh_cloud.endpoint}
    chosen = life.json("use", "aws", "--region", "eu-west-1")
    assert (chosen["region"], chosen["account"]) == ("eu-west-1", "123456789012")
    assert "context: aws eu-west-1 123456789012" in life.awsrun("status").stderr
    assert "context: local (embedded cloud)" in life.awsrun("status", "--context", "local").stderr
    assert life.json("use", "local")["context"] == "local"
