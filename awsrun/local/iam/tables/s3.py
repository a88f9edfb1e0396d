"""S3, whose operations are in method, path and query string.

Names of operations and actions differ
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html).  Buckets are in the path, as
the embedded cloud's clients send them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from awsrun.local.calls import Call
from awsrun.local.iam.context import Given
from awsrun.local.iam.request import Authorization, Request, Rule, tags

# Subresource of a bucket -> what IAM calls it after Get and Put.  A DELETE is a Put, but for two.
_SETTINGS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "BucketAcl",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "logging": "BucketLogging",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "website": "BucketWebsite",
}
_DELETED_BY_NAME = frozenset({"policy", "website"})
_LISTS = {"versions": "ListBucketVersions", "uploads": "ListBucketMultipartUploads", "location": "GetBucketLocation"}
_OF_OBJECTS = {
    "acl": "ObjectAcl",
    "legal-hold": "ObjectLegalHold",
    "retention": "ObjectRetention",
    "tagging": "ObjectTagging",
}
# Parameters that may stand in a call beside those above; any other makes it an operation that is not known here.
_OF_LISTS = (
    "continuation-token", "delete", "delimiter", "encoding-type", "fetch-owner", "key-marker", "list-type", "marker",
    "max-keys", "max-uploads", "prefix", "start-after", "upload-id-marker", "version-id-marker",
)  # fmt: skip
_OF_READS = (
    "attributes", "max-parts", "part-number-marker", "partNumber", "restore", "select", "select-type", "uploadId",
    "uploads", "versionId",
)  # fmt: skip
_KNOWN = (frozenset({*_SETTINGS, *_LISTS, *_OF_LISTS}), frozenset({*_OF_OBJECTS, *_OF_READS}))
_VERBS = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "DELETE": "Delete"}


def name(call: Call) -> str:
    """What the call is to: the service, a bucket, a batch of deletions, or an object."""
    bucket, key = _place(call)
    if not bucket:
        return "ListBuckets" if call.method == "GET" else ""
    if not all(field in _KNOWN[bool(key)] or _plain(field) for field in call.query):
        return ""
    if key:
        return "Object"
    return "DeleteObjects" if call.method == "POST" and "delete" in call.query else "Bucket"


def _plain(field: str) -> bool:
    """A parameter of any call: a signature's, the SDK's name of the operation, or a header that a GET asks for."""
    return field.lower().startswith(("x-amz-", "x-id", "response-"))


def _place(call: Call) -> tuple[str, str]:
    """Bucket and key; WSGI has paths as latin-1."""
    bucket, _, key = call.path.encode("latin-1").decode("utf-8", "replace").lstrip("/").partition("/")
    return bucket, key


def _arn(bucket: str, key: str = "") -> str:
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _bucket(request: Request) -> Iterator[Authorization]:
    call = request.call
    query, resource = call.query, _arn(_place(call)[0])
    setting = next((known for known in _SETTINGS if known in query), None)
    if setting:
        verb = _VERBS.get(call.method, "Put")
        verb = "Put" if verb == "Delete" and setting not in _DELETED_BY_NAME else verb
        yield Authorization(f"s3:{verb}{_SETTINGS[setting]}", resource, tags(_tags(call.body)))
    elif call.method == "PUT":
        yield from _create(request, resource)
    elif call.method == "DELETE":
        yield Authorization("s3:DeleteBucket", resource)
    elif call.method in ("GET", "HEAD"):
        action = next((_LISTS[known] for known in _LISTS if known in query), "ListBucket")
        yield Authorization(f"s3:{action}", resource, _listing(query))
    else:
        yield Authorization("s3:PutObject", f"{resource}/*")  # a form's upload


def _create(request: Request, resource: str) -> Iterator[Authorization]:
    """CreateBucket: tags in it take s3:TagResource
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html)."""
    headers, given = request.call.environ, tags(_tags(request.call.body))
    yield Authorization("s3:CreateBucket", resource, given)
    if given:
        yield Authorization("s3:TagResource", resource, given)
    if "HTTP_X_AMZ_ACL" in headers:
        yield Authorization("s3:PutBucketAcl", resource)
    if headers.get("HTTP_X_AMZ_BUCKET_OBJECT_LOCK_ENABLED", "").lower() == "true":
        yield Authorization("s3:PutBucketObjectLockConfiguration", resource)
        yield Authorization("s3:PutBucketVersioning", resource)
    if "HTTP_X_AMZ_OBJECT_OWNERSHIP" in headers:
        yield Authorization("s3:PutBucketOwnershipControls", resource)


def _object(request: Request) -> Iterator[Authorization]:
    call = request.call
    query, (bucket, key) = call.query, _place(call)
    resource = _arn(bucket, key)
    version = "Version" if query.get("versionId", [""])[0] else ""
    setting = next((known for known in _OF_OBJECTS if known in query), None)
    if setting:
        suffix = version if setting in ("acl", "tagging") else ""
        tail = _OF_OBJECTS[setting].removeprefix("Object")
        yield Authorization(
            f"s3:{_VERBS.get(call.method, 'Put')}Object{suffix}{tail}", resource, tags(_tags(call.body))
        )
    elif "uploadId" in query and call.method in ("GET", "DELETE"):
        action = "ListMultipartUploadParts" if call.method == "GET" else "AbortMultipartUpload"
        yield Authorization(f"s3:{action}", resource)
    elif "restore" in query:
        yield Authorization("s3:RestoreObject", resource)
    elif call.method in ("GET", "HEAD") or "select" in query:
        yield from _read(request, bucket, key, version)
    elif call.method == "DELETE":
        yield Authorization(f"s3:DeleteObject{version}", resource)
    else:
        yield from _write(request, resource)


def _read(request: Request, bucket: str, key: str, version: str) -> Iterator[Authorization]:
    """GetObject and HeadObject.  Whoever may not list the bucket is not told that a key is missing
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_RequestSyntax, Permissions)."""
    yield Authorization(f"s3:GetObject{version}", _arn(bucket, key))
    if "attributes" in request.call.query:
        yield Authorization(f"s3:GetObject{version}Attributes", _arn(bucket, key))
    if not request.directory.has_object(bucket, key):
        yield Authorization("s3:ListBucket", _arn(bucket))


def _write(request: Request, resource: str) -> Iterator[Authorization]:
    """PutObject, CopyObject, and the parts of a multipart upload."""
    headers = request.call.environ
    source = unquote(headers.get("HTTP_X_AMZ_COPY_SOURCE", "")).lstrip("/")
    if source:
        place, _, version = source.partition("?versionId=")
        bucket, _, key = place.partition("/")
        yield Authorization(f"s3:GetObject{'Version' if version else ''}", _arn(bucket, key))
    yield Authorization("s3:PutObject", resource)
    if "HTTP_X_AMZ_TAGGING" in headers:
        yield Authorization("s3:PutObjectTagging", resource)
    if "HTTP_X_AMZ_ACL" in headers:
        yield Authorization("s3:PutObjectAcl", resource)


def _delete_objects(request: Request) -> Iterator[Authorization]:
    """DeleteObjects: the right to delete each of the objects."""
    bucket, _ = _place(request.call)
    for key, version in deletions(request.call):
        yield Authorization(f"s3:DeleteObject{'Version' if version else ''}", _arn(bucket, key))


def deletions(call: Call) -> list[tuple[str, str]]:
    """The keys and versions that a DeleteObjects names."""
    root = _parsed(call.body)
    if root is None:
        return []
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    return [
        (entry.findtext(f"{space}Key", ""), entry.findtext(f"{space}VersionId", ""))
        for entry in root.iterfind(f"{space}Object")
    ]


def _list_buckets(request: Request) -> Iterator[Authorization]:
    yield Authorization("s3:ListAllMyBuckets")


def _listing(query: Mapping[str, list[str]]) -> dict[str, Given]:
    return {f"s3:{key}": (query[key][0],) for key in ("prefix", "delimiter", "max-keys") if key in query}


def _tags(body: bytes) -> dict[str, str]:
    if b"<Tag>" not in body:
        return {}
    root = _parsed(body)
    found = {}
    for tag in root.iter() if root is not None else ():
        if tag.tag.rpartition("}")[2] == "Tag":
            parts = {part.tag.rpartition("}")[2]: part.text or "" for part in tag}
            found[parts.get("Key", "")] = parts.get("Value", "")
    return found


def _parsed(body: bytes) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return None


RULES: Mapping[str, Rule] = {
    "Bucket": _bucket,
    "DeleteObjects": _delete_objects,
    "ListBuckets": _list_buckets,
    "Object": _object,
}
