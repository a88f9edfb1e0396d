"""What all kinds of S3 buckets have in common: names, tags, how they are made, found and deleted.

New buckets are encrypted (SSE-S3) and closed to the public without being asked
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from botocore.exceptions import ClientError
from pydantic import AfterValidator, Field

from awsrun.aws.errors import DENIED, matches
from awsrun.aws.names import digest, physical
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import KIND, NAME, mapping, pairs
from awsrun.resources.kind import Found, Kind, Owner, P, S, Seen
from awsrun.resources.ours import ours, partition
from awsrun.resources.rights import named

CLOSED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
PAGE = 1000  # keys of one DeleteObjects
BUCKETS = 10_000  # most that one list has: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
T = TypeVar("T")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_RESERVED = re.compile(r"(xn--|sthree-|amzn-s3-demo-).*|.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)")
_ADDRESS = re.compile(r"\d+(\.\d+){3}")


def _takes(name: str | None) -> str | None:
    """Raises ValueError for what the pattern lets through and S3 does not."""
    if name is not None and (".." in name or _ADDRESS.fullmatch(name)):
        raise ValueError(f"{name} is no name of a bucket: no two dots side by side, and no IP address")
    if name is not None and _RESERVED.fullmatch(name):
        raise ValueError(f"names that begin or end like {name} are S3's own")
    return name


BucketName = Annotated[
    str | None,
    Field(
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$",
        description="Physical name, unique in all of AWS; derived from stack, key, account and region unless given.",
    ),
    AfterValidator(_takes),
]


class S3Kind(Kind[P, S]):
    """A bucket of one kind or another."""

    identity = "name"
    service = "s3"
    name_limit = 63
    holds_data = True
    absent = frozenset({"NoSuchBucket", "404", "NotFound"})
    exists = frozenset({"BucketAlreadyOwnedByYou"})
    # A name just deleted, or settings just changed, from up to an hour ago.
    retry = frozenset({"OperationAborted"})
    # https://github.com/aws/aws-cli/issues/2593
    advice: ClassVar[Mapping[str, str]] = {
        "BucketAlreadyExists": "names of buckets are those of all of AWS: give it another `name:`, or none",
        "OperationAborted": "the name of a bucket that was deleted moments ago can be held for an hour or more: "
        "run the same again later (it goes on from what is there), or give the bucket another `name:`",
    }
    blocked = frozenset({"BucketNotEmpty"})

    def physical(self, stack: str, name: str, spec: P, state: S | None = None) -> str:
        return spec.name or physical(stack, name, self.name_limit, self._place(stack), lower=True)

    def arn(self, physical: str) -> str:
        return f"arn:{partition(self.cloud.region)}:s3:::{physical}"

    def buckets(self, stack: str, specs: Mapping[str, P]) -> list[str]:
        """The ARNs of all buckets that a stack may make."""
        return named(self, f"{stack}-*-{self._place(stack)}", specs)

    def rights(self, stack: str, specs: Mapping[str, P]) -> Iterable[Right]:
        """Tags in the create call need s3:TagResource (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Tag.html)."""
        buckets = self.buckets(stack, specs)
        yield allow("find", "s3", "ListAllMyBuckets")
        yield allow("find", "s3", "GetBucketTagging", *buckets)
        yield allow("create", "s3", "CreateBucket ListBucket TagResource", *buckets)
        yield allow("tag", "s3", "GetBucketTagging PutBucketTagging", *buckets)
        yield allow("delete", "s3", "DeleteBucket", *buckets)
        yield allow("empty", "s3", "ListBucketVersions", *buckets)
        yield allow("empty", "s3", "DeleteObjectVersion", *(f"{bucket}/*" for bucket in buckets))

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Names start with the stack's; others are looked at where hints name them, or when all stacks are wanted.

        S3 lists the buckets of all regions, and boto3 follows a bucket wherever it is; a stack of the same name
        elsewhere has tags like ours.  A list that is asked for pages says where each is
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Bucket.html).
        """
        narrowed = {"Prefix": f"{stack}-"} if stack and not hints else {}
        pages = self.s3.get_paginator("list_buckets").paginate(**narrowed, PaginationConfig={"PageSize": BUCKETS})
        listed = (bucket for page in pages for bucket in page.get("Buckets", ()))
        here = self.cloud.region
        for name in (bucket["Name"] for bucket in listed if bucket.get("BucketRegion", here) == here):
            if stack is None or name.startswith(f"{stack}-") or name in hints:
                tags = self._tags(name)
                if ours(tags, stack) and tags.get(KIND, self.kind) == self.kind:
                    yield Found(tags[NAME], name, tags, self.read(name))

    def create(self, state: S, owner: Owner) -> str:
        """In us-east-1 a create of one's own bucket succeeds again
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html), so the name is looked at first."""
        if whose := self._taken(owner.physical):
            said = f"there is a bucket {owner.physical} already"
            said += ", of another account or one that you may not look at" if whose == "BucketAlreadyExists" else ""
            raise _error(whose, said, "CreateBucket")
        configuration: dict[str, Any] = {"Tags": pairs(dict(owner.tags))}
        if self.cloud.region != "us-east-1":
            configuration["LocationConstraint"] = self.cloud.region
        self.cloud.write("s3").create_bucket(Bucket=owner.physical, CreateBucketConfiguration=configuration)
        return owner.physical

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        """S3 takes all tags at once, so those that are there are read first."""
        kept = {key: value for key, value in self._tags(id).items() if key not in unset}
        self.cloud.write("s3").put_bucket_tagging(Bucket=id, Tagging={"TagSet": pairs({**kept, **set})})

    def unfit(self, id: str, stack: str) -> str:
        there, here = self.s3.head_bucket(Bucket=id).get("BucketRegion", ""), self.cloud.region
        return f"it is in {there}, and it is looked for in {here}" if there not in ("", here) else ""

    def delete(self, id: str, seen: Seen[S]) -> None:
        self.cloud.write("s3").delete_bucket(Bucket=id)

    @property
    def s3(self) -> Any:
        """For calls that may be sent again: reads, and puts of the same once more."""
        return self.cloud.read("s3")

    def blocks(self, name: str) -> frozenset[str]:
        """What of S3's Block Public Access is on (`CLOSED`: all of it)."""
        key = "PublicAccessBlockConfiguration"
        found: dict[str, bool] = self.unless(
            f"NoSuch{key}", lambda: self.s3.get_public_access_block(Bucket=name)[key], {}
        )
        return frozenset(one for one in CLOSED if found.get(one))

    def block(self, name: str, blocks: Collection[str]) -> None:
        """Switch on what `blocks` says of Block Public Access, and the rest off."""
        wanted = {one: one in blocks for one in CLOSED}
        self.cloud.write("s3").put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=wanted)

    def unless(self, code: str, read: Callable[[], T], none: T) -> T:
        """What ``read`` returns; ``none`` where there is nothing, which S3 says with an error of its own."""
        try:
            return read()
        except ClientError as error:
            if matches(error, (code,)):
                return none
            raise

    def erase(self, name: str, objects: list[dict[str, str]]) -> None:
        """Delete these objects, versions and markers, `PAGE` at most.

        Raises:
            ClientError: one of them was not deleted.
        """
        answer = self.cloud.write("s3").delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
        for failed in answer.get("Errors", [])[:1]:
            raise _error(failed["Code"], failed.get("Message", ""), "DeleteObjects")

    def _place(self, stack: str) -> str:
        """What tells names apart in all of AWS; derived names end in it."""
        return digest(self.cloud.account, self.cloud.region, stack)

    def _taken(self, name: str) -> str:
        """What S3 would say of another bucket of this name; empty where there is none."""
        try:
            self.s3.head_bucket(Bucket=name)
        except ClientError as error:
            if matches(error, self.absent):
                return ""
            if not matches(error, DENIED):
                raise
            return "BucketAlreadyExists"
        return "BucketAlreadyOwnedByYou"

    def _tags(self, name: str) -> dict[str, str]:
        """The tags; none where it has none, is gone, or is not ours to read."""
        try:
            return mapping(self.s3.get_bucket_tagging(Bucket=name)["TagSet"])
        except ClientError as error:
            if matches(error, {"NoSuchTagSet", "AccessDenied", "PermanentRedirect", *self.absent}):
                return {}
            raise


def _error(code: str, message: str, operation: str) -> ClientError:
    """An error as S3 answers with it; of what went wrong on its own side it may have done all the same
    (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
    status = 500 if code in ("InternalError", "ServiceUnavailable") else 400
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


def objects(page: Mapping[str, Any]) -> list[dict[str, str]]:
    """Objects, old versions and delete markers of a page of versions: all of them keep a bucket from being deleted."""
    listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in listed]
