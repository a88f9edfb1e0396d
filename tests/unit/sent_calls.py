"""Calls as boto3 sends them, without sending them, and what they name as a directory that knows it."""

from __future__ import annotations

import functools
import io
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from awsrun.local.calls import Call
from awsrun.local.http import _environ
from awsrun.local.iam.directory import Directory


class Known(Directory):
    """Names have ARNs below /path/; one association, one profile; no object and no linked role is there."""

    def iam_arn(self, kind: str, name: str) -> str:
        return f"arn:aws:iam::123456789012:{kind}/path/{name}"

    def role_of_profile(self, name: str) -> str | None:
        return "arn:aws:iam::123456789012:role/path/of-profile"

    def has_role(self, name: str) -> bool:
        return False

    def has_object(self, bucket: str, key: str) -> bool:
        return key != "missing"

    def partition_key(self, region: str, table: str) -> str:
        return "pk"

    def association(self, region: str, association: str) -> list[str]:
        return ["rtb-1", "subnet-1"]


@functools.cache
def client(service: str) -> Any:
    """A client whose calls go nowhere."""
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, parameter_validation=True)
    session = boto3.Session("key", "secret", region_name="eu-west-1")
    return session.client(service, endpoint_url="http://127.0.0.1:1", config=config)


def call(service: str, operation: str, parameters: dict[str, Any]) -> Call:
    """What the embedded cloud's server would make of ``client.OPERATION(**parameters)``."""
    found: list[Call] = []

    def take(request: Any, **_: Any) -> AWSResponse:
        found.append(_read(request))
        return AWSResponse(request.url, 200, {}, io.BytesIO(b""))

    used = client(service)
    used.meta.events.register("before-send", take, unique_id="take")
    try:
        getattr(used, operation)(**parameters)
    except Exception:  # an empty answer is not what boto3 expects
        assert found
    finally:
        used.meta.events.unregister("before-send", unique_id="take")
    return found[0]


def _read(request: Any) -> Call:
    body = request.body if request.body is not None else b""
    content: bytes = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else body.read()
    url = urlsplit(request.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    lines = "".join(f"{name}: {_text(value)}\r\n" for name, value in request.headers.items())
    environ = _environ(request.method, target, io.BytesIO(lines.encode("latin-1") + b"\r\n"))  # type: ignore[arg-type]
    assert environ["PATH_INFO"] == unquote(url.path, "latin-1")
    return Call(environ, content)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
