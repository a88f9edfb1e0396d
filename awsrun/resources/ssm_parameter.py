"""Parameters of Systems Manager: settings and secrets that programs read at run time; the standard tier is free.

The value of a secret (SecureString) is in no plan, log or record of the stack, and is never read back.  Whether it is
the one that is wanted is told by a tag: a slow hash of the value, and the parameter's version that has it, so that a
change made elsewhere shows too.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field, field_validator, model_validator

from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME, STACK, mapping, pairs
from awsrun.resources.kind import ABSENT, REPLACE, UNKNOWN, Change, Found, Kind, Owner, Refs, Seen, State
from awsrun.resources.ours import arn, ours, unless_denied
from awsrun.resources.rights import named
from awsrun.spec.paths import FilePath
from awsrun.spec.references import ResourceSpec, Value, valued

VALUE = "awsrun:value"  # of a secret: "HASH@VERSION"
PAGE = 50  # most that one call lists; 10 unless asked for more
MOST = 4096  # bytes, of the standard tier: https://docs.aws.amazon.com/general/latest/gr/ssm.html
# A hierarchy begins with a slash: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
_NAME = r"^([A-Za-z0-9_.-]+|(/[A-Za-z0-9_.-]+){1,15})$"


class ParameterSpec(ResourceSpec):
    """A setting or a secret. It costs nothing."""

    outputs = ("arn", "name")
    example = """
    limit: {kind: ssm.parameter, value: 5}
    """
    kind: Literal["ssm.parameter"] = "ssm.parameter"
    name: str | None = Field(default=None, max_length=1011, pattern=_NAME, description="Physical name.")
    type: Literal["String", "SecureString", "StringList"] = Field(
        default="String", description="SecureString: a secret, kept encrypted. StringList: texts joined by commas."
    )
    value: Value | None = Field(
        default=None, description="The value, or an output of another resource (api.url). Not of a secret."
    )
    value_file: FilePath | None = Field(
        default=None, description="A file with the value, relative to the spec; line breaks at its end do not count."
    )
    value_env: str | None = Field(
        default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="The environment variable that has the value."
    )

    @field_validator("name")
    @classmethod
    def _not_aws(cls, value: str | None) -> str | None:
        if value is not None and re.match(r"/?(aws|ssm)", value, re.IGNORECASE):
            raise ValueError("names that start with aws or ssm are AWS's own")
        return value

    @model_validator(mode="after")
    def _one_value(self) -> ParameterSpec:
        given = [self.value, self.value_file, self.value_env]
        if sum(one is not None for one in given) != 1:
            raise ValueError("say its value with one of value, value_file and value_env")
        if self.type == "SecureString" and self.value is not None:
            raise ValueError(
                "a secret does not belong into a spec: put it into a file of its own (value_file) or into an "
                "environment variable (value_env)"
            )
        return self


class Secret(str):
    """The hash that stands for a secret.

    Attributes:
        plain: the secret itself; empty where only its hash was seen.
    """

    plain: str

    def __new__(cls, hash: str, plain: str = "") -> Secret:
        made = super().__new__(cls, hash)
        made.plain = plain
        return made

    @classmethod
    def of(cls, plain: str, salt: str) -> Secret:
        """Slow on purpose, and other for every parameter: whoever reads the tag should not guess the value."""
        made = hashlib.scrypt(plain.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=20)
        return cls(f"hidden:{made.hex()}", plain)


@dataclass(frozen=True)
class ParameterState(State):
    """``value``: a `Secret` where ``type`` is SecureString."""

    type: Annotated[str, REPLACE]
    value: str


class Parameter(Kind[ParameterSpec, ParameterState]):
    kind = "ssm.parameter"
    Spec = ParameterSpec
    State = ParameterState
    identity = "name"
    service = "ssm"
    name_limit = 1011
    usual = 1.0
    # InvalidResourceId: of tags, where there is no such parameter.
    absent = frozenset({"ParameterNotFound", "InvalidResourceId"})
    exists = frozenset({"ParameterAlreadyExists"})
    retry = frozenset({"TooManyUpdates"})

    def lower(self, spec: ParameterSpec, refs: Refs) -> ParameterState:
        value = self._value(spec, refs)
        if value is not UNKNOWN and not 0 < len(value.encode()) <= MOST:
            why = f"{len(value.encode())} bytes: a parameter has 1 to {MOST}"
            raise AwsrunError(f"the value of {refs.name} does not fit", why, "put it into a bucket, and its key here")
        if spec.type == "SecureString":
            value = Secret.of(value, f"{refs.account}/{refs.region}/{refs.stack}/{refs.name}")
        return ParameterState(spec.type, value)

    def _value(self, spec: ParameterSpec, refs: Refs) -> Any:
        if spec.value is not None:
            found = valued({"value": spec.value}, refs.output)["value"]
            return found if found is UNKNOWN else str(found).lower() if isinstance(found, bool) else str(found)
        if spec.value_file is not None:
            try:
                return Path(spec.value_file).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                why = f"{spec.value_file}: {error}"
                raise AwsrunError(f"the value of {refs.name} cannot be read", why, "mend the file") from None
        name = str(spec.value_env)
        if name not in os.environ:
            raise AwsrunError(f"the value of {refs.name} is missing", f"{name} is not set", f"export {name}=...")
        return os.environ[name]

    def physical(self, stack: str, name: str, spec: ParameterSpec, state: ParameterState | None = None) -> str:
        """Not ``/awsrun/...``: names that start with aws are refused."""
        return spec.name or f"/stacks/{stack}/{name}"

    def arn(self, physical: str) -> str:
        return arn(self.cloud, "ssm", f"parameter/{physical.removeprefix('/')}")

    def rights(self, stack: str, specs: Mapping[str, ParameterSpec]) -> Iterable[Right]:
        """Tags in the create call need ssm:AddTagsToResource
        (https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html)."""
        parameters = named(self, f"/stacks/{stack}/*", specs)
        yield allow("find", "ssm", "DescribeParameters")
        yield allow("find", "ssm", "GetParameter ListTagsForResource", *parameters)
        yield allow("read", "ssm", "GetParameter ListTagsForResource", *parameters)
        yield allow("create", "ssm", "PutParameter AddTagsToResource", *parameters)
        yield allow("update", "ssm", "PutParameter AddTagsToResource", *parameters)
        yield allow("tag", "ssm", "AddTagsToResource RemoveTagsFromResource", *parameters)
        yield allow("delete", "ssm", "DeleteParameter", *parameters)

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Lists of SSM can be narrowed by tags, so that those of other stacks are not looked at.

        Names that begin with ``aws`` are AWS's own
        (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html).
        """
        mine = [{"Key": f"tag:{STACK}", "Option": "Equals", "Values": [stack]}] if stack else []
        listing = self._ssm.get_paginator("describe_parameters")
        pages = listing.paginate(ParameterFilters=mine, PaginationConfig={"PageSize": PAGE})
        names = [one["Name"] for page in pages for one in page["Parameters"]]
        for name in (one for one in names if not one.startswith("/aws/")):
            tags = unless_denied(stack, self._tags, name) or {}
            if ours(tags, stack):
                yield Found(tags[NAME], name, tags, self._read(name, tags))

    def read(self, id: str) -> Seen[ParameterState]:
        return self._read(id, None)

    def create(self, state: ParameterState, owner: Owner) -> str:
        tags = dict(owner.tags)
        if isinstance(state.value, Secret):
            tags[VALUE] = _tag(state.value, 1)
        self.cloud.write("ssm").put_parameter(
            Name=owner.physical, Type=state.type, Value=_plain(state), Overwrite=False, Tags=pairs(tags)
        )
        return owner.physical

    def update(self, id: str, wanted: ParameterState, seen: ParameterState, changed: Collection[Change]) -> None:
        answer = self.cloud.write("ssm").put_parameter(Name=id, Type=wanted.type, Value=_plain(wanted), Overwrite=True)
        if isinstance(wanted.value, Secret):
            self.tag(id, {VALUE: _tag(wanted.value, answer["Version"])}, ())

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        which: Any = {"ResourceType": "Parameter", "ResourceId": id}
        if set:
            self.cloud.write("ssm").add_tags_to_resource(**which, Tags=pairs(dict(set)))
        if unset:
            self.cloud.write("ssm").remove_tags_from_resource(**which, TagKeys=sorted(unset))

    def delete(self, id: str, seen: Seen[ParameterState]) -> None:
        self.cloud.write("ssm").delete_parameter(Name=id)

    @property
    def _ssm(self) -> Any:
        return self.cloud.read("ssm")

    def _read(self, name: str, tags: Mapping[str, str] | None) -> Seen[ParameterState]:
        """Secrets come encrypted, and are not looked at."""
        try:
            found = self._ssm.get_parameter(Name=name, WithDecryption=False)["Parameter"]
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise
        value = found["Value"]
        if found["Type"] == "SecureString":
            hash, _, version = (self._tags(name) if tags is None else tags).get(VALUE, "").rpartition("@")
            value = Secret(hash if version == str(found["Version"]) else f"version {found['Version']}, not by awsrun")
        outputs = {"name": name, "arn": self.arn(name)}
        return Seen(ParameterState(found["Type"], value), "ready", outputs=outputs)

    def _tags(self, name: str) -> dict[str, str]:
        try:
            return mapping(self._ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"])
        except ClientError as error:
            if matches(error, self.absent):  # deleted since it was listed
                return {}
            raise


def _plain(state: ParameterState) -> str:
    return state.value.plain if isinstance(state.value, Secret) else state.value


def _tag(secret: Secret, version: int) -> str:
    return f"{secret}@{version}"
