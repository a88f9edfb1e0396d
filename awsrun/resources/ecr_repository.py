"""ECR repositories: images for jobs, scanned when pushed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import matches
from awsrun.aws.names import physical
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME, mapping, pairs
from awsrun.prices.price import Price, metered
from awsrun.prices.table import Prices
from awsrun.resources.kind import ABSENT, Change, Found, Kind, Owner, Refs, Seen, State
from awsrun.resources.ours import arn, ours, unless_denied
from awsrun.resources.rights import named
from awsrun.spec.references import ResourceSpec

OTHER_RULES = -1  # a lifecycle policy that is not ours
PAGE = 100  # images that one BatchDeleteImage takes


class RepositorySpec(ResourceSpec):
    """A private repository of container images."""

    outputs = ("arn", "name", "uri")
    example = """
    images: {kind: ecr.repository, purge: true}
    """
    kind: Literal["ecr.repository"] = "ecr.repository"
    name: str | None = Field(
        default=None,
        min_length=2,
        max_length=256,
        pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*$",
        description="Physical name; derived from stack and key unless given.",
    )
    scan: bool = Field(default=True, description="Look for known vulnerabilities in each image when it is pushed.")
    keep: int = Field(default=0, ge=0, description="Only the newest images are kept, this many; 0 keeps all.")
    purge: bool = Field(default=False, description="Its images may be deleted with it.")


@dataclass(frozen=True)
class RepositoryState(State):
    """``keep``: 0 for no rule, `OTHER_RULES` for rules that are not ours."""

    scan: bool
    keep: int


class Repository(Kind[RepositorySpec, RepositoryState]):
    kind = "ecr.repository"
    Spec = RepositorySpec
    State = RepositoryState
    identity = "name"
    service = "ecr"
    name_limit = 256
    holds_data = True
    absent = frozenset({"RepositoryNotFoundException"})
    exists = frozenset({"RepositoryAlreadyExistsException"})
    blocked = frozenset({"RepositoryNotEmptyException"})

    def lower(self, spec: RepositorySpec, refs: Refs) -> RepositoryState:
        return RepositoryState(spec.scan, spec.keep)

    def physical(self, stack: str, name: str, spec: RepositorySpec, state: RepositoryState | None = None) -> str:
        return spec.name or physical(stack, name, self.name_limit, lower=True)

    def arn(self, physical: str) -> str:
        return arn(self.cloud, "ecr", f"repository/{physical}")

    def price(self, state: RepositoryState, prices: Prices) -> Price:
        return metered((prices.rate("ecr_gb_month"), "per GB and month stored"))

    def rights(self, stack: str, specs: Mapping[str, RepositorySpec]) -> Iterable[Right]:
        """Listing all repositories is authorised on all of them."""
        repositories = named(self, f"{stack}-*", specs)
        updates = "PutImageScanningConfiguration PutLifecyclePolicy DeleteLifecyclePolicy"
        yield allow("find", "ecr", "DescribeRepositories", self.arn("*"))
        yield allow("find", "ecr", "ListTagsForResource", *repositories)
        yield allow("read", "ecr", "DescribeRepositories GetLifecyclePolicy ListImages", *repositories)
        yield allow("create", "ecr", "CreateRepository TagResource", *repositories)
        yield allow("update", "ecr", updates, *repositories)
        yield allow("tag", "ecr", "TagResource UntagResource", *repositories)
        yield allow("delete", "ecr", "DeleteRepository", *repositories)
        yield allow("empty", "ecr", "ListImages BatchDeleteImage", *repositories)

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Names start with the stack's; others are looked at where hints name them, or when all stacks are wanted."""
        for repository, tags in owned(self.cloud, stack, hints):
            name = repository["repositoryName"]
            yield Found(tags[NAME], name, tags, self._seen(repository, self._keep(name)))

    def read(self, id: str) -> Seen[RepositoryState]:
        try:
            repository = self._ecr.describe_repositories(repositoryNames=[id])["repositories"][0]
            return self._seen(repository, self._keep(id))
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise

    def create(self, state: RepositoryState, owner: Owner) -> str:
        self.cloud.write("ecr").create_repository(
            repositoryName=owner.physical,
            imageScanningConfiguration={"scanOnPush": state.scan},
            tags=pairs(dict(owner.tags)),
        )
        return owner.physical

    def update(self, id: str, wanted: RepositoryState, seen: RepositoryState, changed: Collection[Change]) -> None:
        ecr, fields = self.cloud.write("ecr"), {change.field for change in changed}
        if "scan" in fields:
            scanning = {"scanOnPush": wanted.scan}
            ecr.put_image_scanning_configuration(repositoryName=id, imageScanningConfiguration=scanning)
        if "keep" in fields and wanted.keep:
            ecr.put_lifecycle_policy(repositoryName=id, lifecyclePolicyText=json.dumps(_rules(wanted.keep)))
        elif "keep" in fields:
            ecr.delete_lifecycle_policy(repositoryName=id)

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        if set:
            self.cloud.write("ecr").tag_resource(resourceArn=self.arn(id), tags=pairs(dict(set)))
        if unset:
            self.cloud.write("ecr").untag_resource(resourceArn=self.arn(id), tagKeys=sorted(unset))

    def delete(self, id: str, seen: Seen[RepositoryState]) -> None:
        self.cloud.write("ecr").delete_repository(repositoryName=id)

    def holds(self, id: str) -> int:
        return len(self._images(id, 1))

    def empty(self, id: str) -> None:
        """An image that an index of several platforms refers to goes only after the index
        (``ImageReferencedByManifestList``): as long as something went, the next page tries again."""
        images = self._images(id, PAGE)
        if not images:
            return
        answer = self.cloud.write("ecr").batch_delete_image(repositoryName=id, imageIds=images)
        failures = answer.get("failures", [])
        if failures and not answer.get("imageIds"):
            code, message = failures[0]["failureCode"], failures[0]["failureReason"]
            raise ClientError({"Error": {"Code": code, "Message": message}}, "BatchDeleteImage")

    @property
    def _ecr(self) -> Any:
        return self.cloud.read("ecr")

    def _seen(self, repository: Mapping[str, Any], keep: int) -> Seen[RepositoryState]:
        name = repository["repositoryName"]
        scan = repository.get("imageScanningConfiguration", {}).get("scanOnPush", False)
        outputs = {"name": name, "arn": repository["repositoryArn"], "uri": repository["repositoryUri"]}
        return Seen(RepositoryState(scan, keep), "ready", outputs=outputs)

    def _keep(self, name: str) -> int:
        try:
            rules = json.loads(self._ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])
        except ClientError as error:
            if matches(error, ("LifecyclePolicyNotFoundException",)):
                return 0
            raise
        keep = rules["rules"][0]["selection"].get("countNumber", 0)
        return int(keep) if rules == _rules(keep) else OTHER_RULES

    def _images(self, name: str, count: int) -> list[dict[str, str]]:
        """Digests of images: deleting one by a tag would leave the image under its other tags."""
        try:
            listed = self._ecr.list_images(repositoryName=name, maxResults=count)["imageIds"]
        except ClientError as error:
            if matches(error, self.absent):
                return []
            raise
        return [{"imageDigest": digest} for digest in sorted({image["imageDigest"] for image in listed})]


def owned(
    cloud: Cloud, stack: str | None, names: Collection[str] = ()
) -> Iterator[tuple[Mapping[str, Any], dict[str, str]]]:
    """The repositories of a stack (None: of any), each with its tags.

    Args:
        names: looked at too, beside those whose names start with the stack's.
    """
    ecr = cloud.read("ecr")
    pages = ecr.get_paginator("describe_repositories").paginate()
    for repository in (one for page in pages for one in page["repositories"]):
        name = repository["repositoryName"]
        if stack is None or name.startswith(f"{stack}-") or name in names:
            tags = unless_denied(stack, partial(_tags, ecr), repository["repositoryArn"]) or {}
            if ours(tags, stack):
                yield repository, tags


def _tags(ecr: Any, arn: str) -> dict[str, str]:
    return mapping(ecr.list_tags_for_resource(resourceArn=arn)["tags"])


def _rules(keep: int) -> dict[str, Any]:
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": keep}
    rule = {"rulePriority": 1, "description": "awsrun: keep", "selection": selection, "action": {"type": "expire"}}
    return {"rules": [rule]}
