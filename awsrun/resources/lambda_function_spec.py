"""What users may write of a Lambda function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from awsrun.functions.package import Package, Target, files, inline
from awsrun.resources.architecture import ARM, Architecture
from awsrun.resources.iam_role import Grant, RoleSpec, ToFunction, ToQueue
from awsrun.resources.units import Duration
from awsrun.resources.vpc import VpcSpec
from awsrun.spec.paths import FolderPath
from awsrun.spec.references import Misfit, RefTo, ResourceSpec, Value

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
Runtime = Literal[
    "python3.10", "python3.11", "python3.12", "python3.13", "python3.14", "nodejs20.x", "nodejs22.x", "nodejs24.x",
    "ruby3.3", "ruby3.4", "java17", "java21", "java25", "dotnet8", "dotnet10", "provided.al2", "provided.al2023",
]  # fmt: skip
DEFAULT_RUNTIME: Runtime = "python3.13"
DEFAULT_HANDLER = "index.handler"
WHEELS: Mapping[str, str] = {"arm64": "manylinux2014_aarch64", "x86_64": "manylinux2014_x86_64"}
GRANTS = ("read", "read_write", "send", "consume", "invoke")
MOST_ENVIRONMENT = 4096  # bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_LAMBDA_"
    r"(FUNCTION_(NAME|VERSION|MEMORY_SIZE)|INITIALIZATION_TYPE|LOG_(GROUP|STREAM)_NAME|RUNTIME_API)|"
    r"AWS_(ACCESS_KEY(_ID)?|SECRET_ACCESS_KEY|SESSION_TOKEN)"
)


class FunctionSpec(ResourceSpec):
    """A function that runs when it is called, paid by the millisecond. It costs nothing while idle."""

    outputs = ("arn", "log_group", "name")
    example = """
    people: {kind: dynamodb.table, hash_key: id}
    hello:
      kind: lambda.function
      environment: {TABLE: people.name}
      read_write: [people]
      timeout: 10s
      code: |
        import os, boto3
        def handler(event, context):
            boto3.resource("dynamodb").Table(os.environ["TABLE"]).put_item(Item={"id": event["name"]})
            return f"Hello, {event['name']}!"
    """
    kind: Literal["lambda.function"] = "lambda.function"
    name: str | None = Field(default=None, max_length=64, pattern=r"^[A-Za-z0-9_-]+$", description="Physical name.")
    code: str | None = Field(default=None, min_length=1, description="Its code itself, of one file.")
    folder: FolderPath | None = Field(
        default=None,
        description="The folder with its code, relative to the spec. Of Python, a requirements.txt there is installed "
        "for the function's platform.",
    )
    image: str | None = Field(default=None, min_length=1, description="A container image in ECR that has its code.")
    built: Annotated[str, RefTo("ecr.image")] | None = Field(
        default=None, description="The image that awsrun builds and pushes (an ecr.image), instead of image."
    )
    handler: str | None = Field(
        default=None,
        max_length=128,
        pattern=r"^\S+$",
        description=f"FILE.FUNCTION that is called; {DEFAULT_HANDLER} unless given. Not with an image.",
    )
    runtime: Runtime | None = Field(
        default=None, description=f"{DEFAULT_RUNTIME} unless given. Not with an image, which has its own."
    )
    architecture: Architecture | None = Field(
        default=None,
        description="arm64, a fifth cheaper, unless given; of an image what it was built for, else x86_64.",
    )
    memory_mib: int = Field(
        default=128, ge=128, le=10240, description="Memory in MiB; 1769 come with one whole processor."
    )
    timeout: Duration = Field(default=10, ge=1, le=900, description="It is stopped after that time (10s, 15m).")
    storage_mib: int = Field(default=512, ge=512, le=10240, description="Size of /tmp in MiB; beyond 512 it is paid.")
    environment: dict[str, Value] = Field(
        default={},
        description="Environment variables: values, or outputs of other resources (table.name). No secrets: they can "
        "be read, so name an ssm.parameter.",
    )
    role: Annotated[str, RefTo("iam.role")] | None = Field(
        default=None,
        description="What it may do (service: lambda); a role of its own with the grants here unless given.",
    )
    read: list[Grant] = Field(default=[], description="Buckets, tables, parameters whose contents it may read.")
    read_write: list[Grant] = Field(default=[], description="Buckets, tables, parameters it may read and change.")
    send: list[ToQueue] = Field(default=[], description="Queues it may send messages to.")
    consume: list[ToQueue] = Field(default=[], description="Queues it may take messages from.")
    invoke: list[ToFunction] = Field(default=[], description="Functions it may invoke.")
    dead_letter: Annotated[str, RefTo("sqs.queue")] | None = Field(
        default=None, description="The queue for events of asynchronous calls that failed three times."
    )
    log_group: Annotated[str, RefTo("logs.group")] | None = Field(
        default=None, description="Where its output goes; a group of its own unless given."
    )
    log_retention: int = Field(default=30, description="Days until its output is deleted, one of those AWS offers.")
    reserved: int | None = Field(
        default=None,
        ge=0,
        description="So many may run at once, and are kept from other functions; no limit unless given. Lambda wants "
        "100 left for the others, which new accounts do not have before their quota is raised.",
    )
    vpc: Annotated[str, RefTo("vpc")] | None = Field(
        default=None,
        description="The VPC that it is put into, to reach what is inside. It reaches the internet only from private "
        "subnets with NAT, and the VPC's deletion waits 20 to 40 minutes for its interfaces.",
    )
    subnets: Literal["public", "private"] | None = Field(
        default=None, description="With vpc: in which of its subnets; private where there are some unless given."
    )
    security_groups: list[Annotated[str, RefTo("security_group")]] = Field(
        default=[],
        max_length=5,
        description="With vpc: its security groups; the VPC's own, which lets nothing in, unless given.",
    )

    @field_validator("environment")
    @classmethod
    def _names(cls, value: dict[str, Value]) -> dict[str, Value]:
        for name in value:
            if RESERVED.fullmatch(name):
                raise ValueError(f"{name} is set by Lambda itself")
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", name):
                raise ValueError(f"{name!r} is no name: letters, digits and _, a letter first, two at least")
        size = sum(len(f"{name}{text}".encode()) for name, text in value.items() if isinstance(text, str))
        if size > MOST_ENVIRONMENT:
            raise ValueError(f"{size} bytes are more than the {MOST_ENVIRONMENT} that Lambda takes")
        return value

    @field_validator("log_retention")
    @classmethod
    def _offered(cls, value: int) -> int:
        from awsrun.resources.logs_group import LogGroupSpec

        return LogGroupSpec(retention_days=value).retention_days

    @model_validator(mode="after")
    def _possible(self) -> FunctionSpec:
        if sum(given is not None for given in (self.code, self.folder, self.image, self.built)) != 1:
            raise ValueError("say what it runs with one of code, folder, image (a URI) and built (an ecr.image)")
        if self.in_image and (self.handler or self.runtime):
            raise ValueError("an image has its own handler and runtime: leave them out")
        given = [name for name in GRANTS if getattr(self, name)]
        if self.role and given:
            raise ValueError(f"what it may do is said by its role: write {' and '.join(given)} there")
        if self.log_group and "log_retention" in self.model_fields_set:
            raise ValueError("log_retention is that of a group of its own: write retention_days of log_group")
        if not self.vpc and (self.subnets or self.security_groups):
            raise ValueError("subnets and security_groups are for a function in a vpc: name that")
        if self.folder and self.python and not (Path(self.folder) / self.entry).is_file():
            raise ValueError(f"there is no {self.entry} in {self.folder}, where handler says its code is")
        return self

    @property
    def in_image(self) -> bool:
        """Whether its code is in a container image."""
        return bool(self.image or self.built)

    @property
    def python(self) -> bool:
        """Whether it is a package of Python code."""
        return not self.in_image and (self.runtime or DEFAULT_RUNTIME).startswith("python")

    @property
    def entry(self) -> str:
        """The file of the handler, as it is called in the package."""
        module = (self.handler or DEFAULT_HANDLER).rpartition(".")[0]
        if self.python:
            return f"{module.replace('.', '/')}.py"
        return f"{module}.mjs" if (self.runtime or "").startswith("nodejs") else f"{module}.rb"

    def package(self, here: bool) -> Package:
        """What its code is.

        Args:
            here: it will run on this machine, by this Python.

        Raises:
            AwsrunError: a file cannot be read.
        """
        if self.code is not None:
            return Package.of(inline(self.entry, self.code), None)
        version = (self.runtime or DEFAULT_RUNTIME).removeprefix("python")
        target = Target(version, "" if here else WHEELS[self.architecture or "arm64"])
        return Package.of(files(Path(str(self.folder))), target if self.python else None)

    def within(self, stack: Mapping[str, ResourceSpec]) -> FunctionSpec:
        """Its architecture and subnets are known; what its role and its queue lack, Lambda would refuse."""
        role, queue, network = (stack.get(name or "") for name in (self.role, self.dead_letter, self.vpc))
        if getattr(queue, "fifo", False):
            raise Misfit("dead_letter", f"Lambda sends to no fifo queue: {self.dead_letter!r} must be a standard one")
        if isinstance(role, RoleSpec):
            self._check_role(role, next((name for name, spec in stack.items() if spec is self), ""))
        found: dict[str, object] = {}
        if isinstance(network, VpcSpec):
            if self.subnets == "private" and not network.private:
                raise Misfit("subnets", f"{self.vpc!r} has no private subnets: give it private: nat or endpoints")
            found["subnets"] = self.subnets or ("private" if network.private else "public")
        if self.architecture is None:
            built_for = getattr(stack.get(self.built or ""), "platform", None)
            found["architecture"] = "arm64" if not self.in_image or built_for == ARM else "x86_64"
        return self.model_copy(update=found)

    def _check_role(self, role: RoleSpec, name: str) -> None:
        if "lambda" not in role.services:
            raise Misfit("role", f"Lambda may not assume {self.role!r}: its service has to be lambda")
        if role.managed_policies:
            return  # which may allow all of it
        lacking = {
            f"log: [{self.log_group or name}]": not {self.log_group, name} & set(role.log),
            f"send: [{self.dead_letter}]": bool(self.dead_letter) and self.dead_letter not in role.send,
            f"in_vpc: [{name}]": bool(self.vpc) and name not in role.in_vpc,
        }
        if said := [line for line, lacks in lacking.items() if lacks]:
            raise Misfit("role", f"{self.role!r} does not let it do what Lambda wants: add {' and '.join(said)} there")
