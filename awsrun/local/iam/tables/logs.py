"""CloudWatch Logs (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html).

Calls on a group are checked against ``log-group:NAME:log-stream:``, so that a policy has to say ``log-group:NAME:*``;
only tagging is on ``log-group:NAME`` itself
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from awsrun.local.iam.request import Authorization, Request, Rule, everywhere, on, pairs, tag_keys, tags


def _name(request: Request) -> str:
    """The group's name, which some calls take as an ARN."""
    given = str(request.body.get("logGroupName") or request.body.get("logGroupIdentifier") or "")
    return given.partition(":log-group:")[2].removesuffix(":*") if given.startswith("arn:") else given


def _group(request: Request) -> Iterable[str]:
    return [request.arn(f"log-group:{_name(request)}:log-stream:")]


def _stream(request: Request) -> Iterable[str]:
    return [request.arn(f"log-group:{_name(request)}:log-stream:{request.body.get('logStreamName', '')}")]


def _create(request: Request) -> Iterator[Authorization]:
    given = tags(pairs(request.body.get("tags")))
    for resource in _group(request):
        yield Authorization(request.action, resource, given)
    if given:
        yield Authorization("logs:TagResource", request.arn(f"log-group:{_name(request)}"), given)


def _tag(request: Request) -> Iterator[Authorization]:
    context = tags(pairs(request.body.get("tags"))) or tag_keys(request.body.get("tagKeys", ()))
    yield Authorization(request.action, str(request.body["resourceArn"]).removesuffix(":*"), context)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("CreateLogStream", "DeleteLogStream", "GetLogEvents", "PutLogEvents"), on(_stream)),
    **dict.fromkeys(
        (
            "DeleteLogGroup",
            "DeleteRetentionPolicy",
            "DescribeLogStreams",
            "FilterLogEvents",
            "PutRetentionPolicy",
        ),
        on(_group),
    ),
    **dict.fromkeys(("ListTagsForResource", "TagResource", "UntagResource"), _tag),
    "CreateLogGroup": _create,
    "DescribeLogGroups": everywhere,
}
