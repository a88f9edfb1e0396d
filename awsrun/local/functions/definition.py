"""What is to run: one version of a function as it is now, read from moto's records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from awsrun.local.functions.errors import Refused

ACCOUNT = "123456789012"
RETRIES, EVENT_AGE = (
    2,
    21600,
)  # of events (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html)


@dataclass(frozen=True)
class Package:
    """A zip: of the function's code, or of a layer.

    Attributes:
        digest: SHA-256, hexadecimal.
    """

    digest: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Definition:
    """A version of a function, its code included.

    Attributes:
        version: ``$LATEST`` or a number.
        runtime: ``python3.12``; empty for an image.
        memory: MB.
        timeout: seconds.
        layers: in their order.
        image: of a function that is one; else empty.
        reserved: how many may run at a time, all versions together; None where nothing says so.
        changed: when code or configuration last did.
        dead_letters: ARN of a queue; empty for none, as the other two.
        retries: how often an event is tried again that the function failed with.
        event_age: seconds that an event may wait.
    """

    region: str
    name: str
    version: str
    handler: str
    runtime: str
    memory: int
    timeout: int
    role: str
    variables: Mapping[str, str]
    log_group: str
    changed: str
    code: Package
    layers: tuple[Package, ...] = ()
    image: str = ""
    reserved: int | None = None
    dead_letters: str = ""
    on_success: str = ""
    on_failure: str = ""
    retries: int = RETRIES
    event_age: int = EVENT_AGE

    @property
    def arn(self) -> str:
        """Of the function, without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{self.name}"

    @property
    def function(self) -> tuple[str, str]:
        return self.region, self.name

    @cached_property
    def key(self) -> str:
        """The same for all invocations that may share execution environments."""
        told: list[Any] = [self.region, self.name, self.version, self.handler, self.runtime, self.memory]
        told += [self.timeout, self.role]
        told += [dict(self.variables), self.log_group, self.changed, self.image]
        told += [package.digest for package in (self.code, *self.layers)]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Target:
    """A function as a call names it.

    Attributes:
        qualifier: a version or an alias; empty for none.
    """

    name: str
    qualifier: str = ""

    @classmethod
    def read(cls, given: str, qualifier: str = "") -> Target:
        """Of a name, a partial or a whole ARN, each with or without a version."""
        given = unquote(given)
        short = given.partition(":function:")[2] or given
        name, _, named = short.partition(":")
        return cls(name, named or qualifier)


def find(region: str, target: Target) -> Definition:
    """The version that ``target`` stands for; the world's lock is held.

    Raises:
        Refused: there is none.
    """
    from moto.awslambda.exceptions import LambdaClientError
    from moto.awslambda.models import lambda_backends

    backend: Any = lambda_backends[ACCOUNT][region]
    try:
        latest = backend.get_function(target.name)
        found = backend.get_function(target.name, target.qualifier or None)
    except LambdaClientError as error:
        raise Refused("ResourceNotFoundException", error.message, 404) from error
    group = found.logging_config.get("LogGroup") or f"/aws/lambda/{target.name}"
    layers = [backend.layers_versions_by_arn(layer["Arn"]) for layer in found.layers]
    reserved = latest.reserved_concurrency
    events = latest.event_invoke_config[-1].config if latest.event_invoke_config else {}
    destinations = events.get("DestinationConfig") or {}
    return Definition(
        region=region,
        name=target.name,
        version=str(found.version),
        handler=found.handler or "",
        runtime=found.run_time or "",
        memory=int(found.memory_size),
        timeout=int(found.timeout),
        role=found.role,
        variables=dict(found.environment_vars),
        log_group=group,
        changed=found.last_modified,
        code=_package(found),
        layers=tuple(_package(layer) for layer in layers if layer is not None),
        image=found.code.get("ImageUri", "") if found.package_type == "Image" else "",
        reserved=None if reserved is None else int(reserved),
        dead_letters=found.dead_letter_config.get("TargetArn", ""),
        on_success=destinations.get("OnSuccess", {}).get("Destination", ""),
        on_failure=destinations.get("OnFailure", {}).get("Destination", ""),
        retries=events.get("MaximumRetryAttempts", RETRIES),
        event_age=events.get("MaximumEventAgeInSeconds", EVENT_AGE),
    )


def known(region: str, name: str) -> bool:
    """Whether there is such a function; the world's lock is held."""
    from moto.awslambda.models import lambda_backends

    return name in lambda_backends[ACCOUNT][region]._lambdas._functions


def _package(record: Any) -> Package:
    return Package(getattr(record, "code_digest", ""), getattr(record, "code_bytes", b""))
