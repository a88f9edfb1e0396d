"""Batch as hard as it is: environments and queues take minutes, change one thing at a time, and remember each other.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateJobQueue.html (an environment must be VALID
before a queue may name it), API_DeleteComputeEnvironment.html and API_DeleteJobQueue.html (disabled first, deleted in
their own time), https://github.com/hashicorp/terraform-provider-aws/issues/46925 ("found existing JobQueue
relationship" for a while after the queue let go), https://github.com/hashicorp/terraform-provider-aws/pull/16417 and
https://github.com/ekristen/aws-nuke/issues/674 (an environment whose service role went first is INVALID, never gone),
https://github.com/hashicorp/terraform-provider-aws/issues/37945 (one whose role is new may be INVALID: Batch looks
again when it is updated, see https://docs.aws.amazon.com/batch/latest/userguide/invalid_compute_environment.html),
https://github.com/Netflix/metaflow-tools/issues/9 (one whose instance profile Batch does not find is INVALID from the
start, and EC2 does not find a new one for a moment: https://github.com/hashicorp/terraform/issues/15341).
"""

from __future__ import annotations

import uuid

from awsrun.local import clock
from awsrun.local.batch.control import Record
from awsrun.local.batch.service import Batch
from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.iam import known_to_services
from awsrun.local.strict.ledger import Key, Ledger
from awsrun.local.strict.rules import Rules, backend, document, with_document

# Seconds, at most.
CREATING, UPDATING, DELETING = 60.0, 30.0, 60.0
KNOWN, LISTED = 3.0, 8.0
RELATED = 40.0  # how long an environment remembers a queue that let go of it

_LINKED = "/aws-service-role/"
_LISTS = {
    "describecomputeenvironments": ("computeEnvironments", "computeEnvironmentName"),
    "describejobqueues": ("jobQueues", "jobQueueName"),
}
_NAMES = {"computeenvironment": ("computeEnvironment", "compute-environment"), "jobqueue": ("jobQueue", "job-queue")}


