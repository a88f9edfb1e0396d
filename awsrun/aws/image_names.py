"""What a container image's name says: whether it lies in ECR, where there, and which tag or digest is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_LOOPBACK = re.compile(r"127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class ImageName:
    """An image's name in its parts.

    Attributes:
        registry: host, with its port; empty where none is named (Docker Hub).
        account, region: of the ECR registry that this is; empty for every other one.
        tag: ``latest`` where neither tag nor digest is named; empty beside a digest.
        digest: ``sha256:...``; empty where the name has none.
    """

    registry: str
    repository: str
    tag: str
    digest: str
    account: str = ""
    region: str = ""

    @classmethod
    def parse(cls, name: str) -> ImageName:
        """As Docker reads it: https://pkg.go.dev/github.com/distribution/reference."""
        rest, _, digest = name.partition("@")
        first, slash, others = rest.partition("/")
        named = bool(slash) and ("." in first or ":" in first or first == "localhost")
        registry, path = (first, others) if named else ("", rest)
        repository, colon, tag = path.rpartition(":")
        if not colon:
            repository, tag = path, "" if digest else "latest"
        found = _ECR.fullmatch(registry)
        account, region = (found["account"], found["region"]) if found else ("", "")
        return cls(registry, repository, "" if digest else tag, digest, account, region)

    @property
    def on_this_machine(self) -> bool:
        """Whether it lies where the embedded cloud has its registry."""
        return bool(_LOOPBACK.fullmatch(self.registry))
