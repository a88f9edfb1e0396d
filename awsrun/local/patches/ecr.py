"""ECR: an image is known by the digest of its manifest and has the size of its layers, as in every registry."""

from __future__ import annotations

import hashlib
import json
from types import ModuleType
from typing import Any


def digest_of_the_manifest(module: ModuleType) -> None:
    """Patch ``moto.ecr.models``: moto makes a digest of the layers' digests, or of a random number.

    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageDetail.html
    """

    def create_digest(self: Any) -> None:
        self._image_digest = f"sha256:{hashlib.sha256(self.image_manifest.encode()).hexdigest()}"

    def size(self: Any) -> int:
        manifest = json.loads(self.image_manifest)
        parts = [manifest.get("config") or {}, *manifest.get("layers", ())]
        return sum(int(part.get("size", 0)) for part in parts)

    module.Image._create_digest = create_digest
    module.Image.get_image_size_in_bytes = size
