"""ECR as hard as it is: a new repository is not in lists for a moment.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DeleteRepository.html (RepositoryNotEmptyException unless
``force``) is what moto says by itself.  That lists lag is an assumption: no page promises that they do not.
"""

from __future__ import annotations

from awsrun.local.calls import Call, Reply
from awsrun.local.strict.rules import Rules, document, with_document

LISTED = 5.0  # seconds, at most


class EcrRules(Rules):
    service = "ecr"

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        if call.action == "CreateRepository":
            self.ledger.made(self.key(call, call.json["repositoryName"]), 0, LISTED)
        if call.action == "DescribeRepositories" and not call.json.get("repositoryNames"):
            hidden, found = self.ledger.unlisted_of(self.service, call.scope[1]), document(reply)
            shown = [one for one in found["repositories"] if one["repositoryName"] not in hidden]
            return with_document(reply, {**found, "repositories": shown})
        return reply
