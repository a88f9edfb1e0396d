"""S3: tags given with CreateBucket are kept, lists say where buckets are, large objects lie in files of the embedded
cloud, policies are IAM's."""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ElementTree
from types import ModuleType, SimpleNamespace
from typing import Any

from awsrun.local.blobs import Blobs, Value
from awsrun.local.imports import Hook

_BUCKET_CREATED = "CreateBucketConfiguration"
_ASKED = ("bucket-region", "continuation-token", "max-buckets", "prefix")


def tags_at_creation(module: ModuleType) -> None:
    """Patch ``moto.s3.responses``: CreateBucketConfiguration.Tags reach the bucket (moto 5.2 drops them)."""
    original = module.S3Response._bucket_response_put

    def bucket_response_put(self: Any, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        answer = original(self, request, bucket_name, querystring)
        if _BUCKET_CREATED in str(self.body):
            tags = _tags(self.body)
            if tags:
                self.backend.put_bucket_tagging(bucket_name, tags)
        return answer

    module.S3Response._bucket_response_put = bucket_response_put


def regions_in_lists(module: ModuleType) -> None:
    """Patch ``moto.s3.responses``: each bucket of a list says where it is, if the list was asked for anything
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Bucket.html; moto 5.2 never does)."""
    original = module.S3Response.serialized

    def serialized(self: Any, action_result: Any) -> Any:
        asked = self.data.get("Action") == "ListBuckets" and any(map(self._get_param, _ASKED))
        for bucket in action_result.result["Buckets"] if asked else ():
            bucket["BucketRegion"] = self.backend.buckets[bucket["Name"]].region_name
        return original(self, action_result)

    module.S3Response.serialized = serialized


def values_in_blobs(blobs: Blobs) -> Hook:
    """Patch ``moto.s3.models``: an object's bytes are a `Value`, which pickles as a name, not as the bytes."""

    def patch(module: ModuleType) -> None:
        def buffer(*_: Any, **__: Any) -> Value:
            return Value(blobs)

        def getstate(self: Any) -> dict[str, Any]:
            return {name: value for name, value in self.__dict__.items() if name != "lock"}

        def setstate(self: Any, state: dict[str, Any]) -> None:
            self.__dict__.update(state)
            self.lock = threading.Lock()

        module.__dict__["tempfile"] = SimpleNamespace(SpooledTemporaryFile=buffer)
        module.FakeKey.__getstate__ = getstate
        module.FakeKey.__setstate__ = setstate

    return patch


def policies_are_not_motos(module: ModuleType) -> None:
    """Patch ``moto.s3.models``: what a bucket policy denies is `awsrun.local.iam`'s to say.

    moto's own reading knows no conditions and no principals, and would deny to all what is denied to some."""
    original = module.FakeBucket.get_permission

    def get_permission(self: Any, action: str, resource: str) -> Any:
        from moto.iam.access_control import PermissionResult

        found = original(self, action, resource)
        return PermissionResult.NEUTRAL if found == PermissionResult.DENIED else found

    module.FakeBucket.get_permission = get_permission


def _tags(body: str | bytes) -> dict[str, str]:
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return {}
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    return {
        tag.findtext(f"{space}Key", ""): tag.findtext(f"{space}Value", "")
        for tag in root.iterfind(f"{space}Tags/{space}Tag")
    }
