"""Services of which a few calls are made: STS, SSM, Service Quotas, Pricing, the tagging API, SQS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from awsrun.local.iam.request import Authorization, Request, Rule, everywhere, nothing, on, pairs, tag_keys, tags


def _role(request: Request) -> Iterator[Authorization]:
    form = request.form
    context = {"sts:ExternalId": (form["ExternalId"],)} if form.get("ExternalId") else {}
    session = {"sts:RoleSessionName": (form.get("RoleSessionName", ""),)}
    yield Authorization(request.action, form.get("RoleArn", ""), {**context, **session})


def _parameters(request: Request) -> Iterable[str]:
    """Parameters by name or below a path; those of AWS itself belong to no account."""
    body = request.body
    for name in body.get("Names") or [body.get("Name") or body.get("Path") or ""]:
        account = "" if name.startswith("/aws/") else "123456789012"
        yield request.arn(f"parameter/{name.lstrip('/')}", account=account)


def _put_parameter(request: Request) -> Iterator[Authorization]:
    """What is made with tags is tagged too."""
    given = tags(pairs(request.body.get("Tags")))
    for resource in _parameters(request):
        yield Authorization(request.action, resource, given)
        if given:
            yield Authorization("ssm:AddTagsToResource", resource, given)


def _tagged_parameter(request: Request) -> Iterator[Authorization]:
    """Of what else has tags in SSM nothing is made here."""
    given = tags(pairs(request.body.get("Tags"))) or tag_keys(request.body.get("TagKeys", ()))
    name = str(request.body.get("ResourceId", "")).lstrip("/")
    yield Authorization(request.action, request.arn(f"parameter/{name}"), given)


def _quota(request: Request) -> Iterable[str]:
    return [request.arn(f"{request.body.get('ServiceCode', '')}/{request.body.get('QuotaCode', '')}")]


def _queue(request: Request) -> Iterator[Authorization]:
    """What is made with tags is tagged too; ``tags`` of CreateQueue is ``Tags`` of TagQueue."""
    name = request.body.get("QueueName") or str(request.body.get("QueueUrl", "")).rpartition("/")[2]
    given = tags(pairs(request.body.get("tags") or request.body.get("Tags")))
    given = given or tag_keys(request.body.get("TagKeys", ()))
    resource = request.arn(str(name))
    yield Authorization(_ON_MESSAGES.get(request.operation, request.action), resource, given)
    if given and request.operation == "CreateQueue":
        yield Authorization("sqs:TagQueue", resource, given)


# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
_ON_MESSAGES = {
    "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "SendMessageBatch": "sqs:SendMessage",
}


STS: Mapping[str, Rule] = {
    "AssumeRole": _role,
    "GetAccessKeyInfo": everywhere,
    "GetCallerIdentity": nothing,
    "GetSessionToken": nothing,
}
SSM: Mapping[str, Rule] = {
    **dict.fromkeys(("DeleteParameter", "GetParameter", "GetParameters", "GetParametersByPath"), on(_parameters)),
    **dict.fromkeys(("AddTagsToResource", "ListTagsForResource", "RemoveTagsFromResource"), _tagged_parameter),
    "PutParameter": _put_parameter,
    "DescribeParameters": everywhere,
}
QUOTAS: Mapping[str, Rule] = {
    **dict.fromkeys(("GetServiceQuota", "RequestServiceQuotaIncrease"), on(_quota)),
    **dict.fromkeys(
        (
            "GetAWSDefaultServiceQuota", "ListAWSDefaultServiceQuotas", "ListRequestedServiceQuotaChangeHistory",
            "ListRequestedServiceQuotaChangeHistoryByQuota", "ListServiceQuotas",
        ),
        everywhere,
    ),
}  # fmt: skip
FREE_TIER: Mapping[str, Rule] = {"GetAccountPlanState": everywhere}
PRICING: Mapping[str, Rule] = dict.fromkeys(("DescribeServices", "GetAttributeValues", "GetProducts"), everywhere)
TAGGING: Mapping[str, Rule] = dict.fromkeys(("GetResources", "GetTagKeys", "GetTagValues"), everywhere)
SQS: Mapping[str, Rule] = {
    **dict.fromkeys(
        (
            "ChangeMessageVisibility", "CreateQueue", "DeleteMessage", "DeleteQueue", "GetQueueAttributes",
            "GetQueueUrl", "ListQueueTags", "PurgeQueue", "ReceiveMessage", "SendMessage", "SetQueueAttributes",
            "TagQueue", "UntagQueue", *_ON_MESSAGES,
        ),
        _queue,
    ),
    "ListQueues": everywhere,
}  # fmt: skip
