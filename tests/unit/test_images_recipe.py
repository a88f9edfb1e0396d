"""What an image is named by: everything that decides its content, and nothing else.  No engine is needed for it."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.images.recipe import DOCKERFILE, Content, Recipe


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "src" / "data").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / "src" / "main.py").write_text("print('hello')\n")
    (folder / "src" / "data" / "big.bin").write_bytes(b"0" * 3000)
    (folder / ".dockerignore").write_text("# what does not go in\n\nsrc/data\n!src/data/keep.txt\n**/*.pyc\n")
    (folder / "link").symlink_to("src/main.py")
    return folder


def recipe(context: Path, **changes: object) -> Recipe:
    return Recipe(**{"context": context, "dockerfile": context / "Dockerfile", **changes})  # type: ignore[arg-type]


def names(made: Recipe) -> set[str]:
    archive = io.BytesIO()
    made.pack(archive)
    archive.seek(0)
    return set(tarfile.open(fileobj=archive).getnames())


def link(context: Path) -> None:
    (context / "link").unlink()
    (context / "link").symlink_to("src")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file": lambda context: (context / "src" / "main.py").write_text("print('hallo')\n"),
    "a new file": lambda context: (context / "src" / "other.py").write_text(""),
    "a file's name": lambda context: (context / "src" / "main.py").rename(context / "src" / "mane.py"),
    "an executable": lambda context: (context / "src" / "main.py").chmod(0o755),
    "a link": link,
    "an empty folder": lambda context: (context / "empty").mkdir(),
    "the Dockerfile": lambda context: (context / "Dockerfile").write_text("FROM scratch\nCOPY src /\n"),
    "what is ignored no more": lambda context: (context / "src" / "data" / "keep.txt").write_text(""),
    "the ignored": lambda context: (context / ".dockerignore").write_text(""),
}
NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda context: None,
    "a file's time": lambda context: os.utime(context / "src" / "main.py", (1, 1)),
    "who else may read it": lambda context: (context / "src" / "main.py").chmod(0o600),
    "what is ignored": lambda context: (context / "src" / "data" / "big.bin").write_bytes(b"1"),
    "what is ignored by a pattern": lambda context: (context / "src" / "main.pyc").write_bytes(b"1"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_content_has_another_name(context: Path, what: str) -> None:
    before = recipe(context).hash()
    CHANGES[what](context)
    assert recipe(context).hash() != before, what


@pytest.mark.parametrize("what", NO_CHANGES)
def test_the_same_content_has_the_same_name(context: Path, what: str) -> None:
    before = recipe(context).hash()
    NO_CHANGES[what](context)
    assert recipe(context).hash() == before, what


def test_arguments_and_platform_count_too(context: Path) -> None:
    made = [
        recipe(context),
        recipe(context, arguments=(("A", "1"),)),
        recipe(context, arguments=(("A", "2"),)),
        recipe(context, platform="linux/arm64"),
        recipe(context, platform="linux/amd64"),
    ]
    assert len({one.hash() for one in made}) == len(made)


def test_the_same_from_another_place_is_the_same(context: Path, tmp_path: Path) -> None:
    before = recipe(context).hash()
    assert recipe(context.rename(tmp_path / "elsewhere")).hash() == before


def test_the_engine_gets_what_was_hashed(context: Path) -> None:
    expected = {DOCKERFILE, "Dockerfile", ".dockerignore", "src", "src/main.py", "link"}
    assert names(recipe(context)) == expected
    assert recipe(context).pack(io.BytesIO()) == recipe(context).hash()


def test_the_default_one_takes_its_requirements_along_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "needs.txt").write_text("numpy\n")
    (tmp_path / "secret").write_text("")
    with_needs = Recipe(requirements=tmp_path / "needs.txt", arguments=(("BASE", "python"),))
    assert names(with_needs) == {DOCKERFILE, "requirements.txt"}
    assert with_needs.hash() != Recipe(arguments=(("BASE", "python"),)).hash()


def test_what_cannot_be_read_is_named(context: Path) -> None:
    (context / "Dockerfile").unlink()
    with pytest.raises(AwsrunError, match="Dockerfile"):
        recipe(context).hash()


def test_contents_are_compared_by_their_hash(context: Path) -> None:
    made = Content.of(recipe(context))
    assert made == Content(recipe(context).hash()) and made != Content("0" * 20)
    assert made.recipe == recipe(context)
