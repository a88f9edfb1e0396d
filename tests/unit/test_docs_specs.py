"""What docs/specs.md shows is what awsrun reads and says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.resources.models import SpecModels
from awsrun.spec.load import parse
from awsrun.spec.stack import StackSpec
from awsrun.spec.variables import Given

PAGE = (Path(__file__).parents[2] / "docs" / "specs.md").read_text(encoding="utf-8")
SPECS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def read(text: str, **options: str) -> StackSpec:
    return parse(text, "lab.yaml", SpecModels(), Given(options))


def test_its_specs_are_right() -> None:
    lab, shop = read(SPECS[0], days="14"), read(SPECS[1])
    assert (lab.stack, lab.variables["days"]) == ("lab", 14)
    assert {name: one.protect for name, one in shop.resources.items()} == {"results": True, "logs": False}


def test_the_missing_value_is_told_as_it_says() -> None:
    with pytest.raises(AwsrunError) as caught:
        read(SPECS[0])
    error = caught.value
    assert f"awsrun: {error.what}\n{error.why}\n→ {error.hint}\n" in PAGE
