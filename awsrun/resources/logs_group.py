"""Log groups of CloudWatch.  All of awsrun's lie below ``/awsrun/``, so that one list call finds them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME
from awsrun.prices.price import Price, metered
from awsrun.prices.table import Prices
from awsrun.resources.kind import ABSENT, Change, Found, Kind, Owner, Refs, Seen, State
from awsrun.resources.ours import arn, ours, unless_denied
from awsrun.resources.rights import explicit
from awsrun.spec.references import ResourceSpec

ROOT = "/awsrun/"
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
Retention = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]  # fmt: skip


class LogGroupSpec(ResourceSpec):
    """Where logs go."""

    outputs = ("arn", "name")
    example = """
    logs: {kind: logs.group, retention_days: 30}
    """
    kind: Literal["logs.group"] = "logs.group"
    name: str | None = Field(
        default=None, max_length=512, pattern=r"^[A-Za-z0-9._/#-]+$", description="Physical name, below /awsrun/."
    )
    retention_days: int = Field(default=30, description="Days until entries are deleted, one of those that AWS offers.")

    @field_validator("name")
    @classmethod
    def _below_root(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(ROOT):
            raise ValueError(f"a log group's name begins with {ROOT}, where teardown looks for it")
        return value

    @field_validator("retention_days")
    @classmethod
    def _offered(cls, value: int) -> int:
        offered = get_args(Retention)
        if value not in offered:
            nearest = min(offered, key=lambda days: abs(days - value))
            raise ValueError(f"AWS does not offer {value} days; the nearest is {nearest} (all: {offered})")
        return value


@dataclass(frozen=True)
class LogGroupState(State):
    """``retention_days``: 0 where nothing is ever deleted."""

    retention_days: int


class LogGroup(Kind[LogGroupSpec, LogGroupState]):
    kind = "logs.group"
    Spec = LogGroupSpec
    State = LogGroupState
    identity = "name"
    service = "logs"
    name_limit = 512
    absent = frozenset({"ResourceNotFoundException"})
    exists = frozenset({"ResourceAlreadyExistsException"})
    retry = frozenset({"OperationAbortedException"})  # several requests at once

    def lower(self, spec: LogGroupSpec, refs: Refs) -> LogGroupState:
        return LogGroupState(spec.retention_days)

    def physical(self, stack: str, name: str, spec: LogGroupSpec, state: LogGroupState | None = None) -> str:
        return spec.name or f"{ROOT}{stack}/{name}"

    def arn(self, physical: str) -> str:
        return arn(self.cloud, "logs", f"log-group:{physical}")

    def price(self, state: LogGroupState, prices: Prices) -> Price:
        return metered(
            (prices.rate("logs_gb_ingested"), "per GB written"),
            (prices.rate("logs_gb_month"), "per GB and month stored"),
        )

    def rights(self, stack: str, specs: Mapping[str, LogGroupSpec]) -> Iterable[Right]:
        """ARNs of log groups end in ``:*`` for some actions and not for others
        (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/userguide/iam-access-control-overview-cwl.html)."""
        written = [self.arn(name) for name in explicit(specs.values())]
        groups = [self.arn(f"{ROOT}{stack}/*"), *written, *(f"{group}:*" for group in written)]
        yield allow("find", "logs", "DescribeLogGroups")
        yield allow("find", "logs", "ListTagsForResource", *groups)
        yield allow("create", "logs", "CreateLogGroup TagResource", *groups)
        yield allow("update", "logs", "PutRetentionPolicy", *groups)
        yield allow("tag", "logs", "TagResource UntagResource", *groups)
        yield allow("delete", "logs", "DeleteLogGroup", *groups)

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Only groups below ``/awsrun/STACK/``, and hints, are asked for their tags."""
        for group in self._list(ROOT):
            name = group["logGroupName"]
            if stack is None or name.startswith(f"{ROOT}{stack}/") or name in hints:
                tags = unless_denied(stack, self._tags, name) or {}
                if ours(tags, stack):
                    yield Found(tags[NAME], name, tags, self._seen(group))

    def read(self, id: str) -> Seen[LogGroupState]:
        return next((self._seen(group) for group in self._list(id) if group["logGroupName"] == id), ABSENT)

    def create(self, state: LogGroupState, owner: Owner) -> str:
        self.cloud.write("logs").create_log_group(logGroupName=owner.physical, tags=dict(owner.tags))
        return owner.physical

    def born(self, state: LogGroupState) -> LogGroupState:
        return LogGroupState(0)

    def update(self, id: str, wanted: LogGroupState, seen: LogGroupState, changed: Collection[Change]) -> None:
        self.cloud.write("logs").put_retention_policy(logGroupName=id, retentionInDays=wanted.retention_days)

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        if set:
            self.cloud.write("logs").tag_resource(resourceArn=self.arn(id), tags=dict(set))
        if unset:
            self.cloud.write("logs").untag_resource(resourceArn=self.arn(id), tagKeys=sorted(unset))

    def delete(self, id: str, seen: Seen[LogGroupState]) -> None:
        self.cloud.write("logs").delete_log_group(logGroupName=id)

    def _tags(self, name: str) -> dict[str, str]:
        return dict(self.cloud.read("logs").list_tags_for_resource(resourceArn=self.arn(name))["tags"])

    def _list(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        for page in self.cloud.read("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix):
            yield from page["logGroups"]

    def _seen(self, group: Mapping[str, Any]) -> Seen[LogGroupState]:
        name = group["logGroupName"]
        state = LogGroupState(group.get("retentionInDays", 0))
        return Seen(state, "ready", outputs={"name": name, "arn": self.arn(name)})
