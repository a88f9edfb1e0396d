"""A stack as its spec has it, every mistake ruled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from awsrun.spec.references import RefTo, ResourceSpec

# Not awsrun...: a table of such a stack could get the name of one of awsrun's own (stack awsrun, key mnist).
STACK_NAME = r"^(?!awsrun)[a-z]([a-z0-9]|-(?=[a-z0-9])){0,23}$"
RESOURCE_NAME = r"^[a-z]([a-z0-9]|[-_](?=[a-z0-9])){0,39}$"


MAX_VCPUS = 16  # of one run's workers on a cluster, where the spec says nothing


class JobsSpec(BaseModel):
    """Where `awsrun submit` runs jobs: on a queue of Batch, or on a cluster of ECS with Fargate.  What a spec leaves no
    choice of is inferred."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue: Annotated[str, RefTo("batch.job_queue")] | None = Field(
        default=None, description="The queue that jobs are put in; or a cluster."
    )
    cluster: Annotated[str, RefTo("ecs.cluster")] | None = Field(
        default=None, description="The cluster in which workers run as Fargate tasks; or a queue."
    )
    definition: Annotated[str, RefTo("batch.job_definition", "ecs.task_definition")] = Field(
        description="What one worker is: a batch.job_definition with a queue, an ecs.task_definition with a cluster."
    )
    bucket: Annotated[str, RefTo("s3.bucket")] = Field(description="Where code, artifacts and checkpoints go.")
    vpc: Annotated[str, RefTo("vpc")] | None = Field(
        default=None, description="With a cluster: the VPC in whose subnets its tasks run."
    )
    subnets: Literal["public", "private"] | None = Field(
        default=None,
        description="With a cluster: in which of the VPC's subnets; private where there are some, unless given.",
    )
    spot: bool | None = Field(
        default=None,
        description="With a cluster: spare capacity, much cheaper, taken back with two minutes' notice. No, unless "
        "given.",
    )
    max_vcpus: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="With a cluster: most vCPUs of one run's workers at once; 16 unless given.",
    )


@dataclass(frozen=True)
class StackSpec:
    """A spec that was read and found right.

    Attributes:
        stack: its name; physical names start with it.
        resources: logical name -> what the user wrote of it, in the file's order.
        jobs: where jobs run; None where the stack runs none.
        protect: none of its resources is replaced or deleted.
        source: the file it came from, as errors show it.
        variables: the values that its variables had.
    """

    stack: str
    resources: Mapping[str, ResourceSpec]
    jobs: JobsSpec | None = None
    source: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    protect: bool = False
