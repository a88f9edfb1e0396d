"""What users may write of a job definition of Batch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from awsrun.aws.names import IMAGE_TAG
from awsrun.resources.architecture import ARM
from awsrun.resources.batch import NAME_PATTERN
from awsrun.resources.batch_compute_environment_spec import ComputeEnvironmentSpec
from awsrun.resources.fargate import check_size
from awsrun.resources.sizes import too_large
from awsrun.resources.units import Duration
from awsrun.spec.references import Misfit, RefTo, ResourceSpec

SHORTEST = 60  # seconds: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
RESERVED = "AWS_BATCH"
# Neither AMD's GPUs nor those beside ARM processors: https://docs.aws.amazon.com/batch/latest/userguide/gpu-jobs.html
NO_GPU_JOBS = r"(g4ad|g5g)(\.|$)"
PRIVATE_REGISTRY = r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/"


def usual_shared(memory_mib: int) -> int:
    """MiB of /dev/shm for a job of so much memory, where its spec does not say.

    Docker's own 64 MiB end PyTorch's data loaders with a bus error
    (https://github.com/pytorch/pytorch/blob/main/README.md, Docker image: shared memory).  No more than an eighth:
    ECS may count it beside the memory where it places tasks, as its agent's authors had planned
    (https://github.com/aws/amazon-ecs-agent/pull/1149), and a job that takes most of a machine must still fit.
    """
    return max(64, memory_mib // 8)


class JobDefinitionSpec(ResourceSpec):
    """What one worker is: an image, vCPUs, memory, and what it may do."""

    outputs = ("arn", "name")
    example = """
    results: {kind: s3.bucket}
    images: {kind: ecr.repository}
    worker: {kind: iam.role, service: ecs-tasks, read_write: [results], jobs: true}
    train:
      kind: batch.job_definition
      repository: images
      role: worker
      vcpus: 4
      gpus: 1
      memory_mib: 12000
    """
    kind: Literal["batch.job_definition"] = "batch.job_definition"
    name: str | None = Field(default=None, max_length=128, pattern=NAME_PATTERN, description="Physical name.")
    vcpus: float = Field(default=1, gt=0, le=448, description="vCPUs of a worker; whole numbers except with fargate.")
    gpus: int = Field(default=0, ge=0, le=16, description="GPUs of a worker. Not with fargate.")
    memory_mib: int = Field(
        ge=4, description="Memory of a worker in MiB. Leave some of the instance's for ECS: 12000 of 16 GiB, not 16384."
    )
    shared_memory_mib: int | None = Field(
        default=None,
        ge=64,
        description="Size of /dev/shm in MiB, part of the memory: PyTorch's data loaders hand batches over in it. An "
        "eighth of memory_mib unless given. Not with fargate.",
    )
    timeout: Duration = Field(
        default=0,
        description="A worker is stopped after that time (2h, 90m), 60s at least, and Batch starts none in its place; "
        "0 never stops it. How long a trial may take is said with submit --timeout.",
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        description="Container image with Python 3.10 or newer and boto3. Batch keeps its ENTRYPOINT: one that does "
        "not run the command as it is will not do.",
    )
    repository: Annotated[str, RefTo("ecr.repository")] | None = Field(
        default=None, description="The stack's repository to take the image from, instead of image."
    )
    built: Annotated[str, RefTo("ecr.image")] | None = Field(
        default=None, description="The image that awsrun builds and pushes (an ecr.image), instead of image."
    )
    tag: str = Field(default="latest", pattern=IMAGE_TAG, description="The image's tag in repository.")
    role: Annotated[str, RefTo("iam.role")] | None = Field(
        default=None, description="What the worker may do (service: ecs-tasks); nothing unless given."
    )
    command: list[str] = Field(default=[], description="Command of jobs that name none; the image's own unless given.")
    environment: dict[str, str] = Field(default={}, description="Environment variables. No secrets: they can be read.")
    init: bool | None = Field(
        default=None,
        description="Whether an init process of Docker's comes before the command: it hands on SIGTERM and clears away "
        "what ended processes leave. New ones have it unless this is false, as for an image with an init of its own "
        "(s6, systemd); without a word here, those that exist stay as they are.",
    )
    attempts: int = Field(default=1, ge=1, le=10, description="How often Batch starts a job that fails.")
    fargate: bool = Field(default=False, description="It runs on Fargate, as its queue's environments do.")
    public_address: bool | None = Field(
        default=None,
        description="With fargate: whether a worker has a public address. As the subnets of the stack's Fargate "
        "environments need it, unless given: in public ones it cannot pull its image without, in private ones it can.",
    )
    log_group: Annotated[str, RefTo("logs.group")] | None = Field(
        default=None, description="Where its output goes; a group of its own, kept 30 days, unless given."
    )
    execution_role: Annotated[str, RefTo("iam.role")] | None = Field(
        default=None, description="With fargate: pulls the image and writes logs; made unless given."
    )

    @field_validator("timeout")
    @classmethod
    def _long_enough(cls, value: int) -> int:
        if 0 < value < SHORTEST:
            raise ValueError(f"{value} s is too short: Batch stops no job before {SHORTEST} s")
        return value

    @field_validator("environment")
    @classmethod
    def _not_reserved(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name.startswith(RESERVED):
                raise ValueError(f"{name}: names that start with {RESERVED} are Batch's own")
        return value

    @model_validator(mode="after")
    def _possible(self) -> JobDefinitionSpec:
        if (self.shared_memory_mib or 0) > self.memory_mib:
            raise ValueError(f"shared_memory_mib: {self.shared_memory_mib} is more than memory_mib: {self.memory_mib}")
        if sum(given is not None for given in (self.image, self.repository, self.built)) != 1:
            raise ValueError(
                "say what it runs with one of image (a URI), built (an ecr.image) and repository (an ecr.repository)"
            )
        if self.fargate:
            check_size(self.vcpus, self.memory_mib)
            if self.gpus:
                raise ValueError("Fargate has no GPUs: leave gpus out, or fargate")
            if self.shared_memory_mib:
                raise ValueError("Fargate does not let /dev/shm be sized: leave shared_memory_mib out, or fargate")
        elif self.vcpus != int(self.vcpus):
            raise ValueError(f"vcpus: {self.vcpus:g} is offered with fargate only; on EC2 take a whole number")
        elif self.execution_role:
            raise ValueError("execution_role is for Fargate; on EC2 the instances pull images and write logs")
        elif self.public_address is not None:
            raise ValueError(
                "public_address is for Fargate; on EC2 the instances have one where their subnets are public"
            )
        return self

    def within(self, stack: Mapping[str, ResourceSpec]) -> JobDefinitionSpec:
        """Whether it has a public address is known, and where it may run it can get its image."""
        environments = {
            name: spec.within(stack)
            for name, spec in stack.items()
            if isinstance(spec, ComputeEnvironmentSpec) and spec.fargate == self.fargate
        }
        self._check_image(stack, list(environments.values()))
        if not self.fargate:
            self._check_size(environments)
            return self
        public = [name for name, spec in environments.items() if spec.subnets == "public"]
        if self.public_address is False and public:
            raise Misfit(
                "public_address",
                f"{' and '.join(map(repr, public))} runs it in public subnets, where a worker without a public address "
                "cannot pull its image; leave public_address out, or put the environment into private subnets",
            )
        if self.public_address and environments and not public:
            raise Misfit(
                "public_address",
                "it runs in private subnets only, where a public address is paid ($0.005 an hour each) and leads "
                "nowhere; leave it out",
            )
        if self.public_address is not None:
            return self
        return self.model_copy(update={"public_address": bool(public) or not environments})

    def _check_size(self, environments: Mapping[str, ComputeEnvironmentSpec]) -> None:
        """Batch takes a job that is too large for every machine, and lets it wait for ever."""
        named = {type for spec in environments.values() for type in spec.instance_types or ["optimal"]}
        types = {type for type in named if not (self.gpus and re.match(NO_GPU_JOBS, type))}
        if named and not types:
            raise Misfit(
                "gpus",
                f"Batch gives jobs no GPUs of {', '.join(sorted(named))}, only those of NVIDIA in x86 machines: take "
                "g4dn, g5, g6 or p types",
            )
        if types and (found := too_large(types, self.vcpus, self.gpus, self.memory_mib)):
            field, why = found
            names = " and ".join(map(repr, environments))
            raise Misfit(field, f"{why}: on {names} such jobs would wait for ever")

    def _check_image(self, stack: Mapping[str, ResourceSpec], environments: Sequence[ComputeEnvironmentSpec]) -> None:
        """Behind endpoints alone, images come from the account's own registry or not at all; Fargate here is x86."""
        named = stack.get(self.image or "")
        if named and (field := {"ecr.image": "built", "ecr.repository": "repository"}.get(named.kind)):
            raise Misfit("image", f"{self.image!r} is a resource of this spec: write {field}: {self.image}")
        if self.fargate and self.built and getattr(stack[self.built], "platform", None) == ARM:
            raise Misfit("built", f"Fargate's machines are x86, and {self.built!r} has platform: {ARM}")
        shut = sorted({one.vpc for one in environments if one.shut_in(stack)})
        everywhere = bool(shut) and all(one.shut_in(stack) for one in environments)
        if everywhere and self.image and not re.search(PRIVATE_REGISTRY, self.image):
            raise Misfit(
                "image",
                f"{self.image} comes from the internet, which the endpoints of {' and '.join(map(repr, shut))} do not "
                "lead to: push it to an ecr.repository and name that, or give the VPC private: nat",
            )
