"""What users may write of a task definition of ECS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from awsrun.aws.image_names import ImageName
from awsrun.aws.names import IMAGE_TAG
from awsrun.images.recipe import DEFAULT_BASE
from awsrun.resources.architecture import ARM, X86, Architecture
from awsrun.resources.ecr_image_spec import ImageSpec, platforms
from awsrun.resources.ecs import NAME_PATTERN
from awsrun.resources.fargate import check_size
from awsrun.resources.iam_role import RoleSpec
from awsrun.resources.logs_group import LogGroupSpec
from awsrun.resources.units import Duration
from awsrun.spec.references import Misfit, RefTo, ResourceSpec, Value

TASKS = "ecs-tasks"
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
LONGEST_STOP = 120  # seconds, on Fargate
STORAGE = (20, 200)  # GiB; 20 are free


class TaskDefinitionSpec(ResourceSpec):
    """What one Fargate task is: an image, vCPUs, memory, and what it may do. Only running tasks are paid for."""

    outputs = ("arn", "name", "container")
    example = """
    answers: {kind: dynamodb.table, hash_key: id}
    worker: {kind: iam.role, service: ecs-tasks, read_write: [answers]}
    ask:
      kind: ecs.task_definition
      role: worker
      vcpus: 1
      memory_mib: 4096
      environment: {TABLE: answers.name}
    """
    kind: Literal["ecs.task_definition"] = "ecs.task_definition"
    name: str | None = Field(default=None, max_length=255, pattern=NAME_PATTERN, description="Physical name (family).")
    vcpus: float = Field(default=0.25, gt=0, le=16, description="vCPUs of a task: 0.25, 0.5, 1, 2, 4, 8 or 16.")
    memory_mib: int = Field(
        default=512, ge=512, description="Memory of a task in MiB; what Fargate offers depends on vcpus."
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        description=f"Container image; {DEFAULT_BASE} where neither built nor repository is given.",
    )
    built: Annotated[str, RefTo("ecr.image")] | None = Field(
        default=None, description="The image that awsrun builds and pushes (an ecr.image), instead of image."
    )
    repository: Annotated[str, RefTo("ecr.repository")] | None = Field(
        default=None, description="The stack's repository to take the image from, instead of image."
    )
    tag: str = Field(default="latest", pattern=IMAGE_TAG, description="The image's tag in repository.")
    command: list[str] = Field(default=[], description="Command of tasks that name none; the image's own unless given.")
    environment: dict[str, Value] = Field(
        default={},
        description="Environment variables; table.name is an output of another resource. No secrets: they can be read.",
    )
    init: bool | None = Field(
        default=None,
        description="Whether an init process of Docker's comes before the command: it hands on SIGTERM and clears away "
        "what ended processes leave. New ones have it unless this is false, as for an image with an init of its own "
        "(s6, systemd); without a word here, those that exist stay as they are.",
    )
    role: Annotated[str, RefTo("iam.role")] | None = Field(
        default=None, description="What the task may do (service: ecs-tasks); nothing unless given."
    )
    execution_role: Annotated[str, RefTo("iam.role")] | None = Field(
        default=None, description="Pulls the image and writes logs; made unless given."
    )
    log_group: Annotated[str, RefTo("logs.group")] | None = Field(
        default=None, description="Where its output goes; a group of its own unless given."
    )
    log_days: int = Field(
        default=30, description="Days until entries of its own log group are deleted, one of those that AWS offers."
    )
    architecture: Architecture | None = Field(
        default=None, description="Processor: x86_64 or arm64 (about 20 % cheaper). As the built image, else x86_64."
    )
    storage_gib: int = Field(
        default=STORAGE[0], ge=STORAGE[0], le=STORAGE[1], description="Disk of a task in GiB; the first 20 are free."
    )
    stop_timeout: Duration = Field(
        default=30, description="How long a task that is stopped may take after SIGTERM (30s), at most 120s."
    )

    @field_validator("stop_timeout")
    @classmethod
    def _not_too_long(cls, value: int) -> int:
        if not 2 <= value <= LONGEST_STOP:
            raise ValueError(f"{value} s: Fargate waits between 2 and {LONGEST_STOP} s for a task to stop")
        return value

    @model_validator(mode="after")
    def _possible(self) -> TaskDefinitionSpec:
        if sum(given is not None for given in (self.image, self.repository, self.built)) > 1:
            raise ValueError("say what it runs with one of image (a URI), built (an ecr.image) and repository")
        if self.log_group and "log_days" in self.model_fields_set:
            raise ValueError("log_group says how long entries are kept: leave log_days out")
        LogGroupSpec(retention_days=self.log_days)  # whether AWS offers that
        check_size(self.vcpus, self.memory_mib)
        return self

    def from_internet(self) -> str:
        """Its image, where that comes from the internet; empty where it lies in ECR."""
        if self.built or self.repository or (self.image and ImageName.parse(self.image).account):
            return ""
        return self.image or DEFAULT_BASE

    def within(self, stack: Mapping[str, ResourceSpec]) -> TaskDefinitionSpec:
        """Its processor is known, its image is built for that, and its roles may be used by tasks."""
        named = stack.get(self.image or "")
        if named and (field := {"ecr.image": "built", "ecr.repository": "repository"}.get(named.kind)):
            raise Misfit("image", f"{self.image!r} is a resource of this spec: write {field}: {self.image}")
        for field in ("role", "execution_role"):
            role = stack.get(getattr(self, field) or "")
            if isinstance(role, RoleSpec) and TASKS not in role.services:
                raise Misfit(field, f"ECS's tasks may not assume {getattr(self, field)!r}: give it service: {TASKS}")
        image = stack.get(self.built or "")
        wanted = _architecture(image, stack) if isinstance(image, ImageSpec) else None
        if wanted and self.architecture and wanted != self.architecture:
            raise Misfit(
                "architecture",
                f"{self.built!r} is built for {wanted}: give it platform: "
                f"{ARM if self.architecture == 'arm64' else X86}, or leave architecture out",
            )
        return self.model_copy(update={"architecture": self.architecture or wanted or "x86_64"})


def _architecture(image: ImageSpec, stack: Mapping[str, ResourceSpec]) -> Architecture:
    """What an image of the stack is built for: what it says, else the machines of the stack."""
    machines = [stack[name] for name in image.runs_on] or list(stack.values())
    found = {image.platform} if image.platform else set().union(*(platforms(one) for one in machines))
    return "arm64" if found == {ARM} else "x86_64"
