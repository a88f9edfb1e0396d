"""The reference pages: as the models are now, with nothing left out and no link that leads nowhere."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from awsrun.reconcile import reference
from awsrun.resources.models import SpecModels
from awsrun.resources.units import seconds as from_text
from awsrun.spec.load import parse
from awsrun.spec.pages import INDEX, example, pages, written

FOLDER = Path(__file__).parents[2] / "docs" / "kinds"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages(SpecModels(), reference.about(), reference.source())


def test_the_committed_pages_are_current(made: dict[str, str]) -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert committed == made, "the models changed: awsrun schema --docs docs/kinds"


def test_every_field_of_every_kind_is_there_with_what_it_means(made: dict[str, str]) -> None:
    for kind, model in SpecModels().items():
        for name, field in model.model_fields.items():
            if name not in ("kind", "name", "protect"):
                rows = [line for line in made[f"{kind}.md"].splitlines() if f"`{field.alias or name}` |" in line]
                assert rows and not rows[0].rstrip(" |").endswith("|"), f"{kind}.{name}"


def test_every_example_is_right_and_ends_with_its_kind(tmp_path: Path) -> None:
    reference.write_files(tmp_path)
    for kind, model in SpecModels().items():
        resources = textwrap.indent(example(model), "  ")
        stack = parse(f"stack: lab\nresources:\n{resources}", str(tmp_path / f"{kind}.yaml"), SpecModels())
        assert list(stack.resources.values())[-1].kind == kind


def test_what_a_page_says_comes_from_the_kind_and_the_models(made: dict[str, str]) -> None:
    """A sample of each sort, written down from AWS's own pages and from what the specs of this repository rely on."""
    for page, said in (
        ("vpc", "**Costs** nothing."),
        ("ec2.instance", "**Costs** $0.017/h, used or not; t3.micro with a public IPv4 address and a 16 GB disk."),
        ("batch.compute_environment", "**Costs** $0.00/h idle, up to $8.67/h: 16 × g4dn.xlarge"),
        ("dynamodb.table", "**Costs** nothing by the hour; $0.625 per million writes, $0.125 per million reads"),
        ("lambda.function", "that one runs with 128 MiB; logs: $0.50 per GB written"),
        ("batch.job_queue", "**Takes** AWS usually 2 min to make"),
        ("sqs.queue", "**Puts out** `jobs.arn`, `jobs.name`, `jobs.url`"),
        (
            "sqs.queue",
            "`send` of [iam.role](iam.role.md) and [lambda.function](lambda.function.md): `sqs:GetQueueUrl`, ",
        ),
        ("sqs.queue", "**Cannot change in place**: `fifo`."),
        ("sqs.queue", "**Holds data**"),
        ("sqs.queue", "| `visibility` | duration (`90s`, `1h30m`) | `30s` |"),
        ("sqs.queue", "| `retention` | duration (`90s`, `1h30m`) | `4d` |"),
        ("batch.job_definition", "`vcpus`. Another value makes another revision."),
        ("iam.role", "| `send` | list of [sqs.queue](sqs.queue.md) |"),
        ("ec2.instance", "| `vpc` | [vpc](vpc.md) | **needed** |"),
        ("vpc", "`vpc` of [ec2.instance](ec2.instance.md), [security_group](security_group.md)"),
        ("lambda.function", "| `environment` | map to value, output (`NAME.OUTPUT`) or [Text](#text) |"),
        ("ssm.parameter", "[Text](#text)"),
    ):
        assert said in made[f"{page}.md"], f"{page}: {said}"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (30, "30s"), (90, "90s"), (120, "2m"), (7200, "2h"), (86400, "1d")]
)
def test_seconds_are_written_as_a_spec_has_them(seconds: int, text: str) -> None:
    assert written(seconds) == text and from_text(text) == seconds


def test_links_lead_to_pages_and_headings(made: dict[str, str]) -> None:
    for page, text in made.items():
        headings = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")}
        links = re.findall(r"\]\(([^)]+)\)", text)
        assert page == INDEX or links
        for link in links:
            assert link in made or link.removeprefix("#") in headings, f"{page}: {link}"
