"""S3 as hard as it is: buckets come and go slowly, their names are everybody's, and new ones are closed.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel (bucket configurations are
eventually consistent: a deleted bucket may still be listed, a block of public access may still hold);
https://github.com/hashicorp/terraform-provider-aws/pull/10863 (NoSuchBucket right after CreateBucket);
https://github.com/aws/aws-cli/issues/2593 and https://github.com/aws/aws-cli/issues/2411 (OperationAborted when a name
just deleted is taken again, for up to an hour from another region or account);
https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html (since April 2023 new buckets block public
access and know no ACLs); https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html (and are
encrypted by S3); https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html;
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html (403 of a bucket that is another account's).
BucketNotEmpty, BucketAlreadyOwnedByYou and us-east-1's 200 are what moto says by itself.  Buckets are named in the
path, as clients do with endpoints like this cloud's.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.ledger import Key
from awsrun.local.strict.rules import Rules, backend
from awsrun.local.strict.xml_lists import Element, changed, without

KNOWN, LISTED = 2.0, 10.0  # seconds until calls find a new bucket, and ListBuckets shows it; at most
LINGERING = 10.0  # seconds that ListBuckets still shows one that is gone
OPENED = 5.0  # seconds for which a policy may not be public yet after public access was let in; at most
FREED, FREED_ELSEWHERE = 120.0, 3600.0  # seconds until the name of one that is gone may be taken, here and elsewhere

# Names that somebody else has had for a long time.
TAKEN = frozenset({"bucket", "data", "images", "logs", "models", "my-bucket", "mybucket", "results", "test", "website"})
_OWNERS_ACLS = frozenset({"private", "bucket-owner-full-control"})
_OPEN = ("*", {"AWS": "*"}, {"AWS": ["*"]})


class S3Rules(Rules):
    service = "s3"

    def around(self, call: Call, inner: Perform) -> Reply:
        bucket = _bucket(call)
        if bucket and call.method == "PUT" and not _about(call):
            return self._create(call, bucket, inner)
        return super().around(call, inner)

    def before(self, call: Call, inner: Perform) -> Reply | None:
        bucket = _bucket(call)
        if not bucket:
            return None
        if self.ledger.unknown(s3_key(bucket)):
            return refusal(call, "NoSuchBucket", "The specified bucket does not exist", 404)
        record = backend("s3", "aws").buckets.get(bucket)
        if record is None and bucket in TAKEN:
            return refusal(call, "AccessDenied", "Access Denied", 403)
        if record is None or call.method != "PUT":
            return None
        if _about(call) == "policy" and self._closed(bucket, record) and _public(call.body):
            said = f's3:PutBucketPolicy on resource: "arn:aws:s3:::{bucket}" because public policies are blocked by'
            said = f"User is not authorized to perform: {said} the BlockPublicPolicy block public access setting."
            return refusal(call, "AccessDenied", said, 403)
        acl = call.environ.get("HTTP_X_AMZ_ACL", "private")
        if record.ownership_rule == "BucketOwnerEnforced" and acl not in _OWNERS_ACLS:
            return refusal(call, "AccessControlListNotSupported", "The bucket does not allow ACLs")
        return None

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        bucket = _bucket(call)
        if not bucket and call.method == "GET":
            return self._listed(reply)
        if _about(call) == "publicAccessBlock" and call.method in ("PUT", "DELETE"):
            key = (*s3_key(bucket), "closed")
            self.ledger.enter(key, "closed", self.ledger.lag(key, OPENED))
        if call.method == "DELETE" and not _about(call):
            key, ledger = s3_key(bucket), self.ledger
            ledger.enter((*key, "lingers"), "lingers", ledger.lag(key, LINGERING))
            ledger.enter((*key, "freed"), "freed", ledger.lag(key, FREED))
            ledger.enter((*key, "elsewhere"), call.scope[1], ledger.lag(key, FREED_ELSEWHERE))
        return reply

    def _closed(self, bucket: str, record: Any) -> bool:
        """Whether no policy may be public (yet)."""
        return _blocks(record) or bool(self.ledger.phase((*s3_key(bucket), "closed")))

    def _create(self, call: Call, bucket: str, inner: Perform) -> Reply:
        key, buckets = s3_key(bucket), backend("s3", "aws").buckets
        if bucket in TAKEN:
            said = "The requested bucket name is not available. The bucket namespace is shared by all users of the "
            return refusal(call, "BucketAlreadyExists", f"{said}system. Please select a different name.", 409)
        fresh = bucket not in buckets
        elsewhere = self.ledger.phase((*key, "elsewhere"))
        if fresh and (self.ledger.phase((*key, "freed")) or elsewhere not in ("", call.scope[1])):
            said = "A conflicting conditional operation is currently in progress against this resource."
            return refusal(call, "OperationAborted", f"{said} Please try again.", 409)
        reply = inner(call)
        if fresh and reply.status < 400:
            self.ledger.made(key, KNOWN, LISTED)
            self.ledger.leave((*key, "lingers"))
            _close(bucket, buckets[bucket])
        return reply

    def _listed(self, reply: Reply) -> Reply:
        lingering = sorted(self.ledger.in_phase("s3", "aws", "lingers"))
        reply = without(reply, "Buckets", "Name", self.ledger.unlisted_of("s3", "aws"))

        def still_there(buckets: Element, space: str) -> None:
            for name in lingering:
                entry = buckets.makeelement(f"{space}Bucket", {})
                for tag, text in (("Name", name), ("CreationDate", "2025-01-01T00:00:00.000Z")):
                    part = entry.makeelement(f"{space}{tag}", {})
                    part.text = text
                    entry.append(part)
                buckets.append(entry)

        return changed(reply, "Buckets", still_there) if lingering else reply


def s3_key(bucket: str) -> Key:
    """What the ledger knows a bucket by: names are those of all regions."""
    return ("s3", "aws", bucket)


def _bucket(call: Call) -> str:
    return unquote(call.path).lstrip("/").partition("/")[0]


def _about(call: Call) -> str:
    """The object or the setting that a call is about; empty for the bucket itself."""
    _, _, item = unquote(call.path).lstrip("/").partition("/")
    return item or next((name for name in call.query if not name.startswith("x-")), "")


def _close(name: str, record: Any) -> None:
    """What new buckets are."""
    s3 = backend("s3", "aws")
    block = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(name, dict.fromkeys(block, "true"))
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": "false"}
    s3.put_bucket_encryption(name, {"Rule": default})
    record.ownership_rule = record.ownership_rule or "BucketOwnerEnforced"


def _blocks(record: Any) -> bool:
    block = record.public_access_block
    return block is not None and str(block.block_public_policy).lower() == "true"


def _public(policy: bytes) -> bool:
    """Whether a policy allows something to everybody, without a condition."""
    try:
        statements: Any = json.loads(policy).get("Statement", [])
    except (ValueError, AttributeError):
        return False
    listed = statements if isinstance(statements, list) else [statements]
    return any(
        one.get("Effect") == "Allow" and one.get("Principal") in _OPEN and not one.get("Condition") for one in listed
    )
