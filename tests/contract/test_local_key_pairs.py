"""Key pairs of the embedded cloud, by what a client sees: it fails on plain moto."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from awsrun.resources import key_files
from tests.conftest import LocalCloud
from tests.contract.kinds_samples import PUBLIC_KEY
from tests.contract.strict_bench import passes, sometimes, unique, until


@pytest.fixture
def ec2(local_cloud: LocalCloud) -> Any:
    return local_cloud.client("ec2")


def imported(ec2: Any, name: str) -> str:
    return str(ec2.import_key_pair(KeyName=name, PublicKeyMaterial=PUBLIC_KEY.encode())["KeyPairId"])


def test_the_fingerprint_is_openssh_s(ec2: Any) -> None:
    made = ec2.import_key_pair(KeyName="printed", PublicKeyMaterial=PUBLIC_KEY.encode())
    (seen,) = ec2.describe_key_pairs(KeyNames=["printed"], IncludePublicKey=True)["KeyPairs"]
    assert f"SHA256:{made['KeyFingerprint']}".rstrip("=") == key_files.parse(PUBLIC_KEY).fingerprint
    assert seen["KeyFingerprint"] == made["KeyFingerprint"]
    assert seen["PublicKey"].strip() == PUBLIC_KEY


def test_a_pair_goes_by_its_id_and_no_other_does(ec2: Any) -> None:
    gone, stays = imported(ec2, "gone"), imported(ec2, "stays")
    assert [one["KeyName"] for one in ec2.describe_key_pairs(KeyPairIds=[gone])["KeyPairs"]] == ["gone"]
    ec2.delete_key_pair(KeyPairId=gone)
    with pytest.raises(ClientError, match=r"InvalidKeyPair\.NotFound"):
        ec2.describe_key_pairs(KeyPairIds=[gone])
    ec2.delete_key_pair(KeyPairId=gone)
    assert ec2.describe_key_pairs(KeyPairIds=[stays])["KeyPairs"]


def test_a_new_pair_shows_after_a_while(strict_cloud: LocalCloud) -> None:
    """Where an instance is to have it, and in lists."""
    ec2 = strict_cloud.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

    def run(name: str) -> Any:
        return ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, KeyName=name, InstanceType="t3.micro")

    def make_and_run(name: str) -> Any:
        imported(ec2, name)
        return run(name)

    late = sometimes("InvalidKeyPair.NotFound", make_and_run)
    assert passes("InvalidKeyPair.NotFound", run, name=late)["Instances"][0]["KeyName"] == late

    def shows(name: str) -> bool:
        return any(one["KeyName"] == name for one in ec2.describe_key_pairs()["KeyPairs"])

    for _ in range(20):
        name = unique()
        imported(ec2, name)
        if not shows(name):
            until(lambda name=name: shows(name))
            return
    raise AssertionError("a list showed each new pair at once")
