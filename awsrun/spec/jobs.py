"""Where a stack's jobs run: as its ``jobs:`` says, the rest inferred where the spec leaves no choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from awsrun.aws.image_names import ImageName
from awsrun.spec.check import check_references
from awsrun.spec.document import Document
from awsrun.spec.sentences import complain
from awsrun.spec.stack import JobsSpec

BATCH, FARGATE = "queue", "cluster"
"""What tells the two ways to get workers apart: the field that names where they run."""
_NEEDED: Mapping[str, Mapping[str, str]] = {
    BATCH: {"queue": "batch.job_queue", "definition": "batch.job_definition", "bucket": "s3.bucket"},
    FARGATE: {
        "cluster": "ecs.cluster",
        "definition": "ecs.task_definition",
        "bucket": "s3.bucket",
        "vpc": "vpc",
    },
}
_ONLY_WITH_CLUSTER = ("vpc", "subnets", "spot", "max_vcpus")


def find_jobs(
    document: Document, written: Any, kinds: Mapping[str, str], resources: Mapping[str, Any]
) -> JobsSpec | None:
    """Where jobs run; None where nothing was written and something that jobs need is not there at all.

    A task definition counts only if its role is a worker's (``jobs: true``): others are of services.

    Args:
        written: what the spec says; None for nothing.
        kinds: logical name -> kind.
        resources: logical name -> what was written of it.
    """
    if written is not None and not isinstance(written, Mapping):
        document.mistake(("jobs",), "must be lines such as `queue: NAME`")
        return None
    data: dict[str, Any] = dict(written or {})
    check_references(document, ("jobs",), JobsSpec, data, kinds)
    offered = {way: _offered(way, kinds, resources) for way in _NEEDED}
    way = _way(document, data, kinds, offered, chosen=written is not None)
    if way is None:
        return None
    for field, kind in _NEEDED[way].items():
        _fill(document, data, field, kind, offered[way][field], kinds)
    if way == FARGATE:
        _check_subnets(document, data, resources)
    try:
        return JobsSpec.model_validate(data)
    except ValidationError as error:
        complain(document, ("jobs",), JobsSpec, data, error)
        return None


def _offered(way: str, kinds: Mapping[str, str], resources: Mapping[str, Any]) -> dict[str, list[str]]:
    """Field -> the resources that may stand there."""
    found = {field: [name for name, there in kinds.items() if there == kind] for field, kind in _NEEDED[way].items()}
    if way == FARGATE:
        found["definition"] = [name for name in found["definition"] if _is_worker(name, resources)]
    return found


def _is_worker(definition: str, resources: Mapping[str, Any]) -> bool:
    role = resources[definition].get("role")
    return bool(isinstance(role, str) and resources.get(role, {}).get("jobs"))


def _way(
    document: Document,
    data: Mapping[str, Any],
    kinds: Mapping[str, str],
    offered: Mapping[str, Mapping[str, list[str]]],
    chosen: bool,
) -> str | None:
    """Batch or Fargate, by what was written, else by what is there."""
    if data.get(BATCH) is not None and data.get(FARGATE) is not None:
        document.mistake(("jobs", FARGATE), "a run's workers come from one place: name a queue or a cluster, not both")
        return None
    named = next((way for way in _NEEDED if data.get(way) is not None), None)
    if named is None and data.get("definition"):
        kind = kinds.get(str(data["definition"]))
        named = next((way for way, needed in _NEEDED.items() if needed["definition"] == kind), None)
    beside = [field for field in _ONLY_WITH_CLUSTER if data.get(field) is not None]
    if named == BATCH and beside:
        document.mistake(("jobs", beside[0]), "is for workers on a cluster; a queue's environments say that themselves")
        return None
    named = named or (FARGATE if beside else None)
    complete = [way for way in _NEEDED if all(offered[way].values())]
    if named is None and len(complete) == 2:
        choice = " or ".join(f"jobs: {{{way}: {offered[way][way][0]}}}" for way in complete)
        document.mistake(("jobs",), f"workers could come from Batch or from ECS: say which, {choice}")
        return None
    if named is None and not complete and not chosen:
        return None
    return named or next(iter(complete), BATCH)


def _fill(
    document: Document, data: dict[str, Any], field: str, kind: str, names: list[str], kinds: Mapping[str, str]
) -> None:
    """A field that was left out is the only resource that may stand there."""
    given = data.get(field)
    if given is not None:
        if field == "definition" and kinds.get(str(given)) not in (kind, None, ""):
            document.mistake(("jobs", field), f"{given!r} is a {kinds[given]}, but here workers are a {kind}")
        return
    if len(names) != 1:
        none = "no resource of that kind in this spec"
        if kind == "ecs.task_definition":
            none = "no ecs.task_definition in this spec whose role says jobs: true"
        choice = f"say which: {', '.join(names)}" if names else none
        document.mistake(("jobs", field), f"missing; {choice}")
    data[field] = names[0] if len(names) == 1 else ""


def _check_subnets(document: Document, data: Mapping[str, Any], resources: Mapping[str, Any]) -> None:
    network = resources.get(str(data.get("vpc")), {})
    if data.get("subnets") == "private" and not network.get("private"):
        text = f"{data['vpc']!r} has no private subnets: give it private: nat or private: endpoints, or leave this out"
        document.mistake(("jobs", "subnets"), text)
    shut_in = network.get("private") == "endpoints" and data.get("subnets") != "public"
    definition = resources.get(str(data.get("definition")), {})
    image = str(definition.get("image") or "its image")
    own = definition.get("built") or definition.get("repository") or ImageName.parse(image).account
    if shut_in and not own:
        text = (
            f"{image} comes from the internet, which the endpoints of {data['vpc']!r} do not lead to: have "
            f"{data['definition']!r} take its image from an ecr.repository, or give {data['vpc']!r} private: nat"
        )
        document.mistake(("jobs", "definition"), text)
