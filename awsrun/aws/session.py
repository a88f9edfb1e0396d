"""boto3 for programs of one's own, on the cloud that awsrun's commands talk to."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from awsrun.aws.clients import connect
from awsrun.aws.context import Context


class ContextSession(boto3.Session):  # type: ignore[misc]
    """A `boto3.Session` whose clients and resources go where awsrun's go: AWS, or the embedded cloud."""

    def __init__(self, core: Any, region: str, endpoint_url: str | None) -> None:
        super().__init__(botocore_session=core, region_name=region)
        self._endpoint = endpoint_url

    def client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        """As ``boto3.Session.client``; an ``endpoint_url`` that is given goes before the context's."""
        if self._endpoint and not options.get("endpoint_url"):
            options["endpoint_url"] = self._endpoint
            local = Config(s3={"addressing_style": "path"})  # names of buckets are no hosts here
            options["config"] = local.merge(options["config"]) if options.get("config") else local
        return super().client(service_name, *arguments, **options)


def session(context: Context | str | None = None) -> ContextSession:
    """A boto3 session on a context: ``awsrun.session().resource("dynamodb").Table(name)``.

    Args:
        context: ``local``, ``aws``, or what `awsrun use` says unless given.

    Raises:
        AwsrunError: no credentials, no region, or another account than the one that ``awsrun use`` pinned.
    """
    cloud = connect(context)
    return ContextSession(cloud.core, cloud.region, cloud.endpoint_url)
