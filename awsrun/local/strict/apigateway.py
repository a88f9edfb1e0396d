"""API Gateway as hard as it is: a stage holds its deployment, and new APIs are not listed for a moment.

Sources: https://github.com/hashicorp/terraform/issues/25495 ("Active stages pointing to this deployment must be moved
or deleted"), https://github.com/localstack/localstack/pull/9104 (moto asks for the stage that a deployment was made
with, wherever that stage points by now).  That lists lag is an assumption: no page promises that they do not.  The
rates are in `awsrun.local.strict.throttles`, ConflictException in `awsrun.local.strict.overlaps`.
"""

from __future__ import annotations

import re

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.rules import Rules, backend, document, with_document

LISTED = 5.0  # seconds, at most

_DEPLOYMENT = re.compile(r"/restapis/([^/]+)/deployments/([^/]+)")
_APIS = re.compile(r"/restapis/?")


class ApiGatewayRules(Rules):
    service = "apigateway"

    def before(self, call: Call, inner: Perform) -> Reply | None:
        found = _DEPLOYMENT.fullmatch(call.path)
        api = backend("apigateway", call.scope[1]).apis.get(found.group(1)) if found else None
        if found is None or api is None or call.method != "DELETE":
            return None
        if any(stage.deployment_id == found.group(2) for stage in api.stages.values()):
            said = "Active stages pointing to this deployment must be moved or deleted"
            return refusal(call, "BadRequestException", said)
        if deployment := api.deployments.get(found.group(2)):
            deployment.stage_name = ""  # for moto, which does not look where the stage points
        return None

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400 or not _APIS.fullmatch(call.path):
            return reply
        found = document(reply)
        if call.method == "POST":
            self.ledger.made(self.key(call, found["id"]), 0, LISTED)
        if call.method == "GET":
            hidden = self.ledger.unlisted_of(self.service, call.scope[1])
            return with_document(reply, {**found, "item": [one for one in found["item"] if one["id"] not in hidden]})
        return reply
