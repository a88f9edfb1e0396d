"""The registry of the embedded ECR, by the OCI distribution protocol and by what ECR's API then says."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def code(self) -> str:
        """The protocol's error code."""
        return str(json.loads(self.content)["errors"][0]["code"])


@dataclass
class Registry:
    """A client as simple as can be, of one repository."""

    cloud: LocalCloud
    repository: str = field(default_factory=lambda: f"r{uuid.uuid4().hex[:8]}")
    region: str = "us-east-1"
    address: str = ""
    authorization: str = ""

    def __post_init__(self) -> None:
        made = self.ecr.create_repository(repositoryName=self.repository)["repository"]
        self.address = made["repositoryUri"].partition("/")[0]
        token = self.ecr.get_authorization_token()["authorizationData"][0]
        assert token["proxyEndpoint"] == f"http://{self.address}"
        self.authorization = f"Basic {token['authorizationToken']}"

    @property
    def ecr(self) -> Any:
        return self.cloud.client("ecr")

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=20)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        where = path if path.startswith("/") else f"/v2/{self.repository}/{path}"
        chunked = body is not None and not isinstance(body, bytes)
        all_headers = {"Authorization": self.authorization, **given}
        connection.request(method, where, body=body, headers=all_headers, encode_chunked=chunked)
        answer = connection.getresponse()
        found = Answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return found

    def blob(self, content: bytes) -> str:
        """Push a blob in one request."""
        digest = digest_of(content)
        assert self.call("POST", f"blobs/uploads/?digest={digest}", content).status == 201
        return digest

    def manifest(self, config: bytes, *layers: bytes) -> bytes:
        """A manifest whose parts are pushed."""

        def part(kind: str, content: bytes) -> dict[str, Any]:
            return {"mediaType": kind, "size": len(content), "digest": self.blob(content)}

        whole = {"schemaVersion": 2, "mediaType": MANIFEST, "config": part(CONFIG, config)}
        return json.dumps({**whole, "layers": [part(LAYER, layer) for layer in layers]}).encode()

    def put(self, content: bytes, reference: str) -> Answer:
        return self.call("PUT", f"manifests/{reference}", content, Content_Type=MANIFEST)

    def blobs(self) -> set[str]:
        (folder,) = self.cloud.home.rglob("registry/blobs")
        return {f"sha256:{path.name}" for path in folder.iterdir()}


@pytest.fixture
def registry(local_cloud: LocalCloud) -> Registry:
    return Registry(local_cloud)


def test_who_has_no_password_is_asked_for_one(registry: Registry) -> None:
    registry.authorization, real = "", registry.authorization
    asked = registry.call("GET", "/v2/")
    assert asked.status == 401
    assert asked.headers["WWW-Authenticate"].startswith("Basic realm=")
    user, _, password = base64.b64decode(real.split()[1]).decode().partition(":")
    region, expires, signature = password.rsplit(".", 2)
    for forged in (f"{region}.{int(expires) + 1}.{signature}", f"eu-west-1.{expires}.{signature}", "guess"):
        registry.authorization = f"Basic {base64.b64encode(f'{user}:{forged}'.encode()).decode()}"
        assert registry.call("GET", "/v2/").status == 401
    registry.authorization = real
    assert registry.call("GET", "/v2/").status == 200


def test_a_blob_comes_in_parts_and_goes_out_whole_or_from_the_middle(registry: Registry) -> None:
    content = os.urandom(3 << 20)
    begun = registry.call("POST", "blobs/uploads/")
    assert begun.status == 202
    upload = begun.headers["Location"]
    half = len(content) // 2

    def pieces() -> Iterator[bytes]:
        for start in range(0, half, 70_001):
            yield content[start : min(start + 70_001, half)]

    assert registry.call("PATCH", upload, pieces(), Transfer_Encoding="chunked").headers["Range"] == f"0-{half - 1}"
    assert registry.call("PATCH", upload, content[half:], Content_Range="0-9").status == 416
    assert registry.call("GET", upload).headers["Range"] == f"0-{half - 1}"
    rest = {"Content_Range": f"{half}-{len(content) - 1}"}
    assert registry.call("PATCH", upload, content[half:], **rest).headers["Range"] == f"0-{len(content) - 1}"
    assert registry.call("PUT", f"{upload}?digest={digest_of(content)}").status == 201
    blob = f"blobs/{digest_of(content)}"
    assert registry.call("HEAD", blob).headers["Content-Length"] == str(len(content))
    assert registry.call("GET", blob).content == content
    part = registry.call("GET", blob, Range="bytes=5-9")
    assert (part.status, part.content) == (206, content[5:10])
    assert registry.call("GET", blob, Range=f"bytes={half}-").content == content[half:]


def test_what_is_not_what_its_digest_says_is_refused(registry: Registry) -> None:
    wrong = digest_of(b"something else")
    refused = registry.call("POST", f"blobs/uploads/?digest={wrong}", b"this")
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    assert registry.call("HEAD", f"blobs/{wrong}").status == 404
    assert registry.call("GET", f"manifests/{wrong}").status == 404


