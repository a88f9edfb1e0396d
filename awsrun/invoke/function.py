"""The functions of stacks, as the stacks' records have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from awsrun.aws import stacks
from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError
from awsrun.aws.stacks import StackRecord
from awsrun.spec.mistakes import near


@dataclass(frozen=True)
class Function:
    """One function of a stack, by its logical name."""

    stack: str
    name: str
    arn: str

    @property
    def whole_name(self) -> str:
        """``STACK/NAME``."""
        return f"{self.stack}/{self.name}"


def functions(cloud: Cloud) -> list[Function]:
    """The functions of all stacks, by name."""
    return sorted((one for record in stacks.readable(cloud) for one in _of(record)), key=lambda one: one.whole_name)


def find(cloud: Cloud, name: str) -> Function:
    """The function that ``NAME`` or ``STACK/NAME`` means.

    Raises:
        AwsrunError: there is none, or there are several.
    """
    stack, _, short = name.rpartition("/")
    every = list(_of(stacks.read(cloud, stack))) if stack else functions(cloud)
    meant = [one for one in every if one.name == short]
    if len(meant) == 1:
        return meant[0]
    if meant:
        names = ", ".join(one.whole_name for one in meant)
        raise AwsrunError(
            f"there are {len(meant)} functions called {name!r}", names, f"name one: {names.split(',')[0]}"
        )
    why = "there is none"
    if every:
        why = f"functions here: {', '.join(one.whole_name for one in every)}{near(short, {one.name for one in every})}"
    raise AwsrunError(
        f"no function is called {name!r} in {cloud.context}", why, "awsrun apply SPEC makes those of a spec"
    )


def _of(record: StackRecord) -> Iterator[Function]:
    for name, outputs in record.outputs.items():
        arn = str(outputs.get("arn", ""))
        if arn.split(":")[2:3] == ["lambda"] and ":function:" in arn:
            yield Function(record.stack, name, arn)
