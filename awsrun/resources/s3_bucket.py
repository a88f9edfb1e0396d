"""S3 buckets: private, encrypted by S3 itself, with optional versions and expiry.

That new buckets are closed to the public is S3's own doing (see `awsrun.resources.s3`); it is still compared, so that a
hand that opened one shows as drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field

from awsrun.aws.errors import matches
from awsrun.aws.rights import Right, allow
from awsrun.prices.price import Price, metered
from awsrun.prices.table import Prices
from awsrun.resources.kind import ABSENT, Change, Refs, Seen, State
from awsrun.resources.s3 import CLOSED, BucketName, S3Kind, objects
from awsrun.spec.references import ResourceSpec

RULE = "awsrun-expire"
OTHER_RULES = -1  # a lifecycle that is not ours


class BucketSpec(ResourceSpec):
    """A private S3 bucket."""

    outputs = ("arn", "name")
    example = """
    results: {kind: s3.bucket, purge: true}
    """
    kind: Literal["s3.bucket"] = "s3.bucket"
    name: BucketName = None
    versioning: bool = Field(default=False, description="Keep old versions of objects.")
    expire_days: int = Field(
        default=0, ge=0, description="Delete objects this many days after they came; 0 never does."
    )
    purge: bool = Field(default=False, description="Its contents may be deleted with it.")


@dataclass(frozen=True)
class BucketState(State):
    """``expire_days``: 0 for no rule, `OTHER_RULES` for rules that are not ours."""

    private: bool
    versioning: bool
    expire_days: int


class Bucket(S3Kind[BucketSpec, BucketState]):
    kind = "s3.bucket"
    Spec = BucketSpec
    State = BucketState

    def lower(self, spec: BucketSpec, refs: Refs) -> BucketState:
        return BucketState(private=True, versioning=spec.versioning, expire_days=spec.expire_days)

    def price(self, state: BucketState, prices: Prices) -> Price:
        return metered((prices.rate("s3_gb_month"), "per GB and month stored"))

    def rights(self, stack: str, specs: Mapping[str, BucketSpec]) -> Iterable[Right]:
        buckets = self.buckets(stack, specs)
        reads = "GetBucketVersioning GetBucketPublicAccessBlock GetLifecycleConfiguration ListBucketVersions"
        updates = "PutBucketPublicAccessBlock PutBucketVersioning PutLifecycleConfiguration"
        yield from super().rights(stack, specs)
        yield allow("read", "s3", reads, *buckets)
        yield allow("update", "s3", updates, *buckets)

    def read(self, id: str) -> Seen[BucketState]:
        try:
            status, blocks, expire_days = self.cloud.together(
                lambda: self.s3.get_bucket_versioning(Bucket=id).get("Status"),
                lambda: self.blocks(id),
                lambda: self._expire_days(id),
            )
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise
        state = BucketState(blocks == set(CLOSED), status == "Enabled", expire_days)
        return Seen(state, "ready", outputs={"name": id, "arn": self.arn(id)})

    def update(self, id: str, wanted: BucketState, seen: BucketState, changed: Collection[Change]) -> None:
        s3, fields = self.cloud.write("s3"), {change.field for change in changed}
        if "private" in fields:
            self.block(id, CLOSED if wanted.private else ())
        if "versioning" in fields:
            status = "Enabled" if wanted.versioning else "Suspended"
            s3.put_bucket_versioning(Bucket=id, VersioningConfiguration={"Status": status})
        if "expire_days" in fields and wanted.expire_days:
            s3.put_bucket_lifecycle_configuration(
                Bucket=id, LifecycleConfiguration={"Rules": [_rule(wanted.expire_days)]}
            )
        elif "expire_days" in fields:
            s3.delete_bucket_lifecycle(Bucket=id)

    def holds(self, id: str) -> int:
        try:
            page = self.s3.list_object_versions(Bucket=id, MaxKeys=1)
        except ClientError as error:
            if matches(error, self.absent):
                return 0
            raise
        return len(objects(page))

    def empty(self, id: str) -> None:
        there = objects(self.s3.list_object_versions(Bucket=id))
        if there:
            self.erase(id, there)

    def _expire_days(self, name: str) -> int:
        rules: list[dict[str, Any]] = self.unless(
            "NoSuchLifecycleConfiguration",
            lambda: self.s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"],
            [],
        )
        if not rules:
            return 0
        days = rules[0].get("Expiration", {}).get("Days", 0)
        mine = len(rules) == 1 and rules[0].get("ID") == RULE and rules[0]["Status"] == "Enabled"
        return int(days) if mine else OTHER_RULES


def _rule(days: int) -> dict[str, Any]:
    """One rule for all objects; old versions go with them, and parts of uploads that never ended after a week."""
    return {
        "ID": RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": days},
        "NoncurrentVersionExpiration": {"NoncurrentDays": days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