def test_a_blob_is_mounted_from_another_repository(registry: Registry, local_cloud: LocalCloud) -> None:
    digest = registry.blob(os.urandom(1000))
    other = Registry(local_cloud)
    mounted = other.call("POST", f"blobs/uploads/?mount={digest}&from={registry.repository}")
    assert mounted.status == 201
    assert other.call("POST", f"blobs/uploads/?mount={digest_of(b'unknown')}&from={registry.repository}").status == 202


def test_ecr_knows_what_was_pushed(registry: Registry) -> None:
    config, layer = os.urandom(100), os.urandom(5000)
    content = registry.manifest(config, layer)
    for tag in ("v1", "latest", "v1"):
        assert registry.put(content, tag).status == 201
    (image,) = registry.ecr.describe_images(repositoryName=registry.repository)["imageDetails"]
    assert image["imageDigest"] == digest_of(content)
    assert set(image["imageTags"]) == {"v1", "latest"}
    assert image["imageSizeInBytes"] == 5100
    got = registry.ecr.batch_get_image(repositoryName=registry.repository, imageIds=[{"imageTag": "v1"}])["images"][0]
    assert got["imageManifest"].encode() == content
    for reference in ("v1", digest_of(content)):
        pulled = registry.call("GET", f"manifests/{reference}")
        assert (pulled.content, pulled.headers["Content-Type"]) == (content, MANIFEST)
        assert registry.call("HEAD", f"manifests/{reference}").headers["Docker-Content-Digest"] == digest_of(content)
    assert json.loads(registry.call("GET", "tags/list").content)["tags"] == ["latest", "v1"]
    page = registry.call("GET", "tags/list?n=1")
    assert json.loads(page.content)["tags"] == ["latest"] and "last=latest" in page.headers["Link"]
    with pytest.raises(ClientError, match="RepositoryNotEmptyException"):
        registry.ecr.delete_repository(repositoryName=registry.repository)


def test_a_tag_given_by_ecrs_api_is_pulled_by(registry: Registry) -> None:
    content = registry.manifest(os.urandom(100), os.urandom(100))
    registry.put(content, "v1")
    registry.ecr.put_image(
        repositoryName=registry.repository, imageManifest=content.decode(),
        imageManifestMediaType=MANIFEST, imageTag="prod",
    )  # fmt: skip
    assert registry.call("GET", "manifests/prod").headers["Docker-Content-Digest"] == digest_of(content)


def test_a_manifest_needs_its_parts_and_its_repository(registry: Registry) -> None:
    layer = {"mediaType": LAYER, "size": 1, "digest": digest_of(b"never pushed")}
    lacking = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer]}).encode()
    refused = registry.put(lacking, "v1")
    assert (refused.status, refused.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert registry.put(b"no json", "v1").code == "MANIFEST_INVALID"
    for method, path in (("POST", "blobs/uploads/"), ("GET", "tags/list"), ("HEAD", "manifests/v1")):
        unknown = registry.call(method, f"/v2/nobody/{path}")
        assert unknown.status == 404 and (method == "HEAD" or unknown.code == "NAME_UNKNOWN")
    assert registry.call("DELETE", f"manifests/{digest_of(lacking)}").status == 405


def test_layers_go_with_their_last_image(registry: Registry, local_cloud: LocalCloud) -> None:
    other = Registry(local_cloud)
    shared, own = os.urandom(2000), os.urandom(2000)
    registry.put(registry.manifest(os.urandom(50), shared, own), "v1")
    other.put(other.manifest(os.urandom(50), shared), "v1")
    unfinished = registry.blob(os.urandom(2000))  # somebody may still be pushing what names it
    registry.ecr.delete_repository(repositoryName=registry.repository, force=True)
    for _ in range(400):
        if digest_of(own) not in registry.blobs():
            break
        other.call("GET", "/v2/")
    assert {digest_of(shared), unfinished} <= registry.blobs()
    assert digest_of(own) not in registry.blobs()


def test_images_survive_a_kill_and_are_forgotten_by_a_reset(fresh_cloud: LocalCloud) -> None:
    registry = Registry(fresh_cloud)
    layer = os.urandom(100_000)
    content = registry.manifest(os.urandom(100), layer)
    registry.put(content, "v1")
    begun = registry.call("POST", "blobs/uploads/").headers["Location"]
    registry.call("PATCH", begun, layer[:50_000])
    os.kill(fresh_cloud.status()["pid"], 9)
    fresh_cloud.start()
    again = fresh_cloud.client("ecr").describe_repositories(repositoryNames=[registry.repository])["repositories"][0]
    assert again["repositoryUri"] == f"{registry.address}/{registry.repository}", "job definitions name it"
    assert registry.call("GET", "manifests/v1").content == content
    assert registry.call("GET", f"blobs/{digest_of(layer)}").content == layer
    assert registry.call("PATCH", begun, layer[50_000:]).headers["Range"] == f"0-{len(layer) - 1}"
    assert registry.call("PUT", f"{begun}?digest={digest_of(layer)}").status == 201
    assert fresh_cloud.control("reset").returncode == 0
    assert not [path for path in Path(fresh_cloud.home).rglob("*") if path.name == digest_of(layer)[7:]]
