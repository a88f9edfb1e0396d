"""The pages' code blocks are what they say, and their links lead somewhere; `tests/e2e/test_pages.py` types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from awsrun.reconcile.reference import write_files
from tests.documents import ROOT, Block, Page, blocks, check, commands, known, pages
from tests.typist import difference, typed

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJPkV0sT9dG7fB5mLrX1yQeHnZaWcUoK2v8iE6tRpSgD me@laptop"
PAGES = {page.path: page for page in pages()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that has the files that the pages' specs name."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519.pub").write_text(PUBLIC_KEY)
    monkeypatch.setenv("HOME", str(tmp_path))
    write_files(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", PAGES)
def test_every_block_of_a_page_is_what_its_mark_says(path: str, home: Path) -> None:
    check(PAGES[path], home)


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_to_files_and_headings(path: str) -> None:
    for link in PAGES[path].links():
        target, _, anchor = link.partition("#")
        there = (ROOT / path).parent.joinpath(target).resolve() if target else ROOT / path
        assert there.exists(), f"{path}: {link}"
        if anchor:
            assert anchor in Page(there.relative_to(ROOT).as_posix()).anchors, f"{path}: {link}"


def test_no_block_escapes() -> None:
    text = "# A\n\n```\nx\n```\n\n    indented\n\n```yml\na: 1\n```\n\n- a\n\n  ```sh no-run\n  b\n  ```\n"
    found = list(blocks(text, "a.md"))
    assert [block.place for block in found] == ["a.md:3", "a.md:7", "a.md:9", "a.md:15"]
    assert all(block.mistake() for block in found)


@pytest.mark.parametrize(
    "mark",
    ["sh", "sh no-run: an account is billed", "sh dry-run: it takes long", "text no-run: of a GPU", "json", "yaml"],
)
def test_a_mark_is_read(mark: str) -> None:
    assert not Block("a.md:1", "", mark, "").mistake()


@pytest.mark.parametrize("mark", ["yaml no-run: because", "python dry-run: because", "sh no-run:", "bash"])
def test_a_mark_that_says_nothing_is_refused(mark: str) -> None:
    assert Block("a.md:1", "", mark, "").mistake()


@pytest.mark.parametrize(
    "line",
    ["awsrun aply specs/a.yaml", "awsrun plan specs/a.yaml --vars a=b", "awsrun local start --harsh", "awsrun ssh"],
)
def test_a_command_that_awsrun_does_not_have_is_found_without_a_call(line: str) -> None:
    with pytest.raises(ValueError, match=r"no command named|No such option|Missing argument"):
        known(line.split()[1:])


def test_commands_are_found_wherever_they_stand() -> None:
    text = "A=$(awsrun outputs a)\nX=1 awsrun plan a.yaml   # awsrun\n$ awsrun submit a.py \\\n  --wait | cat\n"
    found = commands(Block("a.md:1", "", "sh", text.replace("$ a", "a")))
    assert list(found) == [["outputs", "a"], ["plan", "a.yaml"], ["submit", "a.py", "--wait"]]


def test_a_spec_a_part_and_a_file_are_held_to_the_models(tmp_path: Path) -> None:
    for text, why in (
        ("stack: a\nresources:\n  b: {kind: s3.bucket, purged: true}\n", "purged"),
        ("b: {kind: iam.role, service: ec2, read: [nowhere]}\n", "nowhere"),
        ("# specs/batch.yaml\nstack: other\nresources: {b: {kind: s3.bucket}}\n", "specs/batch.yaml"),
    ):
        page = Page("a.md")
        page.__dict__["text"] = f"```yaml\n{text}```\n"
        with pytest.raises(AssertionError, match=why):
            check(page, tmp_path)


@pytest.mark.parametrize(
    ("shown", "said", "everything", "same"),
    [
        ("a\nb\n", "a\nb\n", True, True),
        ("a\n", "a\nb\n", True, False),
        ("a\n...\n", "a\nb\nc\n", True, True),
        ("b\n", "a\nb\nc\n", False, True),
        ("a\nc\n", "a\nb\nc\n", False, False),
        ("a\n...\nc\n", "a\nb\nc\n", False, True),
        ("17 created in 1.0 s\n", "17 created in 23 s\n", True, True),
        ("17 created in 1.0 s\n", "18 created in 1.0 s\n", True, False),
        ("web  i-0a1b2c3d  ready\n", "web          i-99ffee00   ready\n", True, True),
        ("mnist-1123-1435-e8z is done\n", "mnist-1201-0101-abc is done\n", True, True),
        ("mnist-1123-1435-e8z is done\n", "other-1201-0101-abc is done\n", True, False),
        ("2026-11-25 10:45  mnist\n", "2031-01-01 00:00 mnist\n", True, True),
        ("at … a second\n", "at 85 a second\n", True, True),
        ("a.b\n", "axb\n", True, False),
        ("a\n", "context: local (embedded cloud)\na\n", True, True),
    ],
)
def test_what_is_shown_is_compared_with_what_is_said(shown: str, said: str, everything: bool, same: bool) -> None:
    assert (difference(shown, said, everything=everything) == "") is same


def test_a_console_has_commands_and_what_each_prints() -> None:
    text = "$ awsrun a \\\n    --b\nsaid\nmore\n$ awsrun c\n"
    assert list(typed(text)) == [("awsrun a \\\n    --b", "said\nmore\n"), ("awsrun c", "")]
