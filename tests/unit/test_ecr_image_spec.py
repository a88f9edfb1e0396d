"""What users may write of an image, and what it is built for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from awsrun.aws.clients import offline
from awsrun.aws.context import LOCAL, Context
from awsrun.aws.errors import AwsrunError
from awsrun.images.recipe import DEFAULT_BASE
from awsrun.resources.architecture import platform
from awsrun.resources.kind import UNKNOWN, Refs
from awsrun.resources.models import SpecModels
from awsrun.resources.registry import kind
from awsrun.spec.load import load
from awsrun.spec.references import ResourceSpec
from awsrun.spec.stack import StackSpec

AWS = Context("aws", region="eu-west-1", account="123456789012")


def written(tmp_path: Path, image: str, instance_types: str = "[c5.large]", train: str = "built: image") -> StackSpec:
    (tmp_path / "needs.txt").write_text("")
    (tmp_path / "own").mkdir(exist_ok=True)
    (tmp_path / "own" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "empty").mkdir(exist_ok=True)
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"""
stack: s
resources:
  network: {{kind: vpc}}
  compute: {{kind: batch.compute_environment, vpc: network, max_vcpus: 4, instance_types: {instance_types}}}
  more: {{kind: batch.compute_environment, vpc: network, max_vcpus: 4, fargate: true}}
  images: {{kind: ecr.repository}}
  image: {{kind: ecr.image, repository: images, {image}}}
  train: {{kind: batch.job_definition, memory_mib: 512, {train}}}
""")
    return load(spec, SpecModels())


class Of(Refs):
    """What a stack that is not there yet says of itself."""

    account, region = "123456789012", "eu-west-1"

    def __init__(self, stack: StackSpec, name: str) -> None:
        self.stack, self.name, self._specs = stack.stack, name, stack.resources

    def output(self, name: str, key: str) -> Any:
        return UNKNOWN

    def arn(self, name: str) -> str:
        return f"arn:{name}"

    def spec(self, name: str) -> ResourceSpec:
        return self._specs[name]


def lowered(stack: StackSpec, context: Context = AWS, name: str = "image") -> Any:
    spec = stack.resources[name]
    return kind(spec.kind)(offline(context)).lower(spec, Of(stack, name))


@pytest.mark.parametrize(
    ("image", "train", "says"),
    [
        ("requirements: needs.txt, context: own", "built: image", "requirements is for the default Dockerfile"),
        ("base: python, dockerfile: own/Dockerfile", "built: image", "base is for the default Dockerfile"),
        ("context: empty", "built: image", "there is no Dockerfile in"),
        ("requirements: nothere.txt", "built: image", "there is no file"),
        ("context: needs.txt", "built: image", "is a file, not a folder"),
        ("platform: linux/arm", "built: image", "did you mean 'linux/arm64'"),
        ("name: mine", "built: image", "resources.image.name"),
        ("runs_on: [network]", "built: image", "network"),
        ("base: python", "built: images", "images"),
        ("base: python", "built: image, image: python", "one of image (a URI), built"),
        ("base: python", "image: image", "'image' is a resource of this spec: write built: image"),
        ("base: python", "image: images", "'images' is a resource of this spec: write repository: images"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, image: str, train: str, says: str) -> None:
    with pytest.raises(AwsrunError) as refused:
        written(tmp_path, image, train=train)
    assert says in str(refused.value)


def test_files_are_found_beside_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lowered(written(tmp_path, "requirements: needs.txt")).content
    monkeypatch.chdir("/")
    again = lowered(load(tmp_path / "spec.yaml", SpecModels())).content
    assert first == again and again.recipe.requirements == tmp_path / "needs.txt"
    assert dict(again.recipe.arguments) == {"BASE": DEFAULT_BASE}


@pytest.mark.parametrize(
    "image", ["context: own", "dockerfile: own/Dockerfile", "context: own, dockerfile: own/Dockerfile"]
)
def test_a_folder_and_its_dockerfile_name_each_other(tmp_path: Path, image: str) -> None:
    made = lowered(written(tmp_path, image)).content.recipe
    assert (made.context, made.dockerfile) == (tmp_path / "own", tmp_path / "own" / "Dockerfile")


@pytest.mark.parametrize(
    ("instance_types", "image", "wanted"),
    [
        ("[c5.large, g4dn.xlarge]", "runs_on: [compute]", "linux/amd64"),
        ("[g5g.xlarge]", "runs_on: [compute]", "linux/arm64"),
        ("[g5g.xlarge]", "runs_on: [more]", "linux/amd64"),
        ("[g5g.xlarge]", "platform: linux/amd64", "linux/amd64"),
        ("[c5]", "base: python", "linux/amd64"),
    ],
)
def test_it_is_built_for_the_machines_that_run_it(tmp_path: Path, instance_types: str, image: str, wanted: str) -> None:
    stack = written(tmp_path, image, instance_types)
    assert lowered(stack).content.recipe.platform == wanted
    explicit = "platform" in image
    assert lowered(stack, LOCAL).content.recipe.platform == (wanted if explicit else ""), "a laptop's jobs run there"


def test_machines_of_two_architectures_need_a_word(tmp_path: Path) -> None:
    with pytest.raises(AwsrunError, match=r"resources\.image\.runs_on.*two architectures"):
        written(tmp_path, "base: python", "[g5g.xlarge]")  # and Fargate, which is x86


def test_fargate_does_not_run_an_image_for_arm(tmp_path: Path) -> None:
    train = "built: image, fargate: true, vcpus: 0.25"
    assert lowered(written(tmp_path, "platform: linux/amd64", train=train), name="train").image is UNKNOWN
    with pytest.raises(AwsrunError, match=r"resources\.train\.built: Fargate"):
        written(tmp_path, "platform: linux/arm64", train=train)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("a1.large c7g.xlarge c7gn.large g5g.xlarge t4g.nano m6gd.large im4gn.large is4gen.medium x2gd hpc7g.4xlarge "
         "r8g p6e-gb200.36xlarge default_arm64", "linux/arm64"),
        ("optimal c5 g4dn.xlarge g5.xlarge g6f.large p5.48xlarge m7i.large t3.nano u7i-12tb.224xlarge p6-b200.48xlarge "
         "gr6.4xlarge default_x86_64", "linux/amd64"),
    ],
)  # fmt: skip
def test_the_architecture_is_in_the_name(names: str, wanted: str) -> None:
    assert {name: platform(name) for name in names.split()} == dict.fromkeys(names.split(), wanted)


def test_a_repository_keeps_all_images_that_are_built_into_it(tmp_path: Path) -> None:
    spec = """
stack: s
resources:
  images: {kind: ecr.repository, keep: KEEP}
  one: {kind: ecr.image, repository: images}
  two: {kind: ecr.image, repository: images, base: python:3.13}
"""
    (tmp_path / "spec.yaml").write_text(spec.replace("KEEP", "2"))
    load(tmp_path / "spec.yaml", SpecModels())
    (tmp_path / "spec.yaml").write_text(spec.replace("KEEP", "1"))
    with pytest.raises(AwsrunError, match="'images' keeps the newest 1, and 2 images are built into it"):
        load(tmp_path / "spec.yaml", SpecModels())
