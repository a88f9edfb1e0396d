"""What the kinds of Batch share: statuses that pass, tags by ARN, and errors that all have one code.

Batch answers everything with ClientException, so its errors are told apart by their texts (seen in
https://github.com/hashicorp/terraform-provider-aws/issues/46925 and
https://github.com/astronomer/astronomer-providers/issues/413).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from awsrun.aws.rights import Right, allow
from awsrun.resources.kind import Kind, Phase, State
from awsrun.resources.ours import arn
from awsrun.resources.rights import named
from awsrun.spec.references import ResourceSpec

S = TypeVar("S", bound=State)
P = TypeVar("P", bound=ResourceSpec)

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
GONE = frozenset({"ClientException:does not exist"})
EXISTS = frozenset({"ClientException:already exists", "InvalidParameterValue:already exists"})
MODIFIED = frozenset({"ClientException:being modified"})
PHASES: Mapping[str, Phase] = {
    "CREATING": "pending",
    "UPDATING": "pending",
    "VALID": "ready",
    "INVALID": "broken",
    "DELETING": "deleting",
    "DELETED": "absent",
}


class BatchKind(Kind[P, S]):
    """Base of the kinds of Batch.

    Attributes:
        resource: how their ARNs name them: ``job-queue``.
        part: what follows the name in the ARNs of all that can be tagged and deleted: ``:*`` for revisions.
        actions: verb -> what it calls, as IAM spells it: ``{"find": "DescribeJobQueues", ...}``.
    """

    service = "batch"
    resource: ClassVar[str]
    part: ClassVar[str] = ""
    actions: ClassVar[Mapping[str, str]]

    def rights(self, stack: str, specs: Mapping[str, P]) -> Iterable[Right]:
        """Describing knows no resources; tags in a create call need batch:TagResource
        (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html)."""
        whole = named(self, f"{stack}-*", specs)
        own = [f"{name}{self.part}" for name in whole]
        yield allow("find", "batch", self.actions["find"])
        yield allow("create", "batch", self.actions["create"], *whole)
        for verb in self.actions.keys() & {"update", "delete"}:
            yield allow(verb, "batch", self.actions[verb], *own)
        yield allow("create", "batch", "TagResource", *whole)  # a revision has no number before it is there
        yield allow("tag", "batch", "TagResource UntagResource", *own)

    def arn(self, physical: str) -> str:
        return arn(self.cloud, "batch", f"{self.resource}/{physical}")

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        resource_arn = id if id.startswith("arn:") else self.arn(id)
        if set:
            self.batch.tag_resource(resourceArn=resource_arn, tags=dict(set))
        if unset:
            self.batch.untag_resource(resourceArn=resource_arn, tagKeys=sorted(unset))

    @property
    def batch(self) -> Any:
        """The client for mutating calls."""
        return self.cloud.write("batch")
