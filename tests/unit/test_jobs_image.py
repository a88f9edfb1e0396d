"""The image that workers start from: looked up in ECR, told, and the same only where its digest is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jobs_runs import a_run, store_with

from awsrun.aws.context import LOCAL, Context
from awsrun.aws.image_names import ImageName
from awsrun.jobs import repeat
from awsrun.jobs.site import Site
from awsrun.jobs.submit import reuse
from awsrun.jobs.workers import image as images
from awsrun.jobs.workers.image import Image
from awsrun.worker.protocol.runs import Run

OURS = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/train"
ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64


class Registry:
    """ECR, as far as it is asked here."""

    def __init__(self, region: str, **tags: str) -> None:
        self.region, self.tags = region, tags
        self.calls: list[dict[str, Any]] = []
        self.error = ""

    def describe_images(self, **asked: Any) -> dict[str, Any]:
        self.calls.append(asked)
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "DescribeImages")
        return {"imageDetails": [{"imageDigest": self.tags[asked["imageIds"][0]["imageTag"]]}]}

    def cloud(self, context: Context | None = None, endpoint_url: str | None = None) -> Any:
        found = SimpleNamespace(region=self.region, endpoint_url=endpoint_url, read=lambda service: self)
        found.context, found.elsewhere = context or Context("aws"), lambda region: self._elsewhere(region)
        return found

    def _elsewhere(self, region: str) -> Any:
        self.region = region
        return self.cloud()


@pytest.mark.parametrize(
    ("name", "registry", "repository", "tag", "digest", "region"),
    [
        ("python", "", "python", "latest", "", ""),
        ("python:3.12", "", "python", "3.12", "", ""),
        ("lab/train:1", "", "lab/train", "1", "", ""),
        (f"python@{ONE}", "", "python", "", ONE, ""),
        (f"python:3.12@{ONE}", "", "python", "", ONE, ""),
        ("127.0.0.1:5000/mnist-images:ab12", "127.0.0.1:5000", "mnist-images", "ab12", "", ""),
        ("127.0.0.1:5000/mnist-images", "127.0.0.1:5000", "mnist-images", "latest", "", ""),
        ("public.ecr.aws/docker/library/python:3.12", "public.ecr.aws", "docker/library/python", "3.12", "", ""),
        (f"{OURS}:v7", OURS.partition("/")[0], "team/train", "v7", "", "eu-west-1"),
    ],
)
def test_a_name_is_read_as_docker_reads_it(
    name: str, registry: str, repository: str, tag: str, digest: str, region: str
) -> None:
    found = ImageName.parse(name)
    assert (found.registry, found.repository, found.tag, found.digest) == (registry, repository, tag, digest)
    assert (found.region, found.account) == (region, "123456789012" if region else "")


def test_a_tag_in_ecr_is_looked_up_once_where_it_lies() -> None:
    ecr = Registry("us-east-1", v7=ONE)
    assert images.resolve(ecr.cloud(), {"image": f"{OURS}:v7"}) == Image(f"{OURS}:v7", ONE)
    asked = {"repositoryName": "team/train", "imageIds": [{"imageTag": "v7"}], "registryId": "123456789012"}
    assert (ecr.calls, ecr.region) == ([asked], "eu-west-1")
    assert images.resolve(ecr.cloud(), {"image": f"python@{ONE}"}).identity == ONE
    assert len(ecr.calls) == 1, "a digest says it itself"


@pytest.mark.parametrize(
    ("name", "error", "why"),
    [
        ("python:3.12", "", "in Docker Hub"),
        ("public.ecr.aws/docker/library/python:3.12", "", "in public.ecr.aws"),
        ("127.0.0.1:5000/train", "", "in 127.0.0.1:5000"),  # on AWS this is nobody's registry
        (f"{OURS}:v7", "AccessDeniedException", "awsrun policy --for submit has it"),
        (f"{OURS}:v7", "ImageNotFoundException", "no such image in ECR"),
        (f"{OURS}:v7", "ServerException", "ECR says: no"),
        ("", "", "apply it again"),
    ],
)
def test_where_it_cannot_be_known_that_is_said_and_nothing_is_the_same(name: str, error: str, why: str) -> None:
    ecr = Registry("eu-west-1", v7=ONE)
    ecr.error = error
    found = images.resolve(ecr.cloud(), {"image": name})
    assert (found.digest, found.identity) == ("", "") and why in found.why
    assert len(ecr.calls) == bool(error)


def test_on_the_embedded_cloud_processes_are_what_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ecr = Registry("us-east-1", latest=ONE)
    cloud, jobs = ecr.cloud(LOCAL, "http://127.0.0.1:4000"), {"image": "127.0.0.1:5000/train"}
    monkeypatch.setattr("awsrun.aws.embedded._about", lambda url: {"containers": False})
    assert images.resolve(cloud, jobs) == Image("127.0.0.1:5000/train", ONE, used=False)
    assert images.resolve(cloud, jobs).identity == images.PROCESSES == images.resolve(cloud, {}).identity
    monkeypatch.setattr("awsrun.aws.embedded._about", lambda url: {"containers": True})
    assert images.resolve(cloud, jobs).identity == ONE


def ran_in(*digests: str, why: str = "", **changes: Any) -> Run:
    image = Image(f"{OURS}:v7", digests[0] if digests else "", why)
    groups = [{"job": "j", "workers": 1, "slot": n, "image": digest} for n, digest in enumerate(digests)]
    engine = {"definition": "d:1", "groups": groups}
    return a_run(provenance={"image": image.record()}, engine=engine, code_hash="c", state="done", **changes)


def test_it_is_told_in_words() -> None:
    assert images.told(ran_in(ONE, ONE)) == f"{OURS}:v7@{ONE}"
    assert (
        images.told(ran_in(ONE, OTHER), short=True)
        == f"{OURS}:v7@sha256:111111111111; of later workers sha256:222222222222"
    )
    assert [images.mixed(ran_in(*found)) for found in ((ONE, OTHER), (ONE, ONE), ("", ONE), ())] == [
        True,
        False,
        False,
        False,
    ]
    assert images.told(ran_in("", why="no")) == f"{OURS}:v7 (digest not known: no)"
    assert images.told(a_run()) == ""
    assert f"image: {OURS}:v7@{ONE}" in repeat._comments(ran_in(ONE), None)


def differences(earlier: Run, now: str = ONE, error: str = "", name: str = f"{OURS}:v7") -> Iterator[str]:
    """Why a submit that is the same but perhaps for its image does not take over what a run did; nothing: it does."""
    ecr = Registry("eu-west-1", v7=now)
    ecr.error = error
    jobs = {"image": name, "definition": "d:1"}
    archive = SimpleNamespace(job="jobs/job.py", zipped=lambda: SimpleNamespace(sha256="c"))
    job = SimpleNamespace(entry="train", objectives={}, metric="val_accuracy", mode="max")
    request: Any = SimpleNamespace(archive=archive, job=job, requirements="", seed=0)
    found = reuse.look(Site("s", store_with(replace(earlier, state="running"), []), ecr.cloud(), jobs), request)
    assert bool(found.runs) != bool(found.why)
    yield from [found.why] if found.why else []


def test_a_tag_that_was_moved_is_another_image_and_nothing_is_reused() -> None:
    assert not list(differences(ran_in(ONE, ONE)))
    assert "ran in another image (" in next(differences(ran_in(ONE), now=OTHER))
    assert "of later workers sha256:222222222222" in next(differences(ran_in(ONE, OTHER))), "resumed after it was moved"
    assert "digest not known: no" in next(differences(ran_in("", why="no")))
    older = replace(ran_in(ONE), provenance={}, engine={"definition": "d:1", "groups": [{"job": "j"}]})
    assert "which one was not recorded" in next(differences(older))


def test_an_image_that_cannot_be_known_is_never_the_same() -> None:
    foreign = ran_in("", why="foreign")
    assert "python:3.12 is still the same is not known" in next(differences(foreign, name="python:3.12"))
    assert "you may not call ecr:DescribeImages" in next(differences(ran_in(ONE), error="AccessDeniedException"))
    assert not list(differences(ran_in(ONE), name=f"python@{ONE}")), "named by its digest, it needs nobody to be asked"
