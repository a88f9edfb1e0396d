"""ECS as hard as it is: clusters that are in use stay, new tasks are not found, and the first use of an account fails.

Sources, below https://docs.aws.amazon.com/AmazonECS/latest/APIReference/: API_DeleteCluster.html
(ClusterContainsServicesException, ClusterContainsTasksException, ClusterContainsContainerInstancesException; an
INACTIVE cluster is still described), API_RunTask.html (eventual consistency: describe again until the task is found;
ClusterNotFoundException), API_CreateService.html.  First use:
https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/818 (CreateCluster makes the service-linked
role, fails, and succeeds on the second try).  Client tokens are in `awsrun.local.tokens`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.ledger import Ledger
from awsrun.local.strict.rules import Rules, backend, document, with_document
from awsrun.local.tokens import ClientTokens

LINKED_ROLE = "AWSServiceRoleForECS"
ASSUMED = 10.0  # seconds until ECS can assume its new role, at most
KNOWN, LISTED = 2.0, 5.0  # seconds until DescribeTasks finds a new task, and ListTasks shows it

_ON_CLUSTER = frozenset({"CreateService", "RunTask", "StartTask", "UpdateService"})


class EcsRules(Rules):
    service = "ecs"

    def __init__(self, ledger: Ledger, tokens: ClientTokens) -> None:
        super().__init__(ledger)
        self._tokens = tokens

    def before(self, call: Call, inner: Perform) -> Reply | None:
        ecs, action = backend("ecs", call.scope[1]), call.action
        if action in ("CreateCluster", "CreateService", "RunTask") and (refused := self._first_use(call)):
            return refused
        cluster = ecs.clusters.get(_cluster(call))
        if action in _ON_CLUSTER and (cluster is None or cluster.status == "INACTIVE"):
            return refusal(call, "ClusterNotFoundException", "Cluster not found.")
        if action == "DeleteCluster" and cluster is not None:
            return _in_use(call, ecs, cluster.name)
        if action == "CreateService" and not self._tokens.knows(call):
            service = ecs.services.get(f"{_cluster(call)}:{call.json.get('serviceName')}")
            if service is not None and service.status == "ACTIVE":
                return refusal(call, "InvalidParameterException", "Creation of service was not idempotent.")
        return None

    def around(self, call: Call, inner: Perform) -> Reply:
        repeated = self._tokens.knows(call)
        reply = super().around(call, inner)
        if call.action in ("RunTask", "StartTask") and reply.status < 400 and not repeated:
            for task in document(reply)["tasks"]:
                self.ledger.made(self.key(call, task["taskArn"]), KNOWN, LISTED)
        return reply

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        action = call.action
        if action == "DescribeTasks":
            found = document(reply)
            new = [one["taskArn"] for one in found["tasks"] if self.ledger.unknown(self.key(call, one["taskArn"]))]
            tasks = [one for one in found["tasks"] if one["taskArn"] not in new]
            failures = [*found.get("failures", []), *({"arn": arn, "reason": "MISSING"} for arn in new)]
            return with_document(reply, {**found, "tasks": tasks, "failures": failures})
        if action == "ListTasks":
            hidden, found = self.ledger.unlisted_of(self.service, call.scope[1]), document(reply)
            return with_document(reply, {**found, "taskArns": [arn for arn in found["taskArns"] if arn not in hidden]})
        return reply

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


def _cluster(call: Call) -> str:
    return str(call.json.get("cluster") or "default").rpartition("/")[2]


def _in_use(call: Call, ecs: Any, cluster: str) -> Reply | None:
    """Why a cluster cannot be deleted; None where it can."""
    if any(one.cluster_name == cluster and one.status != "INACTIVE" for one in ecs.services.values()):
        said = "The Cluster cannot be deleted while Services are active."
        return refusal(call, "ClusterContainsServicesException", said)
    if any(task.last_status != "STOPPED" for task in ecs.tasks.get(cluster, {}).values()):
        return refusal(call, "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
    if ecs.container_instances.get(cluster):
        said = "The Cluster cannot be deleted while Container Instances are active or draining."
        return refusal(call, "ClusterContainsContainerInstancesException", said)
    return None
