"""Repositories and manifests, as the registry sees them: they are moto's, changed through the journal alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from awsrun.local.calls import Call, Reply
from awsrun.local.world import World

ACCOUNT = "123456789012"
TARGET = "AmazonEC2ContainerRegistry_V20150921"


@dataclass(frozen=True)
class Manifest:
    """What a tag or digest stands for."""

    digest: str
    media_type: str
    content: bytes


class Catalog:
    """What ECR knows of repositories and images.

    Args:
        objection: why somebody may not do something (who, region, action, resource), or an empty string.
    """

    def __init__(self, world: World, objection: Callable[[str, str, str, str], str]) -> None:
        self._world, self._objection = world, objection

    def has(self, region: str, repository: str) -> bool:
        with self._world.lock:
            return repository in _backend(region).repositories

    def objection(self, who: str, region: str, repository: str, action: str) -> str:
        """Why ``who`` may not do what ECR calls ``action`` to a repository; empty where it may."""
        resource = f"arn:aws:ecr:{region}:{ACCOUNT}:repository/{repository}"
        with self._world.lock:
            return self._objection(who, region, f"ecr:{action}", resource)

    def tags(self, region: str, repository: str) -> list[str]:
        """All tags, sorted."""
        with self._world.lock:
            return sorted(tag for image in self._images(region, repository) for tag in image.image_tags)

    def manifest(self, region: str, repository: str, reference: str) -> Manifest | None:
        """The manifest under a tag or a digest."""
        with self._world.lock:
            for image in self._images(region, repository):
                if reference == image.get_image_digest() or reference in image.image_tags:
                    return Manifest(
                        image.get_image_digest(), image.image_manifest_media_type, image.image_manifest.encode()
                    )
        return None

    def put(self, region: str, repository: str, manifest: Manifest, tag: str | None) -> Reply:
        """PutImage, as any client of ECR's API could call it."""
        body = {
            "repositoryName": repository,
            "imageManifest": manifest.content.decode(),
            "imageManifestMediaType": manifest.media_type,
            "imageDigest": manifest.digest,
            **({"imageTag": tag} if tag else {}),
        }
        return self._world.perform(_call(region, "PutImage", body))

    def used(self) -> set[str]:
        """The digests that manifests of any region name."""
        with self._world.lock:
            texts = [image.image_manifest for images in self._all() for image in images]
        return {digest for text in texts for digest in named(json.loads(text))}

    def _images(self, region: str, repository: str) -> list[Any]:
        found = _backend(region).repositories.get(repository)
        return list(found.images) if found else []

    def _all(self) -> Iterator[list[Any]]:
        from moto.ecr.models import ecr_backends

        for regions in ecr_backends.values():
            for backend in regions.values():
                for repository in backend.repositories.values():
                    yield list(repository.images)


def named(manifest: Any) -> set[str]:
    """The digests that a manifest needs: its configuration and layers, or the manifests of an index."""
    entries = [manifest.get("config"), *manifest.get("layers", ()), *manifest.get("manifests", ())]
    return {entry["digest"] for entry in entries if entry}


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _backend(region: str) -> Any:
    from moto.ecr.models import ecr_backends

    return ecr_backends[ACCOUNT][region]


def _call(region: str, action: str, body: dict[str, Any]) -> Call:
    content = json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "RAW_URI": "/",
        "REQUEST_URI": "/",
        "CONTENT_LENGTH": str(len(content)),
        "CONTENT_TYPE": "application/x-amz-json-1.1",
        "HTTP_HOST": f"api.ecr.{region}.amazonaws.com",
        "HTTP_X_AMZ_TARGET": f"{TARGET}.{action}",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=local/20260101/{region}/ecr/aws4_request",
    }
    return Call(environ, content)
