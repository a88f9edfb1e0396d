"""S3 buckets: private, encrypted by S3 itself, with optional versions and expiry.

New buckets are encrypted (SSE-S3) and closed to the public without being asked
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html); the public access block is
still compared, so that a hand that opened it shows as drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from botocore.exceptions import ClientError
from pydantic import Field

from awsrun.aws.errors import matches
from awsrun.aws.names import digest, physical
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME, mapping, pairs
from awsrun.prices.price import Price, metered
from awsrun.prices.table import Prices
from awsrun.resources.kind import ABSENT, Change, Found, Kind, Owner, Refs, Seen, State
from awsrun.resources.ours import ours, partition
from awsrun.resources.rights import named
from awsrun.spec.references import ResourceSpec

CLOSED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
RULE = "awsrun-expire"
OTHER_RULES = -1  # a lifecycle that is not ours


class BucketSpec(ResourceSpec):
    """A private S3 bucket."""

    outputs = ("arn", "name")
    kind: Literal["s3.bucket"] = "s3.bucket"
    name: str | None = Field(
        default=None,
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$",
        description="Physical name, unique in all of AWS; derived from stack, key, account and region unless given.",
    )
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


class Bucket(Kind[BucketSpec, BucketState]):
    kind = "s3.bucket"
    Spec = BucketSpec
    State = BucketState
    identity = "name"
    service = "s3"
    name_limit = 63
    holds_data = True
    absent = frozenset({"NoSuchBucket", "404", "NotFound"})
    exists = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})
    # A name just deleted, or settings just changed, from up to an hour ago.
    retry = frozenset({"OperationAborted"})
    # https://github.com/aws/aws-cli/issues/2593
    advice: ClassVar[Mapping[str, str]] = {
        "OperationAborted": "the name of a bucket that was deleted moments ago can be held for an hour or more: "
        "run the same again later (it goes on from what is there), or give the bucket another `name:`"
    }
    blocked = frozenset({"BucketNotEmpty"})

    def lower(self, spec: BucketSpec, refs: Refs) -> BucketState:
        return BucketState(private=True, versioning=spec.versioning, expire_days=spec.expire_days)

    def physical(self, stack: str, name: str, spec: BucketSpec, state: BucketState | None = None) -> str:
        return spec.name or physical(stack, name, self.name_limit, self._place(stack), lower=True)

    def arn(self, physical: str) -> str:
        return f"arn:{partition(self.cloud.region)}:s3:::{physical}"

    def price(self, state: BucketState, prices: Prices) -> Price:
        return metered((prices.rate("s3_gb_month"), "per GB and month stored"))

    def rights(self, stack: str, specs: Mapping[str, BucketSpec]) -> Iterable[Right]:
        """Tags in the create call need s3:TagResource (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Tag.html)."""
        buckets = named(self, f"{stack}-*-{self._place(stack)}", specs)
        reads = "GetBucketVersioning GetBucketPublicAccessBlock GetLifecycleConfiguration ListBucketVersions"
        updates = "PutBucketPublicAccessBlock PutBucketVersioning PutLifecycleConfiguration"
        yield allow("find", "s3", "ListAllMyBuckets")
        yield allow("find", "s3", "GetBucketTagging", *buckets)
        yield allow("read", "s3", reads, *buckets)
        yield allow("create", "s3", "CreateBucket ListBucket TagResource", *buckets)
        yield allow("update", "s3", updates, *buckets)
        yield allow("tag", "s3", "GetBucketTagging PutBucketTagging", *buckets)
        yield allow("delete", "s3", "DeleteBucket", *buckets)
        yield allow("empty", "s3", "ListBucketVersions", *buckets)
        yield allow("empty", "s3", "DeleteObjectVersion", *(f"{bucket}/*" for bucket in buckets))

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Names start with the stack's; others are looked at where hints name them, or when all stacks are wanted."""
        for bucket in self._s3.list_buckets()["Buckets"]:
            name = bucket["Name"]
            if stack is None or name.startswith(f"{stack}-") or name in hints:
                tags = self._tags(name)
                if ours(tags, stack):
                    yield Found(tags[NAME], name, tags, self.read(name))

    def read(self, id: str) -> Seen[BucketState]:
        try:
            status, private, expire_days = self.cloud.together(
                lambda: self._s3.get_bucket_versioning(Bucket=id).get("Status"),
                lambda: self._private(id),
                lambda: self._expire_days(id),
            )
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise
        state = BucketState(private, status == "Enabled", expire_days)
        return Seen(state, "ready", outputs={"name": id, "arn": self.arn(id)})

    def create(self, state: BucketState, owner: Owner) -> str:
        """In us-east-1 a create of one's own bucket succeeds again
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html), so the name is looked at first."""
        if self._taken(owner.physical):
            answer: Any = {"Error": {"Code": "BucketAlreadyOwnedByYou", "Message": "the bucket is there already"}}
            raise ClientError(answer, "CreateBucket")
        configuration: dict[str, Any] = {"Tags": pairs(dict(owner.tags))}
        if self.cloud.region != "us-east-1":
            configuration["LocationConstraint"] = self.cloud.region
        self.cloud.write("s3").create_bucket(Bucket=owner.physical, CreateBucketConfiguration=configuration)
        return owner.physical

    def update(self, id: str, wanted: BucketState, seen: BucketState, changed: Collection[Change]) -> None:
        s3, fields = self.cloud.write("s3"), {change.field for change in changed}
        if "private" in fields:
            s3.put_public_access_block(Bucket=id, PublicAccessBlockConfiguration=dict.fromkeys(CLOSED, wanted.private))
        if "versioning" in fields:
            status = "Enabled" if wanted.versioning else "Suspended"
            s3.put_bucket_versioning(Bucket=id, VersioningConfiguration={"Status": status})
        if "expire_days" in fields and wanted.expire_days:
            s3.put_bucket_lifecycle_configuration(
                Bucket=id, LifecycleConfiguration={"Rules": [_rule(wanted.expire_days)]}
            )
        elif "expire_days" in fields:
            s3.delete_bucket_lifecycle(Bucket=id)

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        """S3 takes all tags at once, so those that are there are read first."""
        kept = {key: value for key, value in self._tags(id).items() if key not in unset}
        self.cloud.write("s3").put_bucket_tagging(Bucket=id, Tagging={"TagSet": pairs({**kept, **set})})

    def delete(self, id: str, seen: Seen[BucketState]) -> None:
        self.cloud.write("s3").delete_bucket(Bucket=id)

    def holds(self, id: str) -> int:
        try:
            page = self._s3.list_object_versions(Bucket=id, MaxKeys=1)
        except ClientError as error:
            if matches(error, self.absent):
                return 0
            raise
        return len(_objects(page))

    def empty(self, id: str) -> None:
        objects = _objects(self._s3.list_object_versions(Bucket=id))
        if not objects:
            return
        answer = self.cloud.write("s3").delete_objects(Bucket=id, Delete={"Objects": objects, "Quiet": True})
        for failed in answer.get("Errors", [])[:1]:
            raise ClientError({"Error": {"Code": failed["Code"], "Message": failed["Message"]}}, "DeleteObjects")

    @property
    def _s3(self) -> Any:
        return self.cloud.read("s3")

    def _place(self, stack: str) -> str:
        """What tells names apart in all of AWS; derived names end in it."""
        return digest(self.cloud.account, self.cloud.region, stack)

    def _taken(self, name: str) -> bool:
        try:
            self._s3.head_bucket(Bucket=name)
        except ClientError as error:
            if matches(error, self.absent):
                return False
            if not matches(error, ("403",)):
                raise
        return True

    def _tags(self, name: str) -> dict[str, str]:
        """The tags; none where it has none, is gone, or is not ours to read."""
        try:
            return mapping(self._s3.get_bucket_tagging(Bucket=name)["TagSet"])
        except ClientError as error:
            if matches(error, {"NoSuchTagSet", "AccessDenied", "PermanentRedirect", *self.absent}):
                return {}
            raise

    def _private(self, name: str) -> bool:
        try:
            block = self._s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        except ClientError as error:
            if matches(error, ("NoSuchPublicAccessBlockConfiguration",)):
                return False
            raise
        return all(block.get(key) for key in CLOSED)

    def _expire_days(self, name: str) -> int:
        try:
            rules = self._s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        except ClientError as error:
            if matches(error, ("NoSuchLifecycleConfiguration",)):
                return 0
            raise
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


def _objects(page: Mapping[str, Any]) -> list[dict[str, str]]:
    """Objects, old versions and delete markers of a page: all of them keep a bucket from being deleted."""
    listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in listed]
