"""ECS as hard as it is: what is new is not found for a moment, clusters are busy, an account's first use fails.

Sources, below https://docs.aws.amazon.com/AmazonECS/latest/APIReference/: API_RunTask.html (the API is eventually
consistent: describe again until the task is found), API_DeleteCluster.html and API_PutClusterCapacityProviders.html
(UpdateInProgressException).  First use:
https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/818 (CreateCluster makes the service-linked
role, fails, and succeeds on the second try).  Roles that are new: https://github.com/pulumi/pulumi-awsx/issues/927.
Other capacity: https://github.com/pipe-cd/pipecd/pull/6385.  Client tokens are in `awsrun.local.tokens`; clusters in
use, the states of tasks and the draining of services are ECS's own, in `awsrun.local.ecs`, strict or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.ecs.errors import EcsError
from awsrun.local.ecs.service import Ecs
from awsrun.local.errors import refusal
from awsrun.local.iam.directory import Directory
from awsrun.local.strict.iam import known_to_services
from awsrun.local.strict.ledger import Ledger
from awsrun.local.strict.rules import Rules, backend, document, with_document
from awsrun.local.tokens import ClientTokens

LINKED_ROLE = "AWSServiceRoleForECS"
ASSUMED = 10.0  # seconds until ECS can assume its new role, at most
KNOWN, LISTED = 2.0, 5.0  # seconds until describing finds what is new, and lists show it
BUSY = 5.0  # seconds for which a cluster's capacity providers change

_BUSY = (
    "The specified cluster is in a busy state. Cluster attachments must be in UPDATE_COMPLETE or UPDATE_FAILED state "
    "before they can be updated. Wait and try again."
)
_ROLE = (
    "ECS was unable to assume the role '{}' that was provided for this task. Please verify that the role being passed "
    "has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
)
_UNFORCED = (
    "When switching from launch type to capacity provider strategy on an existing service, or making a change to a "
    "capacity provider strategy on a service that is already using one, you must force a new deployment."
)
# Operation -> where its answer has what was described, with its ARN; where it has what was listed.
_DESCRIBED = {
    "DescribeClusters": ("clusters", "clusterArn"),
    "DescribeServices": ("services", "serviceArn"),
    "DescribeTasks": ("tasks", "taskArn"),
}
_LISTED = {
    "ListClusters": "clusterArns",
    "ListServices": "serviceArns",
    "ListTaskDefinitions": "taskDefinitionArns",
    "ListTasks": "taskArns",
}


class EcsRules(Rules):
    service = "ecs"

    def __init__(self, ledger: Ledger, ecs: Ecs, tokens: ClientTokens) -> None:
        super().__init__(ledger)
        self._ecs, self._tokens = ecs, tokens

    def before(self, call: Call, inner: Perform) -> Reply | None:
        if call.action in ("CreateCluster", "CreateService", "RunTask") and (refused := self._first_use(call)):
            return refused
        if call.action == "RunTask" and (role := self._unknown_role(call)):
            return refusal(call, "ClientException", _ROLE.format(role))
        if call.action == "UpdateService" and self._moves(call):
            return refusal(call, "InvalidParameterException", _UNFORCED)
        if call.action in ("DeleteCluster", "PutClusterCapacityProviders") and self.ledger.phase(self._busy(call)):
            return refusal(call, "UpdateInProgressException", _BUSY)
        return None

    def around(self, call: Call, inner: Perform) -> Reply:
        repeated, known = self._tokens.knows(call), self._clusters(call)
        reply = super().around(call, inner)
        if reply.status >= 400 or repeated:
            return reply
        for arn in _made(call.action, reply):
            if arn not in known:
                self.ledger.made(self.key(call, arn), KNOWN, LISTED)
        if call.action == "PutClusterCapacityProviders":
            self.ledger.enter(self._busy(call), "busy", BUSY)
        return reply

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        if call.action in _DESCRIBED:
            return self._without_new(call, reply, *_DESCRIBED[call.action])
        if call.action in _LISTED:
            key, found = _LISTED[call.action], document(reply)
            hidden = self.ledger.unlisted_of(self.service, call.scope[1])
            return with_document(reply, {**found, key: [arn for arn in found[key] if arn not in hidden]})
        return reply

    def _without_new(self, call: Call, reply: Reply, key: str, arn_key: str) -> Reply:
        found = document(reply)
        new = [one[arn_key] for one in found[key] if self.ledger.unknown(self.key(call, one[arn_key]))]
        told = [one for one in found[key] if one[arn_key] not in new]
        failures = [*found.get("failures", []), *({"arn": arn, "reason": "MISSING"} for arn in new)]
        return with_document(reply, {**found, key: told, "failures": failures})

    def _clusters(self, call: Call) -> set[str]:
        """The clusters that CreateCluster may bring without making them."""
        if call.action != "CreateCluster":
            return set()
        return {one.arn for one in self._ecs.region(call.scope[1]).clusters.values() if one.active}

    def _busy(self, call: Call) -> tuple[str, ...]:
        name = str(call.json.get("cluster") or "default").rpartition("/")[2]
        return (*self.key(call, name), "providers")

    def _unknown_role(self, call: Call) -> str:
        """A role of what is to run that ECS cannot assume yet; empty for none."""
        body, directory = call.json, Directory(ecs=self._ecs)
        roles = {
            **directory.task_roles(call.scope[1], str(body.get("taskDefinition", ""))),
            **body.get("overrides", {}),
        }
        given = [str(roles[field]) for field in ("taskRoleArn", "executionRoleArn") if roles.get(field)]
        return next((role for role in given if not known_to_services(self.ledger, "role", role)), "")

    def _moves(self, call: Call) -> bool:
        """Whether a service is to go to other capacity without a new deployment being asked for."""
        body = call.json
        if body.get("forceNewDeployment") or "capacityProviderStrategy" not in body:
            return False
        try:
            service = self._ecs.region(call.scope[1]).service(body)
        except EcsError:
            return False  # not there: ECS itself says so
        return _providers(service.primary.request) != _providers(body)

    def _first_use(self, call: Call) -> Reply | None:
        """ECS makes its service-linked role when it is first needed, and cannot assume it for a moment."""
        key = ("iam", "aws", "role", LINKED_ROLE)
        iam = backend("iam", "aws")
        fresh = all(role.name != LINKED_ROLE for role in iam.roles.values())
        if fresh:
            iam.create_service_linked_role("ecs.amazonaws.com", "", "")
            self.ledger.enter((*key, "ecs"), "new", self.ledger.lag(key, ASSUMED))
        if not self.ledger.phase((*key, "ecs")):
            return None
        said = "Unable to assume the service linked role. Please verify that the ECS service linked role exists."
        return replace(refusal(call, "InvalidParameterException", said), done=fresh)


def _providers(request: Mapping[str, Any]) -> list[str]:
    return [one["capacityProvider"] for one in request.get("capacityProviderStrategy") or ()]


def _made(action: str, reply: Reply) -> list[str]:
    """The ARNs of what a call made."""
    told: Any = document(reply)
    if action in ("RunTask", "StartTask"):
        return [str(task["taskArn"]) for task in told["tasks"]]
    places = {
        "CreateCluster": ("cluster", "clusterArn"),
        "CreateService": ("service", "serviceArn"),
        "RegisterTaskDefinition": ("taskDefinition", "taskDefinitionArn"),
    }
    if action not in places:
        return []
    key, arn = places[action]
    return [str(told[key][arn])]
