"""The documentation's pages as a reader has them: everything is typed, in the order of the page, on the embedded cloud.

Where a page ends, nothing is left of what it made: it has told how to be rid of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stack_shell import WITHOUT_AWS, Shell

from tests.documents import Page, pages
from tests.typist import Typist

# Pages whose own tests type them, and look between the blocks.
ELSEWHERE = {"docs/serverless.md": "test_serverless.py", "docs/bashoutter.md": "test_bashoutter.py"}


def _runs(page: Page) -> bool:
    return any(block.mode != "no-run" and block.language in ("sh", "console", "python") for block in page.blocks)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of all pages' own, with a cloud in it once somebody needs one."""
    home = tmp_path_factory.mktemp("pages")
    yield home
    Shell(home, _env(home)).awsrun("local", "stop")


def _env(home: Path) -> dict[str, str]:
    own = {"AWSRUN_HOME": str(home / "awsrun"), "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
    return WITHOUT_AWS | own


@pytest.mark.timeout(600)  # it is many commands, one after the other
@pytest.mark.parametrize("path", [page.path for page in pages() if _runs(page) and page.path not in ELSEWHERE])
def test_what_a_page_shows_is_what_comes(home: Path, path: str, tmp_path: Path) -> None:
    reader = Typist(tmp_path, _env(home))
    try:
        reader.type(Page(path).blocks)
        assert Shell(tmp_path, _env(home)).json("status") == [], "the page does not say how to be rid of it"
    finally:
        Shell(tmp_path, _env(home)).awsrun("teardown", "--all", "--purge", "--yes")


@pytest.mark.parametrize("path", ELSEWHERE)
def test_the_other_pages_are_typed_by_their_own_tests(path: str) -> None:
    assert f'Page("{path}")' in Path(__file__).with_name(ELSEWHERE[path]).read_text()