class BatchRules(Rules):
    service = "batch"

    def __init__(self, ledger: Ledger, batch: Batch) -> None:
        super().__init__(ledger)
        self._batch = batch

    def before(self, call: Call, inner: Perform) -> Reply | None:
        operation = _operation(call)
        if operation.startswith(("update", "delete")) and (key := self._about(call)):
            verb = operation[:6]
            if self.ledger.phase(key):
                return _refused(call, f"Cannot {verb}, resource is being modified.")
            if verb == "delete":
                return self._delete(call, key, inner)
        if operation in ("createjobqueue", "updatejobqueue"):
            return self._usable(call)
        return None

    def _usable(self, call: Call) -> Reply | None:
        """A queue may name only environments that are VALID."""
        for one in call.json.get("computeEnvironmentOrder") or ():
            key = self._key(call, "compute-environment", one["computeEnvironment"])
            phase, record = self.ledger.phase(key), self._record(key)
            if phase == "CREATING" or self._invalid(key, record):
                return _refused(call, f"{one['computeEnvironment']} is not VALID.")
        return None

    def _delete(self, call: Call, key: Key, inner: Perform) -> Reply | None:
        """It is DELETING until it is gone.  What Batch would refuse it refuses now."""
        record = self._record(key)
        if record is None or record["state"] != "DISABLED":
            return None  # refused, or nothing to do
        if key[2] == "compute-environment":
            if self.ledger.phase((*key, "related")) or self._used(call, record):
                return _refused(call, "Cannot delete, found existing JobQueue relationship.")
            if self._roleless(record):
                self.ledger.enter(key, "DELETING", float("inf"))
                return _done()
        else:
            self._let_go(call, record)
        seconds = self.ledger.lag(key, DELETING)
        self.ledger.enter(key, "DELETING", seconds)
        self.put_off(call, seconds)
        return _done()

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        operation, ledger = _operation(call), self.ledger
        if operation in _LISTS:
            return self._described(call, reply, *_LISTS[operation])
        key = self._about(call)
        if key and operation.startswith("create"):
            ledger.made(key, KNOWN, LISTED)
            ledger.enter(key, "CREATING", ledger.lag(key, CREATING))
            self._look_at_role(key)
        elif key and operation.startswith("update"):
            ledger.enter(key, "UPDATING", ledger.lag(key, UPDATING))
            self._look_at_role(key)
        return reply

    def _look_at_role(self, key: Key) -> None:
        """What Batch finds stays so until it looks again."""
        record = self._record(key) or {}
        looked_at = {
            "denied": ("role", str(record.get("serviceRole", ""))),
            "profile": ("instance-profile", str(record.get("computeResources", {}).get("instanceRole", ""))),
        }
        for mark, (resource, name) in looked_at.items():
            if not name or known_to_services(self.ledger, resource, name):
                self.ledger.leave((*key, mark))
            else:
                self.ledger.enter((*key, mark), str(clock.now()), float("inf"))

    def around(self, call: Call, inner: Perform) -> Reply:
        queue = self._about(call) if _operation(call) == "updatejobqueue" else None
        record = self._record(queue) if queue else None
        before = set(_environments(record)) if record else set()
        reply = super().around(call, inner)
        if record and reply.status < 400:
            for arn in before - set(_environments(record)):
                self.ledger.enter((*self._key(call, "compute-environment", arn), "related"), "related", RELATED)
        return reply

    def _let_go(self, call: Call, queue: Record) -> None:
        for arn in _environments(queue):
            key = (*self._key(call, "compute-environment", arn), "related")
            self.ledger.enter(key, "related", DELETING + RELATED)

    def _described(self, call: Call, reply: Reply, part: str, name: str) -> Reply:
        found, kind = document(reply), name.removesuffix("Name")
        resource = {"computeEnvironment": "compute-environment", "jobQueue": "job-queue"}[kind]
        hides = self.ledger.unknown if call.json.get(part) else self.ledger.unlisted
        shown = []
        for entry in found[part]:
            key = self._key(call, resource, entry[name])
            if hides(key):
                continue
            if phase := self.ledger.phase(key):
                entry |= {"status": phase, "statusReason": ""}
            elif resource == "compute-environment" and (why := self._invalid(key, entry)):
                entry |= {"status": "INVALID", "statusReason": why}
            shown.append(entry)
        return with_document(reply, {**found, part: shown})

    # -- what is there -------------------------------------------------------------------------------------------------

    def _about(self, call: Call) -> Key | None:
        """The environment or queue that a create, update or delete is about."""
        field, resource = _NAMES.get(_operation(call)[6:], ("", ""))
        name = call.json.get(field) or call.json.get(f"{field}Name")
        return self._key(call, resource, name) if name else None

    def _key(self, call: Call, resource: str, name: str) -> Key:
        return (self.service, call.scope[1], resource, name.rpartition("/")[2])

    def _record(self, key: Key) -> Record | None:
        region = self._batch.regions.get(key[1])
        if region is None:
            return None
        plane = region.plane
        records = plane.environments if key[2] == "compute-environment" else plane.queues
        return records.get(plane.arn(key[2], key[3]))

    def _used(self, call: Call, environment: Record) -> bool:
        queues = self._batch.regions[call.scope[1]].plane.queues.values()
        return any(environment["computeEnvironmentArn"] in _environments(queue) for queue in queues)

    def _invalid(self, key: Key, environment: Record | None) -> str:
        """Why an environment is INVALID; empty where it is not."""
        if environment is None:
            return ""
        role, denied = environment.get("serviceRole", ""), self.ledger.phase((*key, "denied"))
        if self._roleless(environment):
            may_not = f"batch.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: {role}"
        elif denied:
            may_not = f"{role}/aws-batch is not authorized to perform: ecs:DescribeClusters on resource: the cluster"
        elif self.ledger.phase((*key, "profile")):
            return f"CLIENT_ERROR - Invalid IamInstanceProfile: {environment['computeResources']['instanceRole']}"
        else:
            return ""
        request = uuid.uuid5(uuid.NAMESPACE_OID, f"{key} {denied}")  # of the call that Batch made then
        return f"CLIENT_ERROR - User: {may_not} (Status Code: 403; Error Code: AccessDenied; Request ID: {request})"

    @staticmethod
    def _roleless(environment: Record) -> bool:
        """Whether its own service role is gone.  The service-linked role is AWS's, and stays."""
        role = str(environment.get("serviceRole", ""))
        return _LINKED not in role and role.rpartition("/")[2] not in _role_names()


def _role_names() -> set[str]:
    return {role.name for role in backend("iam", "aws").roles.values()}


def _environments(queue: Record) -> list[str]:
    return [one["computeEnvironment"] for one in queue["computeEnvironmentOrder"]]


def _operation(call: Call) -> str:
    return call.path.rsplit("/", 1)[-1] if call.path.startswith("/v1/") and "/tags/" not in call.path else ""


def _refused(call: Call, message: str) -> Reply:
    return refusal(call, "ClientException", message)


def _done() -> Reply:
    return Reply(200, [("Content-Type", "application/json")], b"{}")
