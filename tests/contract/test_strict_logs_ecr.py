"""CloudWatch Logs and ECR as hard as AWS's: lists that lag, names that are taken, changes at the same moment."""

from __future__ import annotations

from typing import Any

from awsrun.aws.errors import matches
from tests.conftest import LocalCloud
from tests.contract.strict_bench import at_once, refused, unique, until

MANIFEST = '{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}'


def _groups(logs: Any, name: str) -> list[str]:
    return [one["logGroupName"] for one in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]]


def test_a_new_log_group_is_not_listed_for_a_moment(strict_cloud: LocalCloud) -> None:
    logs = strict_cloud.client("logs")

    def listed(name: str) -> bool:
        logs.create_log_group(logGroupName=name)
        logs.put_retention_policy(logGroupName=name, retentionInDays=3)  # it can be changed all the same
        return _groups(logs, name) == [name]

    names = [unique() for _ in range(20)]
    shown = [listed(name) for name in names]
    assert not all(shown)
    for name in names:
        until(lambda name=name: _groups(logs, name) == [name])


def test_a_log_group_is_made_once(strict_cloud: LocalCloud) -> None:
    logs, name = strict_cloud.client("logs"), unique()
    logs.create_log_group(logGroupName=name)
    refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName=name)


def test_changes_of_one_log_group_at_once_are_refused_but_one(strict_cloud: LocalCloud) -> None:
    name = unique()
    clients = [strict_cloud.client("logs") for _ in range(8)]
    clients[0].create_log_group(logGroupName=name)
    errors = until(
        lambda: at_once(8, lambda number: clients[number].put_retention_policy(logGroupName=name, retentionInDays=7))
    )
    assert all(matches(error, ("OperationAbortedException",)) for error in errors) and len(errors) < 8


def _repositories(ecr: Any) -> list[str]:
    pages = ecr.get_paginator("describe_repositories").paginate()
    return [one["repositoryName"] for page in pages for one in page["repositories"]]


def test_a_new_repository_is_not_listed_for_a_moment(strict_cloud: LocalCloud) -> None:
    ecr = strict_cloud.client("ecr")

    def listed(name: str) -> bool:
        ecr.create_repository(repositoryName=name)
        assert ecr.describe_repositories(repositoryNames=[name])["repositories"], "but it is found by its name"
        return name in _repositories(ecr)

    names = [unique() for _ in range(20)]
    shown = [listed(name) for name in names]
    assert not all(shown)
    until(lambda: set(names) <= set(_repositories(ecr)))


def test_a_repository_with_images_goes_only_by_force(strict_cloud: LocalCloud) -> None:
    ecr, name = strict_cloud.client("ecr"), unique()
    ecr.create_repository(repositoryName=name)
    ecr.put_image(repositoryName=name, imageTag="latest", imageManifest=MANIFEST)
    refused("RepositoryNotEmptyException", ecr.delete_repository, repositoryName=name)
    ecr.delete_repository(repositoryName=name, force=True)
    refused("RepositoryNotFoundException", ecr.describe_repositories, repositoryNames=[name])
