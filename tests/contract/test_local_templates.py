"""Launch templates of the embedded cloud, by what a client sees: it fails on plain moto."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud


@pytest.fixture
def ec2(local_cloud: LocalCloud) -> Any:
    return local_cloud.client("ec2")


def test_tags_of_a_launch_template_can_change(ec2: Any) -> None:
    made = ec2.create_launch_template(LaunchTemplateName="patched-tags", LaunchTemplateData={"KeyName": "k"})
    id = made["LaunchTemplate"]["LaunchTemplateId"]
    ec2.create_tags(Resources=[id], Tags=[{"Key": "team", "Value": "a"}])
    (seen,) = ec2.describe_launch_templates(LaunchTemplateIds=[id])["LaunchTemplates"]
    assert seen["Tags"] == [{"Key": "team", "Value": "a"}]


@pytest.mark.parametrize(
    ("by", "code"),
    [
        ({"LaunchTemplateName": "nobody"}, "InvalidLaunchTemplateName.NotFoundException"),
        ({"LaunchTemplateId": "lt-0123456789abcdef0"}, "InvalidLaunchTemplateId.NotFound"),
    ],
)
def test_a_template_that_is_not_there_is_said_to_be_not_there(ec2: Any, by: dict[str, str], code: str) -> None:
    ((parameter, value),) = by.items()
    for call in (
        lambda: ec2.delete_launch_template(**by),
        lambda: ec2.describe_launch_templates(**{f"{parameter}s": [value]}),
        lambda: ec2.describe_launch_template_versions(**by, Versions=["1"]),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code
