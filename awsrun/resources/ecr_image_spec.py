"""What a user writes of an image: what it is made from, and which machines it is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from awsrun.images.recipe import DEFAULT_BASE, Recipe
from awsrun.resources.architecture import ARM, platform
from awsrun.resources.batch_compute_environment_spec import ComputeEnvironmentSpec
from awsrun.spec.paths import FilePath, FolderPath
from awsrun.spec.references import Misfit, RefTo, ResourceSpec


class ImageSpec(ResourceSpec):
    """An image for jobs, built on this machine and pushed to the stack's repository."""

    outputs = ("uri", "tag")
    example = """
    images: {kind: ecr.repository, purge: true}
    trainer: {kind: ecr.image, repository: images, requirements: requirements.txt}
    """
    kind: Literal["ecr.image"] = "ecr.image"
    name: None = Field(default=None, description="An image has none: its repository and its content name it.")
    repository: Annotated[str, RefTo("ecr.repository")] = Field(description="The repository that it is pushed to.")
    requirements: FilePath | None = Field(
        default=None, description="Of the default Dockerfile: what pip installs, beside boto3. Relative to the spec."
    )
    base: str | None = Field(
        default=None,
        min_length=1,
        description=f"Of the default Dockerfile: the image to start from, with Python 3.10 or newer and pip; "
        f"{DEFAULT_BASE} unless given.",
    )
    context: FolderPath | None = Field(
        default=None, description="Folder that your own Dockerfile copies from; the Dockerfile's unless given."
    )
    dockerfile: FilePath | None = Field(
        default=None, description="Your own Dockerfile; the one in context unless given. Without both: the default one."
    )
    build_args: dict[str, str] = Field(default={}, description="Build arguments. No secrets: the image shows them.")
    runs_on: list[Annotated[str, RefTo("batch.compute_environment", edge=False)]] = Field(
        default=[], description="Machines that it is built for; all compute environments of the spec unless given."
    )
    platform: Literal["linux/amd64", "linux/arm64"] | None = Field(
        default=None, description="What it is built for, instead of what runs_on says; on a laptop, the laptop's own."
    )

    @field_validator("protect")
    @classmethod
    def _with_its_repository(cls, value: bool) -> bool:
        if value:
            raise ValueError("an image goes with its repository: protect that")
        return value

    @model_validator(mode="after")
    def _one_dockerfile(self) -> ImageSpec:
        own = self.dockerfile or self.context
        for field in ("requirements", "base"):
            if own and getattr(self, field):
                raise ValueError(f"{field} is for the default Dockerfile: leave it out, or dockerfile and context")
        if self.context and not self.dockerfile and not (Path(self.context) / "Dockerfile").is_file():
            raise ValueError(f"there is no Dockerfile in {self.context}: write one, or say which with dockerfile")
        return self

    def within(self, stack: Mapping[str, ResourceSpec]) -> ImageSpec:
        """Which machines it is for is known, that one image fits them all, and that its repository has room for it.

        A lifecycle policy deletes images whatever uses them
        (https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html).
        """
        self._check_room(stack)
        machines = {name: platforms(spec) for name, spec in stack.items() if name in self.runs_on or not self.runs_on}
        machines = {name: found for name, found in machines.items() if found}
        if not self.platform and len(set().union(*machines.values())) > 1:
            of_arm = sorted(name for name, found in machines.items() if ARM in found)
            raise Misfit(
                "runs_on",
                f"its machines have two architectures ({' and '.join(of_arm)}: {ARM}), and an image is built for one: "
                "say which with platform, or make one image for each and name its machines with runs_on",
            )
        return self.model_copy(update={"runs_on": sorted(machines)})

    def _check_room(self, stack: Mapping[str, ResourceSpec]) -> None:
        keep = getattr(stack.get(self.repository), "keep", 0)
        beside = [one for one in stack.values() if isinstance(one, ImageSpec) and one.repository == self.repository]
        if 0 < keep < len(beside):
            lost = f"{self.repository!r} keeps the newest {keep}, and {len(beside)} images are built into it"
            raise Misfit("repository", f"{lost}: the others would be deleted, so let it keep more")

    def recipe(self, platform: str) -> Recipe:
        """What it is made from."""
        arguments = tuple(sorted(self.build_args.items()))
        if not (self.dockerfile or self.context):
            requirements = Path(self.requirements) if self.requirements else None
            base = ("BASE", self.base or DEFAULT_BASE)
            return Recipe(requirements=requirements, arguments=(base, *arguments), platform=platform)
        dockerfile = Path(self.dockerfile) if self.dockerfile else Path(str(self.context)) / "Dockerfile"
        return Recipe(Path(self.context) if self.context else dockerfile.parent, dockerfile, None, arguments, platform)


def platforms(spec: ResourceSpec) -> set[str]:
    """What images for the machines of a compute environment are built for; nothing for any other resource."""
    if not isinstance(spec, ComputeEnvironmentSpec):
        return set()
    return {platform(one) for one in spec.instance_types or ["optimal"]}
