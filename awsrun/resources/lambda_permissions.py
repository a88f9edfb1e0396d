"""Who may call a function beside those with rights of their own: statements of its policy, for one REST API.

A permission is written ``live/GET/items/* -> FUNCTION``: what follows the API's id in the source ARN, and the name of
the function.  Ids of statements follow from the API's name, so that what was made for an API that is gone is found
again (https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import matches
from awsrun.aws.names import digest
from awsrun.resources.ours import arn

ARROW = " -> "
SERVICE = "apigateway.amazonaws.com"
LEAVING = "awsrun:leaving-"  # tags of an API with functions that it is to call no more: its permissions there are to go
MISSING = frozenset({"ResourceNotFoundException"})
TAKEN = frozenset({"ResourceConflictException:already exists"})


@dataclass(frozen=True)
class Permissions:
    """Those that let one API call functions.

    Attributes:
        api: its id.
        title: its name.
    """

    cloud: Cloud
    api: str
    title: str

    def of(self, function: str) -> frozenset[str]:
        """What a function allows the API; nothing where there is no such function."""
        return frozenset(f"{source}{ARROW}{function}" for source, _ in self._statements(function))

    def add(self, permission: str) -> None:
        """Allow it.  A statement of the same id was made for an API of this name that is gone: it goes too."""
        source, _, function = permission.partition(ARROW)
        id, functions = self._id(source), self.cloud.write("lambda")
        statement = {
            "StatementId": id,
            "Action": "lambda:InvokeFunction",
            "Principal": SERVICE,
            "SourceArn": self._prefix + source,
        }
        try:
            functions.add_permission(FunctionName=function, **statement)
        except ClientError as error:
            if not matches(error, TAKEN):
                raise
            functions.remove_permission(FunctionName=function, StatementId=id)
            functions.add_permission(FunctionName=function, **statement)

    def remove(self, permission: str) -> None:
        """Allow it no more; nothing where the function is gone."""
        source, _, function = permission.partition(ARROW)
        for found, id in self._statements(function):
            if found == source:
                try:
                    self.cloud.write("lambda").remove_permission(FunctionName=function, StatementId=id)
                except ClientError as error:
                    if not matches(error, MISSING):
                        raise

    @property
    def _prefix(self) -> str:
        return arn(self.cloud, "execute-api", f"{self.api}/")

    def _id(self, source: str) -> str:
        return f"{re.sub(r'[^A-Za-z0-9_-]', '-', self.title)[:80]}-{digest(self.title, source, length=12)}"

    def _statements(self, function: str) -> Iterator[tuple[str, str]]:
        """(what follows the API's id, statement id) of each statement for the API."""
        try:
            policy = json.loads(self.cloud.read("lambda").get_policy(FunctionName=function)["Policy"])
        except ClientError as error:
            if matches(error, MISSING):
                return
            raise
        for statement in policy["Statement"]:
            source = _source(statement)
            if statement.get("Principal") == {"Service": SERVICE} and source.startswith(self._prefix):
                yield source.removeprefix(self._prefix), statement["Sid"]


def _source(statement: Mapping[str, Any]) -> str:
    like = statement.get("Condition", {}).get("ArnLike", {})
    return str(like.get("AWS:SourceArn") or like.get("aws:SourceArn") or "")


def leaving_of(tags: Mapping[str, str]) -> frozenset[str]:
    """The functions that an API is to call no more."""
    groups = (value for key, value in tags.items() if key.startswith(LEAVING))
    return frozenset(name for group in groups for name in group.split("/") if name)


def leaving_tags(names: Iterable[str]) -> dict[str, str]:
    """Three to a tag, whose value takes 256 characters: names have 64 at most."""
    listed = sorted(names)
    return {f"{LEAVING}{at // 3}": "/".join(listed[at : at + 3]) for at in range(0, len(listed), 3)}
