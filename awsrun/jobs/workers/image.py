"""Which image a run's workers start from.

A tag may be moved to another image; a digest is one image for ever.  So the digest is looked up whenever workers are
asked for, with one call, where the image lies in ECR: what a tag stands for in other registries, ECR cannot say, and
nobody else is asked.  It is noted with the group of workers: a run that is resumed may go on in another image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from awsrun.aws import embedded
from awsrun.aws.clients import Cloud
from awsrun.aws.errors import DENIED, matches, message_of
from awsrun.aws.image_names import ImageName
from awsrun.worker.protocol.runs import Run

PROCESSES = "processes"
"""What the embedded cloud runs workers as, whatever image their definition names, where it was started without
``--containers``."""
_ABSENT = ("ImageNotFoundException", "RepositoryNotFoundException")
_SHORT = 19  # characters of a digest, its sha256: included


@dataclass(frozen=True)
class Image:
    """What workers are started from.

    Attributes:
        name: as their definition has it; empty where that is not known.
        digest: ``sha256:...``, the hash of its manifest, empty where it is not known
            (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageIdentifier.html).
        why: why it is not known.
        used: False where workers are processes of this machine.
    """

    name: str = ""
    digest: str = ""
    why: str = ""
    used: bool = True

    @property
    def identity(self) -> str:
        """What is the same for workers in the same image, and for no others; empty where that cannot be said."""
        return self.digest if self.used else PROCESSES

    def record(self) -> dict[str, Any]:
        """As a run's provenance keeps it."""
        return asdict(self)


def resolve(cloud: Cloud, jobs: Mapping[str, Any]) -> Image:
    """What workers that are started now are started from.  At most one call of AWS.

    Args:
        jobs: of the stack's record.
    """
    name, used = str(jobs.get("image") or ""), embedded.runs_images(cloud.endpoint_url)
    if not name:
        return Image(why="the stack was applied by an older version of awsrun; apply it again", used=used)
    parts = ImageName.parse(name)
    if parts.digest:
        return Image(name, parts.digest, used=used)
    if not (parts.account or (parts.on_this_machine and not embedded.is_aws(cloud.endpoint_url))):
        where = parts.registry or "Docker Hub"
        return Image(name, why=f"what a tag stands for in {where} cannot be asked of ECR", used=used)
    digest, why = _digest(cloud, parts)
    return Image(name, digest, why, used)


def of_run(run: Run) -> Image:
    """What a run's workers were started from; nothing is known of runs of older versions."""
    kept = run.provenance.get("image") or {"why": "it was not recorded"}
    return Image(**{key: kept[key] for key in Image.__dataclass_fields__ if key in kept})


def identities(run: Run) -> list[str]:
    """`Image.identity` of each image that a run's workers were started from, each once, in their order."""
    return list(dict.fromkeys(str(group.get("image", "")) for group in run.engine.get("groups", ())))


def mixed(run: Run) -> bool:
    """Whether the workers of a run were started from more than one image, as far as is known."""
    return len([identity for identity in identities(run) if identity]) > 1


def told(run: Run, short: bool = False) -> str:
    """What a run's workers were started from, in words; empty where nothing is known."""
    image = of_run(run)
    if not image.name:
        return ""
    if not image.used:
        return f"{image.name}, not used: workers were processes"
    most = _SHORT if short else None
    digest = f"@{image.digest[:most]}" if image.digest else f" (digest not known: {image.why})"
    others = [identity[:most] or "not known" for identity in identities(run) if identity != image.digest]
    later = f"; of later workers {', '.join(others)}" if others else ""
    return image.name.partition("@")[0] + digest + later


def _digest(cloud: Cloud, parts: ImageName) -> tuple[str, str]:
    """The digest that a tag in ECR stands for, or why that is not known."""
    from botocore.exceptions import BotoCoreError, ClientError

    where = cloud if parts.region in ("", cloud.region) else cloud.elsewhere(parts.region)
    registry = {"registryId": parts.account} if parts.account else {}
    try:
        found = where.read("ecr").describe_images(
            repositoryName=parts.repository, imageIds=[{"imageTag": parts.tag}], **registry
        )
        return str(found["imageDetails"][0]["imageDigest"]), ""
    except ClientError as error:
        if matches(error, DENIED):
            return "", "you may not call ecr:DescribeImages; awsrun policy --for submit has it"
        absent = matches(error, _ABSENT)
        return "", "there is no such image in ECR" if absent else f"ECR says: {message_of(error)}"
    except BotoCoreError as error:
        return "", f"ECR does not answer: {error}"
