"""Builds an image and pushes it, in a thread of its own, and says how far it is.

The engine's own builder is used, as the Docker SDK does: it has no BuildKit (``RUN --mount``, heredocs).
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from textwrap import shorten
from typing import IO, Any

from awsrun.aws.errors import AwsrunError
from awsrun.images.engine import short
from awsrun.images.recipe import DOCKERFILE, Content, Recipe

KEPT = 12  # lines of a failed step that are shown
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CHATTER = (" ---> ", "Removing intermediate container", "Successfully ")
SHOWN = 80  # characters of a step
_STEP = re.compile(r"Step (\d+/\d+) : (.*)")
_MB = 1e6
LABEL = "awsrun.content"

Login = Callable[[], Mapping[str, str]]


class Build:
    """One image on its way into a registry.

    Args:
        client: a ``docker.DockerClient``.
        content: with its recipe.
        repository: where to push it: ``HOST/NAME``.
        tag: under which tag.
        login: gives username and password, asked for when they are needed.
        afterwards: called when it is pushed.
    """

    def __init__(
        self,
        client: Any,
        content: Content,
        repository: str,
        tag: str,
        login: Login,
        afterwards: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self._content = client, content
        self._repository, self._tag, self._login, self._afterwards = repository, tag, login, afterwards
        self._name = f"{repository}:{tag}"
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"build {self._name}")
        self._error: BaseException | None = None
        self._said, self._since = "Docker", time.monotonic()

    def start(self) -> Build:
        """Begin; returns at once."""
        self._thread.start()
        return self

    @property
    def said(self) -> str:
        """What is waited for; with the minutes, where it takes some (a step that downloads gigabytes is quiet)."""
        minutes = int(time.monotonic() - self._since) // 60
        return f"{self._said} ({minutes} min)" if minutes else self._said

    def _say(self, what: str) -> None:
        self._said, self._since = what, time.monotonic()

    @property
    def under_way(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def finish(self) -> None:
        """Wait until it is over.

        Raises:
            AwsrunError: the build or the push failed; the last lines of the failed step say why.
            Exception: what ``login`` or ``afterwards`` raised.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._build()
            self._push()
            self._afterwards()
            self._tidy()
        except BaseException as error:
            self._error = error

    # -- building ----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        recipe = self._content.recipe
        assert recipe is not None, "what was only seen cannot be built"
        with tempfile.TemporaryFile() as archive:
            self._say("its files to be packed")
            if recipe.pack(archive) != self._content:
                raise AwsrunError("the files of the image changed meanwhile", "", "run the same apply again")
            self._say(f"Docker to get {archive.tell() / _MB:.1f} MB of files")
            self._build_from(archive, recipe, pull=False)
            if not self._fits(recipe.platform):  # some engines take a base image of another platform that they have
                try:
                    self._build_from(archive, recipe, pull=True)
                except AwsrunError as error:
                    raise self._misfit(recipe.platform, error.why) from error
        if not self._fits(recipe.platform):
            raise self._misfit(recipe.platform, f"it is for {self._platform()}")

    def _build_from(self, archive: IO[bytes], recipe: Recipe, pull: bool) -> None:
        """Build; ``pull``: look for a newer base image in its registry."""
        from docker.errors import DockerException

        archive.seek(0)
        try:
            self._follow_build(
                self._client.api.build(
                    fileobj=archive,
                    custom_context=True,
                    dockerfile=DOCKERFILE,
                    tag=self._name,
                    buildargs=dict(recipe.arguments),
                    platform=recipe.platform or None,
                    labels={LABEL: self._content},
                    network_mode="host",
                    pull=pull,
                    rm=True,
                    forcerm=True,
                    decode=True,
                )
            )
        except (DockerException, OSError) as error:
            raise AwsrunError("Docker did not build the image", short(error), _hint(short(error))) from error

    def _platform(self) -> str:
        built = self._client.images.get(self._name).attrs
        return f"{built['Os']}/{built['Architecture']}"

    def _fits(self, platform: str) -> bool:
        return not platform or self._platform() == platform

    def _misfit(self, platform: str, why: str) -> AwsrunError:
        """An image of another platform would fail only once its job is started."""
        self._client.images.remove(self._name)
        hint = f"start from a base image that there is for {platform}: docker pull --platform {platform} BASE"
        return AwsrunError(f"Docker did not build the image for {platform}", why, hint)

    def _follow_build(self, lines: Any) -> None:
        step, output = "", deque[str](maxlen=KEPT)
        for line in lines:
            if "error" in line:
                self._fail(step, output, str(line["error"]))
            for text in str(line.get("stream", "")).splitlines():
                if found := _STEP.fullmatch(text):
                    step = f"{found[1]}: {shorten(found[2], SHOWN, placeholder=' …')}"
                    self._say(f"build step {step}")
                    output.clear()
                elif (said := _COLOUR.sub("", text).rstrip()) and not said.startswith(_CHATTER):
                    output.append(said)
            if "status" in line and "id" not in line:
                output.append(str(line["status"]))

    def _fail(self, step: str, output: Sequence[str], error: str) -> None:
        said = "\n".join([*(f"  {line}" for line in output), error])
        where = f"in step {step}" if step else "before its first step"
        raise AwsrunError(f"the build of the image failed {where}", said, _hint(f"{said} {step}"))

    # -- pushing -----------------------------------------------------------------------------------------------------

    def _push(self) -> None:
        from docker.errors import DockerException

        self._say("the push")
        sizes: dict[str, tuple[int, int]] = {}
        try:
            lines = self._client.api.push(
                self._repository, tag=self._tag, auth_config=dict(self._login()), stream=True, decode=True
            )
            for line in lines:
                if "error" in line:
                    raise AwsrunError(f"the image was not pushed to {self._repository}", str(line["error"]), "")
                detail = line.get("progressDetail") or {}
                if "current" in detail and "id" in line:
                    total = int(detail.get("total") or detail["current"])
                    sizes[line["id"]] = (min(int(detail["current"]), total), total)
                    sent, whole = (sum(pair[n] for pair in sizes.values()) for n in (0, 1))
                    self._say(f"the push: {sent / _MB:.0f} of {whole / _MB:.0f} MB")
        except (DockerException, OSError) as error:
            raise AwsrunError(f"the image was not pushed to {self._repository}", short(error)) from error

    def _tidy(self) -> None:
        """Let this engine forget what was built for the repository before: the registry has it.  The newest stays, so
        that the next build finds its layers."""
        from docker.errors import DockerException

        with suppress(DockerException, OSError):  # the image is where it has to be, all the same
            for image in self._client.images.list(self._repository, filters={"label": LABEL}):
                for name in image.tags:
                    if name.startswith(f"{self._repository}:") and name != self._name:
                        self._client.images.remove(name)


def _hint(said: str) -> str:
    """What to do about failures that everybody meets once."""
    if "exec format error" in said or "does not match the specified platform" in said:
        return (
            "this machine does not run programs of that platform; teach it to: "
            "docker run --privileged --rm tonistiigi/binfmt --install all"
        )
    if "requires BuildKit" in said or "Unknown flag: mount" in said:
        return "write the Dockerfile without BuildKit's own syntax, or build it yourself and say `image: URI`"
    if "toomanyrequests" in said:
        return "Docker Hub limits pulls: docker login, or take the same image from public.ecr.aws (`base:`)"
    if "dial tcp" in said:
        return "look after the connection to that registry, or start from an image that this machine has (`base:`)"
    return "mend it and run the same apply again"
