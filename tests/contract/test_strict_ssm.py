"""Parameters as slow to show as AWS's."""

from __future__ import annotations

from typing import Any

from tests.conftest import LocalCloud
from tests.contract.strict_bench import passes, sometimes, until

GONE = "ParameterNotFound"


def test_a_new_parameter_is_not_found_for_a_moment_and_listed_later(strict_cloud: LocalCloud) -> None:
    ssm = strict_cloud.client("ssm")

    def read(name: str) -> None:
        ssm.put_parameter(Name=name, Value="a", Type="String")
        ssm.get_parameter(Name=name)

    name = sometimes(GONE, read)
    assert passes(GONE, ssm.get_parameter, Name=name)["Parameter"]["Value"] == "a"

    def listed() -> Any:
        named = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
        return ssm.describe_parameters(ParameterFilters=named)["Parameters"]

    until(listed)
    ssm.put_parameter(Name=name, Value="b", Type="String", Overwrite=True)
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "b", "what is there already is not new"

    def tagged(name: str) -> None:
        ssm.put_parameter(Name=name, Value="a", Type="String")
        ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)

    sometimes("InvalidResourceId", tagged)
