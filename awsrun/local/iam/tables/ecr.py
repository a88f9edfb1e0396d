"""ECR (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from awsrun.local.iam.request import Authorization, Request, Rule, everywhere, on, pairs, tag_keys, tags


def _repositories(request: Request) -> Iterable[str]:
    """The repositories that a call names; all of them where it names none."""
    names = request.body.get("repositoryNames") or [request.body.get("repositoryName") or "*"]
    return [request.arn(f"repository/{name}") for name in names]


def _create(request: Request) -> Iterator[Authorization]:
    given = tags(pairs(request.body.get("tags")))
    for resource in _repositories(request):
        yield Authorization(request.action, resource, given)
        if given:
            yield Authorization("ecr:TagResource", resource, given)


def _tag(request: Request) -> Iterator[Authorization]:
    context = tags(pairs(request.body.get("tags"))) or tag_keys(request.body.get("tagKeys", ()))
    yield Authorization(request.action, request.body["resourceArn"], context)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(
        (
            "BatchCheckLayerAvailability", "BatchDeleteImage", "BatchGetImage", "CompleteLayerUpload",
            "DeleteLifecyclePolicy", "DeleteRepository", "DeleteRepositoryPolicy", "DescribeImages",
            "DescribeRepositories", "GetDownloadUrlForLayer", "GetLifecyclePolicy", "GetRepositoryPolicy",
            "InitiateLayerUpload", "ListImages", "PutImage", "PutImageScanningConfiguration", "PutImageTagMutability",
            "PutLifecyclePolicy", "SetRepositoryPolicy", "UploadLayerPart",
        ),
        on(_repositories),
    ),
    **dict.fromkeys(("ListTagsForResource", "TagResource", "UntagResource"), _tag),
    "CreateRepository": _create,
    "GetAuthorizationToken": everywhere,
}  # fmt: skip
