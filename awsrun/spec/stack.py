"""A stack as its spec has it, every mistake ruled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from awsrun.spec.references import RefTo, ResourceSpec

# Not awsrun...: a table of such a stack could get the name of one of awsrun's own (stack awsrun, key mnist).
STACK_NAME = r"^(?!awsrun)[a-z]([a-z0-9]|-(?=[a-z0-9])){0,23}$"
RESOURCE_NAME = r"^[a-z]([a-z0-9]|[-_](?=[a-z0-9])){0,39}$"


class JobsSpec(BaseModel):
    """Where `awsrun submit` runs jobs.  Each is inferred where it is the only one of its kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue: Annotated[str, RefTo("batch.job_queue")] = Field(description="The queue that jobs are put in.")
    definition: Annotated[str, RefTo("batch.job_definition")] = Field(description="What one worker is.")
    bucket: Annotated[str, RefTo("s3.bucket")] = Field(description="Where code, artifacts and checkpoints go.")


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
