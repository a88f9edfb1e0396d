"""What of an API is live: the copy of its definition that a stage shows.  Read from moto, under the world's lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from awsrun.local.iam.request import ACCOUNT
from awsrun.local.strict.rules import backend


@dataclass(frozen=True)
class Limit:
    """Requests that a method lets through: ``rate`` a second, ``burst`` at once."""

    rate: float
    burst: float


@dataclass(frozen=True)
class Deployed:
    """One stage of one API.

    Attributes:
        methods: by resource, then by name, as API Gateway describes them.
        responses: what API Gateway answers itself, by type.
        binary: media types whose bodies are bytes, not text.
        limits: ``RESOURCE/METHOD`` (with ``~1`` for slashes) or ``*/*`` -> limit.
    """

    region: str
    api: str
    stage: str
    deployment: str
    variables: Mapping[str, str]
    methods: Mapping[str, Mapping[str, Any]]
    responses: Mapping[str, Mapping[str, Any]]
    binary: tuple[str, ...]
    limits: Mapping[str, Limit]

    def arn(self, method: str, resource: str) -> str:
        """What a function's policy knows a request by."""
        return f"arn:aws:execute-api:{self.region}:{ACCOUNT}:{self.api}/{self.stage}/{method}{resource}"

    def limit(self, method: str, resource: str) -> Limit | None:
        """What a method lets through; None for all."""
        return self.limits.get(f"{resource.replace('/', '~1')}/{method}") or self.limits.get("*/*")


def look_up(api: str, stage: str) -> Deployed | None:
    """What is live of a stage, in whichever region the API is; None where there is nothing."""
    from moto.backends import get_backend

    regions: Any = get_backend("apigateway")
    region = next((name for name in regions[ACCOUNT] if api in backend("apigateway", name).apis), None)
    if region is None:
        return None
    found = backend("apigateway", region).apis[api]
    shown = found.stages.get(stage)
    if shown is None or shown.deployment_id not in found.deployments:
        return None
    copy = found.deployments[shown.deployment_id].copy
    return Deployed(
        region,
        api,
        stage,
        shown.deployment_id,
        dict(shown.variables or {}),
        copy["methods"],
        copy["responses"],
        tuple(copy["binary"]),
        dict(_limits(shown.method_settings)),
    )


def _limits(settings: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Limit]:
    return {
        path: Limit(float(one["throttlingRateLimit"]), float(one["throttlingBurstLimit"]))
        for path, one in settings.items()
        if "throttlingRateLimit" in one and "throttlingBurstLimit" in one
    }
