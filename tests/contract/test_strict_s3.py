"""S3 as hard as AWS's: names that stay taken, buckets that are not seen yet, and closed to everybody."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.aws.errors import matches
from awsrun.aws.tags import STACK
from awsrun.reconcile.calls import no_answer
from awsrun.resources.kind import Change, Owner
from awsrun.resources.registry import kind
from awsrun.resources.s3_bucket import BucketState
from awsrun.resources.s3_site import SiteState
from awsrun.resources.site_files import Files
from tests.conftest import LocalCloud
from tests.contract.strict_bench import at_once, passes, refused, sometimes, unique, until

OPEN = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}


@pytest.fixture
def s3(strict_cloud: LocalCloud) -> Any:
    return strict_cloud.client("s3")


def elsewhere(cloud: LocalCloud, **options: Any) -> Any:
    """A client in another region."""
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="eu-west-1")
    return session.client("s3", endpoint_url=cloud.endpoint, **options)


IRELAND = {"LocationConstraint": "eu-west-1"}


def known_bucket(s3: Any) -> str:
    """A bucket that calls find by now."""
    name = unique()
    s3.create_bucket(Bucket=name)
    passes("404", s3.head_bucket, Bucket=name)
    return name


def _listed(s3: Any) -> set[str]:
    return {one["Name"] for one in s3.list_buckets()["Buckets"]}


def test_objects_versions_and_delete_markers_keep_a_bucket(s3: Any) -> None:
    name = known_bucket(s3)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=name, Key="k", Body=b"x")["VersionId"]
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=name)
    marker = s3.delete_object(Bucket=name, Key="k")["VersionId"]
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=name)
    s3.delete_object(Bucket=name, Key="k", VersionId=version)
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=name)
    s3.delete_object(Bucket=name, Key="k", VersionId=marker)
    s3.delete_bucket(Bucket=name)


def test_a_name_just_freed_cannot_be_taken_for_a_while(strict_cloud: LocalCloud, s3: Any) -> None:
    name = known_bucket(s3)
    s3.delete_bucket(Bucket=name)
    refused("OperationAborted", s3.create_bucket, Bucket=name)
    passes("OperationAborted", s3.create_bucket, Bucket=name)


def test_from_another_region_for_much_longer(strict_cloud: LocalCloud, s3: Any) -> None:
    names = [known_bucket(s3) for _ in range(3)]
    for name in names:
        s3.delete_bucket(Bucket=name)
    for name in names:
        passes("OperationAborted", s3.create_bucket, Bucket=name)
        passes("404", s3.head_bucket, Bucket=name)
        s3.delete_bucket(Bucket=name)
        there = elsewhere(strict_cloud)
        refused("OperationAborted", there.create_bucket, Bucket=name, CreateBucketConfiguration=IRELAND)


def test_an_hour_passes_everywhere(hasty_cloud: LocalCloud) -> None:
    s3 = hasty_cloud.client("s3")
    name = known_bucket(s3)
    s3.delete_bucket(Bucket=name)
    there = elsewhere(hasty_cloud)
    refused("OperationAborted", there.create_bucket, Bucket=name, CreateBucketConfiguration=IRELAND)
    passes("OperationAborted", there.create_bucket, Bucket=name, CreateBucketConfiguration=IRELAND)


def test_a_new_bucket_is_not_found_for_a_moment_and_listed_later(s3: Any) -> None:
    def attempt(name: str) -> None:
        s3.create_bucket(Bucket=name)
        s3.head_bucket(Bucket=name)

    sometimes("404", attempt)

    def configure(name: str) -> None:
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    name = sometimes("NoSuchBucket", configure)
    passes("NoSuchBucket", s3.get_bucket_versioning, Bucket=name)
    until(lambda: name in _listed(s3))


def test_a_new_bucket_is_missing_in_lists_and_an_old_one_lingers(s3: Any) -> None:
    def listed(name: str) -> bool:
        s3.create_bucket(Bucket=name)
        return name in _listed(s3)

    assert not all(listed(unique()) for _ in range(20))
    names = [known_bucket(s3) for _ in range(10)]
    until(lambda: set(names) <= _listed(s3))
    for name in names:
        s3.delete_bucket(Bucket=name)
    assert set(names) & _listed(s3), "some are listed still"
    refused("404", s3.head_bucket, Bucket=names[-1])
    until(lambda: not set(names) & _listed(s3))


def test_ones_own_bucket_may_be_created_again_in_us_east_1_alone(strict_cloud: LocalCloud, s3: Any) -> None:
    name = known_bucket(s3)
    s3.delete_public_access_block(Bucket=name)
    s3.create_bucket(Bucket=name)
    refused("NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block, Bucket=name)  # nothing was reset
    there, other = elsewhere(strict_cloud), unique()
    there.create_bucket(Bucket=other, CreateBucketConfiguration=IRELAND)
    refused("BucketAlreadyOwnedByYou", there.create_bucket, Bucket=other, CreateBucketConfiguration=IRELAND)


def test_other_peoples_names_are_taken(strict_cloud: LocalCloud, s3: Any) -> None:
    refused("BucketAlreadyExists", s3.create_bucket, Bucket="results")
    name = known_bucket(s3)
    keys = strict_cloud.client("sts").assume_role(RoleArn="arn:aws:iam::111111111111:role/x", RoleSessionName="me")
    stranger = boto3.Session(
        aws_access_key_id=keys["Credentials"]["AccessKeyId"],
        aws_secret_access_key=keys["Credentials"]["SecretAccessKey"],
        aws_session_token=keys["Credentials"]["SessionToken"],
        region_name="us-east-1",
    ).client("s3", endpoint_url=strict_cloud.endpoint)
    refused("BucketAlreadyExists", stranger.create_bucket, Bucket=name)


def test_a_name_of_somebody_elses_is_told_at_once(strict_cloud: LocalCloud, s3: Any) -> None:
    """It was waited for, until it would show as ours."""
    cloud = Cloud(boto3.Session("local", "local", region_name="us-east-1"), LOCAL, strict_cloud.endpoint)
    bucket = kind("s3.bucket")(cloud)
    refused("403", s3.head_bucket, Bucket="results")
    with pytest.raises(ClientError, match="of another account") as caught:
        bucket.create(BucketState(True, False, 0), Owner("mine", "results", "results", {STACK: "mine"}))
    assert not matches(caught.value, bucket.exists | bucket.retry) and matches(caught.value, bucket.advice)


@pytest.mark.parametrize(("code", "unsure"), [("InternalError", True), ("AccessDenied", False)])
def test_objects_that_s3_failed_to_delete_are_tried_again(
    strict_cloud: LocalCloud, s3: Any, code: str, unsure: bool
) -> None:
    cloud = Cloud(boto3.Session("local", "local", region_name="us-east-1"), LOCAL, strict_cloud.endpoint)
    failed = {"Errors": [{"Key": "k", "Code": code, "Message": "We encountered an internal error."}]}
    cloud.write("s3").meta.events.register("after-call.s3.DeleteObjects", lambda parsed, **_: parsed.update(failed))
    with pytest.raises(ClientError) as caught:
        kind("s3.bucket")(cloud).erase(known_bucket(s3), [{"Key": "k"}])
    assert no_answer(caught.value) is unsure


def test_new_buckets_are_closed_encrypted_and_know_no_acls(s3: Any) -> None:
    name = known_bucket(s3)
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert len(block) == 4 and all(block.values())
    rule = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    ownership = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert s3.put_object(Bucket=name, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"
    refused("AccessControlListNotSupported", s3.put_bucket_acl, Bucket=name, ACL="public-read")
    refused("AccessControlListNotSupported", s3.put_object, Bucket=name, Key="k", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=name, Key="k", Body=b"x", ACL="bucket-owner-full-control")


def test_a_public_policy_needs_the_block_gone(s3: Any) -> None:
    name = known_bucket(s3)
    resource = f"arn:aws:s3:::{name}/*"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**OPEN, "Resource": resource}]})
    refused("AccessDenied:BlockPublicPolicy", s3.put_bucket_policy, Bucket=name, Policy=policy)
    mine = {**OPEN, "Resource": resource, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
    private = json.dumps({"Version": "2012-10-17", "Statement": [mine]})
    s3.put_bucket_policy(Bucket=name, Policy=private)
    s3.delete_public_access_block(Bucket=name)
    passes("AccessDenied:BlockPublicPolicy", s3.put_bucket_policy, Bucket=name, Policy=policy)


def test_the_block_still_holds_for_a_while(s3: Any) -> None:
    def opened(name: str) -> None:
        s3.create_bucket(Bucket=name)
        passes("NoSuchBucket", s3.delete_public_access_block, Bucket=name)
        statement = {**OPEN, "Resource": f"arn:aws:s3:::{name}/*"}
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    sometimes("AccessDenied:BlockPublicPolicy", opened)


def test_a_website_waits_for_the_block_and_says_where_it_may_come_from(strict_cloud: LocalCloud, s3: Any) -> None:
    name, site = (
        known_bucket(s3),
        kind("s3.site")(Cloud(boto3.Session("local", "local", region_name="us-east-1"), LOCAL, strict_cloud.endpoint)),
    )
    statement = {**OPEN, "Resource": f"arn:aws:s3:::{name}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    wanted = SiteState(frozenset(), True, "index.html", "", Files({}), policy)
    with pytest.raises(ClientError) as caught:
        site.update(name, wanted, wanted, [Change("policy", "", policy, False)])
    assert matches(caught.value, site.retry) and matches(caught.value, site.advice), caught.value


def test_a_bucket_of_another_region_is_not_taken_over(strict_cloud: LocalCloud, s3: Any) -> None:
    name, there = unique(), elsewhere(strict_cloud)
    there.create_bucket(Bucket=name, CreateBucketConfiguration=IRELAND)
    passes("404", there.head_bucket, Bucket=name)
    cloud = Cloud(boto3.Session("local", "local", region_name="us-east-1"), LOCAL, strict_cloud.endpoint)
    bucket = kind("s3.bucket")(cloud)
    assert bucket.unfit(name, "mine") == "it is in eu-west-1, and it is looked for in us-east-1"
    assert bucket.unfit(known_bucket(s3), "mine") == ""


def test_settings_changed_at_once_are_refused_but_one(strict_cloud: LocalCloud, s3: Any) -> None:
    name = known_bucket(s3)
    clients = [strict_cloud.client("s3") for _ in range(8)]
    wanted = {"Status": "Enabled"}
    errors = until(
        lambda: at_once(
            8, lambda number: clients[number].put_bucket_versioning(Bucket=name, VersioningConfiguration=wanted)
        )
    )
    assert all(matches(error, ("OperationAborted",)) for error in errors) and len(errors) < 8
