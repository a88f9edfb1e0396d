"""Images in ECR, built here from a Dockerfile when what goes into them changed.

An image has no tags of its own in AWS's sense; the stack's repository has.  So it is known by its image tags there:

- the hash of its content, under which it is pushed and which job definitions name;
- ``awsrun.KEY``, which marks the one that the key of the spec stands for now;
- ``latest``, for people.

Building takes minutes, and no verb waits: `create` starts it, and until it is done `read` says how far it is.  An image
whose content is in the repository already is only marked.  What was built before stays in the repository, because jobs
that wait may name it, and goes with it (or by the repository's ``keep``).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from botocore.exceptions import ClientError

from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.rights import Right, allow, owned_by
from awsrun.aws.tags import KIND, NAME, STACK
from awsrun.images import engine
from awsrun.images.build import Build
from awsrun.images.recipe import HASH, Content
from awsrun.resources.architecture import X86
from awsrun.resources.ecr_image_spec import ImageSpec, platforms
from awsrun.resources.ecr_repository import owned
from awsrun.resources.kind import ABSENT, REPLACE, Change, Found, Kind, Owner, Refs, Seen, State
from awsrun.resources.ours import arn

MARK = "awsrun."  # starts the tag of the image that a key stands for
UNBUILT = "unbuilt-"  # starts the hash of what stands in where no engine is there to build it
NOT_BUILT = "not built: no Docker engine answers here, so jobs run as processes"
_CONTENT = re.compile(rf"({UNBUILT})?([0-9a-f]{{{HASH}}})")
# An artifact without content, as OCI has it: https://github.com/opencontainers/image-spec/blob/main/manifest.md
_EMPTY = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2,
}
_MANIFESTS = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
]


@dataclass(frozen=True)
class ImageState(State):
    """``repository``: name and address.  ``built``: False for what stands in where there is no engine."""

    repository: Annotated[str, REPLACE]
    content: Annotated[Content, REPLACE]
    built: bool


class Image(Kind[ImageSpec, ImageState]):
    """Ids are ``REPOSITORY/KEY:HASH``."""

    kind = "ecr.image"
    Spec = ImageSpec
    State = ImageState
    identity = "revision"
    taggable = False
    absent = frozenset({"RepositoryNotFoundException", "ImageNotFoundException"})
    usual = 120.0

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self._builds: dict[str, Build] = {}

    # -- what is wanted ---------------------------------------------------------------------------------------------

    def lower(self, spec: ImageSpec, refs: Refs) -> ImageState:
        content = Content.of(spec.recipe(self._platform(spec, refs)))
        # Where there is no engine on a laptop, what stands in is as good as an image.
        built: Any = None if self._local and not engine.answers() else True
        return ImageState(refs.output(spec.repository, "name"), content, built)

    def _platform(self, spec: ImageSpec, refs: Refs) -> str:
        if spec.platform or self._local:
            return spec.platform or ""
        found = set().union(*(platforms(refs.spec(name)) for name in spec.runs_on))
        return min(found, default=X86)

    def rights(self, stack: str, specs: Mapping[str, ImageSpec]) -> Iterable[Right]:
        """Pushing is authorised like ECR's own calls:
        https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html"""
        repositories, mine = arn(self.cloud, "ecr", "repository/*"), [owned_by(stack)]
        push = "BatchCheckLayerAvailability InitiateLayerUpload UploadLayerPart CompleteLayerUpload PutImage"
        yield allow("find", "ecr", "DescribeRepositories", repositories)
        yield allow("find", "ecr", "ListTagsForResource", arn(self.cloud, "ecr", f"repository/{stack}-*"))
        yield allow("find", "ecr", "DescribeImages", repositories, when=mine)
        yield allow("read", "ecr", "DescribeImages DescribeRepositories", repositories, when=mine)
        for verb in ("create", "update"):
            yield allow(verb, "ecr", "GetAuthorizationToken")
            yield allow(
                verb, "ecr", f"{push} BatchGetImage DescribeImages DescribeRepositories", repositories, when=mine
            )
        yield allow("delete", "ecr", "BatchDeleteImage", repositories, when=mine)

    # -- what is there ----------------------------------------------------------------------------------------------

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """The images that are marked, in repositories of the stack."""
        names = {hint.rpartition(":")[0].rpartition("/")[0] for hint in hints}
        for repository, tags in owned(self.cloud, stack, names):
            name = repository["repositoryName"]
            pages = self._ecr.get_paginator("describe_images").paginate(
                repositoryName=name, filter={"tagStatus": "TAGGED"}
            )
            for image in (one for page in pages for one in page["imageDetails"]):
                for key in (tag.removeprefix(MARK) for tag in image.get("imageTags", ()) if tag.startswith(MARK)):
                    seen = self._seen(name, repository["repositoryUri"], image)
                    if seen.state is not None:
                        owner = {STACK: tags[STACK], NAME: key, KIND: self.kind}
                        yield Found(key, _id(name, key, seen.state.content), owner, seen)

    def read(self, id: str) -> Seen[ImageState]:
        """Raises AwsrunError where building or pushing failed: with the last lines of the failed step."""
        build = self._builds.get(id)
        if build is not None and build.under_way:
            return Seen(None, "pending", build.said)
        if build is not None:
            del self._builds[id]
            build.finish()
        repository, key, content = _parts(id)
        try:
            described = self._ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": MARK + key}])
            uri = self._uri(repository)
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise
        seen = self._seen(repository, uri, described["imageDetails"][0])
        # Once the key stands for another image, this one is the repository's.
        return seen if seen.state is not None and seen.state.content == content else ABSENT

    # -- making it so -----------------------------------------------------------------------------------------------

    def create(self, state: ImageState, owner: Owner) -> str:
        id = _id(state.repository, owner.name, state.content)
        if self._has(state.repository, state.content):
            self._mark(state.repository, owner.name, state.content)
        else:
            self._build(id, state, owner.name)
        return id

    def update(self, id: str, wanted: ImageState, seen: ImageState, changed: Collection[Change]) -> None:
        """Build what something stands in for."""
        self._build(id, wanted, _parts(id)[1])

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        """Images have none: their repository's say whose they are."""

    def delete(self, id: str, seen: Seen[ImageState]) -> None:
        """Take the key's mark off; the image is the repository's, and goes with it."""
        repository, key, _ = _parts(id)
        self.cloud.write("ecr").batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": MARK + key}])

    def _build(self, id: str, state: ImageState, key: str) -> None:
        name, content = state.repository, state.content
        if self._local and not state.built:
            self._stand_in(name, key, content)
            return
        self._builds[id] = Build(
            self._engine(),
            content,
            self._uri(name),
            content,
            self._login,
            lambda: self._built(name, key, content),
        ).start()

    def _engine(self) -> Any:
        try:
            return engine.connect()
        except AwsrunError as error:
            hint = f"{error.hint}; or name an image that is in a registry already, with `image: URI` instead of `built`"
            raise AwsrunError(error.what, error.why, hint) from error

    def _built(self, repository: str, key: str, content: Content) -> None:
        self._mark(repository, key, content)
        if self._local:
            stood_in = {"imageTag": UNBUILT + content}
            self._ecr.batch_delete_image(repositoryName=repository, imageIds=[stood_in])

    def _stand_in(self, repository: str, key: str, content: Content) -> None:
        """An image without anything in it, so that all that follows is as it would be."""
        notes = {"awsrun.content": content}
        manifest = {"schemaVersion": 2, "mediaType": _MANIFESTS[1], "artifactType": "application/vnd.awsrun.unbuilt"}
        whole = json.dumps({**manifest, "config": _EMPTY, "layers": [], "annotations": notes})
        self._put(repository, UNBUILT + content, whole, _MANIFESTS[1])
        self._mark(repository, key, UNBUILT + content)

    def _mark(self, repository: str, key: str, tag: str) -> None:
        """Let the key stand for the image under ``tag``.

        https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-retag.html
        """
        got = self._ecr.batch_get_image(
            repositoryName=repository, imageIds=[{"imageTag": tag}], acceptedMediaTypes=_MANIFESTS
        )["images"][0]
        for one in (MARK + key, "latest"):
            self._put(repository, one, got["imageManifest"], got["imageManifestMediaType"])

    def _put(self, repository: str, tag: str, manifest: str, media_type: str) -> None:
        try:
            self._ecr.put_image(  # which may be sent again: the second changes nothing
                repositoryName=repository, imageTag=tag, imageManifest=manifest, imageManifestMediaType=media_type
            )
        except ClientError as error:
            if not matches(error, ("ImageAlreadyExistsException",)):  # under this very tag
                raise

    def _login(self) -> Mapping[str, str]:
        """A password that is good for twelve hours; never written anywhere."""
        token = self._ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        user, _, password = base64.b64decode(token).decode().partition(":")
        return {"username": user, "password": password}

    @property
    def _ecr(self) -> Any:
        return self.cloud.read("ecr")

    @property
    def _local(self) -> bool:
        return self.cloud.context.name == "local"

    def _has(self, repository: str, tag: str) -> bool:
        try:
            return bool(self._ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}]))
        except ClientError as error:
            if matches(error, ("ImageNotFoundException",)):
                return False
            raise

    def _uri(self, repository: str) -> str:
        return str(self._ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryUri"])

    def _seen(self, repository: str, uri: str, image: Mapping[str, Any]) -> Seen[ImageState]:
        """What one image is; absent where it has no tag of a content."""
        tags = image.get("imageTags", ())
        contents = [found for found in map(_CONTENT.fullmatch, tags) if found]
        if not contents:
            return ABSENT
        built, hash = not contents[0][1], contents[0][2]
        outputs = {"id": image["imageDigest"], "uri": f"{uri}:{hash}", "tag": hash, "built": built}
        note = "" if built else NOT_BUILT
        return Seen(ImageState(repository, Content(hash), built), "ready", outputs=outputs, note=note)


def _id(repository: Any, key: str, content: Content) -> str:
    return f"{repository}/{key}:{content}"


def _parts(id: str) -> tuple[str, str, Content]:
    """Repository, key, content."""
    place, _, hash = id.rpartition(":")
    repository, _, key = place.rpartition("/")
    return repository, key, Content(hash)
