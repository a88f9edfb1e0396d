"""What the kinds of EC2 share: they are listed by tag filters, and one list call tells state and tags."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from botocore.exceptions import ClientError

from awsrun.aws.errors import matches
from awsrun.aws.rights import Right, allow, equals, made_for, not_owned, owned_by
from awsrun.aws.tags import NAME, STACK, mapping, pairs
from awsrun.resources.kind import ABSENT, Found, Kind, Owner, Seen, State
from awsrun.resources.ours import arn, ours
from awsrun.spec.references import ResourceSpec

S = TypeVar("S", bound=State)
P = TypeVar("P", bound=ResourceSpec)


class Ec2Kind(Kind[P, S]):
    """Base of the kinds of EC2.

    Attributes:
        lists: the operation that lists them, and the key of its answer: ``("describe_vpcs", "Vpcs")``.
        id_key: where an entry has its id, and with an s the parameter that selects by id: ``VpcId``.
        type_name: as ``TagSpecifications`` and ARNs call it: ``vpc``.
        actions: verb -> what it calls, as IAM spells it: ``{"create": "CreateVpc", ...}``.
        holders: what `holder` calls beyond what `find` does, as IAM spells it.
        inside: it is made in something else of the stack (a subnet in a VPC), which must be the stack's too.
    """

    service = "ec2"
    lists: ClassVar[tuple[str, str]]
    id_key: ClassVar[str]
    type_name: ClassVar[str]
    actions: ClassVar[Mapping[str, str]]
    holders: ClassVar[str] = ""
    inside: ClassVar[bool] = True

    def rights(self, stack: str, specs: Mapping[str, P]) -> Iterable[Right]:
        """Ids are AWS's, so owner tags are the fence: what is made gets them in the same call, and only that call may
        set them; what is changed, deleted or built upon has them
        (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html).

        What belongs to the stack may be of any type: a call on one resource is often authorised on others too.
        """
        own, anything = arn(self.cloud, "ec2", f"{self.type_name}/*"), arn(self.cloud, "ec2", "*/*")
        create, fence = self.actions["create"], owned_by(stack)
        yield allow("find", "ec2", _camel(self.lists[0]))
        yield allow("create", "ec2", create, own, when=[made_for(stack)])
        yield allow("create", "ec2", "CreateTags", anything, when=[equals("ec2:CreateAction", create), made_for(stack)])
        if self.inside:
            yield allow("create", "ec2", create, anything, when=[fence])
        for verb in ("update", "delete"):
            if verb in self.actions:
                yield allow(verb, "ec2", self.actions[verb], anything, when=[fence])
        if self.holders:
            yield allow("delete", "ec2", self.holders)
        yield allow("tag", "ec2", "CreateTags DeleteTags", anything, when=[fence])
        yield allow("adopt", "ec2", "CreateTags", own, when=[not_owned(), made_for(stack)])

    @abstractmethod
    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[S]:
        """What one entry of the list says."""

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        mine = {"Name": f"tag:{STACK}", "Values": [stack]} if stack else {"Name": "tag-key", "Values": [STACK]}
        for entry in self._list(Filters=[mine]):
            tags = mapping(entry.get("Tags"))
            if ours(tags, stack) and (seen := self._told(entry, tags)) is not ABSENT:
                yield Found(tags[NAME], entry[self.id_key], tags, seen)

    def _told(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[S] | None:
        """`seen`; None where a call beyond the list does not find what the list shows: `read` will tell."""
        try:
            return self.seen(entry, tags)
        except ClientError as error:
            if matches(error, self.absent):
                return None
            raise

    def read(self, id: str) -> Seen[S]:
        try:
            entries = list(self._list(**{f"{self.id_key}s": [id]}))
            return self.seen(entries[0], mapping(entries[0].get("Tags"))) if entries else ABSENT
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        if set:
            self.ec2.create_tags(Resources=[id], Tags=pairs(dict(set)))
        if unset:
            self.ec2.delete_tags(Resources=[id], Tags=[{"Key": key} for key in sorted(unset)])

    @property
    def ec2(self) -> Any:
        """The client for mutating calls."""
        return self.cloud.write("ec2")

    def tagged(self, owner: Owner, **more: str) -> list[dict[str, Any]]:
        """``TagSpecifications`` of a create call: the owner's tags, the name that the console shows, and ``more``."""
        return [{"ResourceType": self.type_name, "Tags": pairs({"Name": owner.physical, **owner.tags, **more})}]

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        operation, key = self.lists
        for page in self.cloud.read("ec2").get_paginator(operation).paginate(**arguments):
            yield from page[key]


def _camel(operation: str) -> str:
    """``DescribeVpcs`` of ``describe_vpcs``."""
    return "".join(word.capitalize() for word in operation.split("_"))
