"""The reference pages: as the models are now, with nothing left out and no link that leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from awsrun.resources.models import SpecModels, fixed_fields
from awsrun.spec.pages import INDEX, pages

FOLDER = Path(__file__).parents[2] / "docs" / "kinds"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages(SpecModels(), fixed_fields())


def test_the_committed_pages_are_current(made: dict[str, str]) -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert committed == made, "the models changed: awsrun schema --docs docs/kinds"


def test_every_field_of_every_kind_is_there_with_what_it_means(made: dict[str, str]) -> None:
    for kind, model in SpecModels().items():
        for name, field in model.model_fields.items():
            if name not in ("kind", "name", "protect"):
                rows = [line for line in made[f"{kind}.md"].splitlines() if f"`{field.alias or name}` |" in line]
                assert rows and not rows[0].rstrip(" |").endswith("|"), f"{kind}.{name}"


def test_links_lead_to_pages_and_headings(made: dict[str, str]) -> None:
    for page, text in made.items():
        headings = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")}
        links = re.findall(r"\]\(([^)]+)\)", text)
        assert page == INDEX or links
        for link in links:
            assert link in made or link.removeprefix("#") in headings, f"{page}: {link}"
