"""How instances start, in a stack's life: encrypted disks, IMDSv2 only, and a change that makes another template."""

from __future__ import annotations

from typing import Any

import pytest
from stack_shell import Shell

from awsrun.aws.clients import connect
from awsrun.reconcile import api

SPEC = """\
stack: disks
resources:
  network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
  compute: {kind: batch.compute_environment, vpc: network, instance_types: [g4dn.xlarge], max_vcpus: 4}
  queue: {kind: batch.job_queue, compute_environments: [compute]}
"""
SHARED = """\
stack: disks
resources:
  network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
  large: {kind: ec2.launch_template, disk_gib: 500}
  compute: {kind: batch.compute_environment, vpc: network, launch_template: large, max_vcpus: 4}
  spare: {kind: batch.compute_environment, vpc: network, launch_template: large, max_vcpus: 4, spot: true}
"""


@pytest.fixture
def life(fresh_cloud: Any, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell beside an embedded cloud of its own."""
    for name in ("AWS_ENDPOINT_URL", "AWSRUN_CONTEXT", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWSRUN_HOME", str(fresh_cloud.home))
    return shell


def templates(cloud: Any) -> dict[str, Any]:
    """Id -> what is in version 1."""
    ec2 = cloud.client("ec2")
    listed = ec2.describe_launch_templates()["LaunchTemplates"]
    versions = {
        one["LaunchTemplateId"]: ec2.describe_launch_template_versions(LaunchTemplateId=one["LaunchTemplateId"])
        for one in listed
    }
    return {id: found["LaunchTemplateVersions"][0]["LaunchTemplateData"] for id, found in versions.items()}


def used(cloud: Any) -> list[str]:
    found = cloud.client("batch").describe_compute_environments()["computeEnvironments"]
    used = [one["computeResources"]["launchTemplate"] for one in found]
    assert {one["version"] for one in used} == {"1"}
    return [one["launchTemplateId"] for one in used]


def test_disks_are_encrypted_and_a_larger_one_is_a_new_environment(life: Shell, fresh_cloud: Any) -> None:
    cloud = connect("local")
    assert api.apply(api.load(life.folder / life.write(SPEC)), cloud).failed == ()
    ((id, data),) = templates(fresh_cloud).items()
    assert used(fresh_cloud) == [id]
    (disk,) = data["BlockDeviceMappings"]
    assert disk["DeviceName"] == "/dev/xvda"
    assert (disk["Ebs"]["VolumeSize"], disk["Ebs"]["VolumeType"], disk["Ebs"]["Encrypted"]) == (100, "gp3", True)
    assert (data["MetadataOptions"]["HttpTokens"], data["MetadataOptions"]["HttpPutResponseHopLimit"]) == (
        "required",
        2,
    )
    assert api.apply(api.load(life.folder / "spec.yaml"), cloud).applied == ()

    spec = api.load(life.folder / life.write(SPEC.replace("max_vcpus: 4", "max_vcpus: 4, disk_gib: 200")))
    planned = {one.name: one for one in api.plan(spec, cloud).changes}
    assert {name: one.action for name, one in planned.items()}.items() >= {
        "compute": "replace",
        "compute/template": "replace",
    }.items()
    assert ("disk_gib", 100, 200) in [(one.field, one.old, one.new) for one in planned["compute"].fields]
    assert api.apply(spec, cloud).failed == ()
    ((other, data),) = templates(fresh_cloud).items()
    assert other != id and data["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 200
    assert used(fresh_cloud) == [other]
    assert api.plan(spec, cloud).changes == ()

    gone = api.teardown("disks", cloud)
    assert gone.left == gone.kept == ()
    assert life.listed(fresh_cloud.endpoint, "templates", "environments", "vpcs") == {}


def test_environments_may_share_a_template(life: Shell, fresh_cloud: Any) -> None:
    cloud, spec = connect("local"), api.load(life.folder / life.write(SHARED))
    assert api.apply(spec, cloud).failed == ()
    ((id, data),) = templates(fresh_cloud).items()
    assert used(fresh_cloud) == [id, id]
    assert data["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 500
    bill = api.plan(spec, cloud).bill
    assert bill is not None and "500 GB disk" in str(bill.to_json()), "the price knows the disk that a template says"
    assert api.teardown("disks", cloud).left == ()
    assert templates(fresh_cloud) == {}
