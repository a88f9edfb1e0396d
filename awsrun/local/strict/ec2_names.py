"""Names that EC2 does not take, and moto does.

A security group's begins with no ``sg-`` (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html).
"""

from __future__ import annotations

from collections.abc import Mapping

from awsrun.local.strict.ec2_in_use import Refused


def refused(action: str, form: Mapping[str, str]) -> Refused | None:
    """Why EC2 would not carry the call out; None where it would."""
    name = form.get("GroupName", "")
    if action != "CreateSecurityGroup" or not name.startswith("sg-"):
        return None
    said = f"Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*."
    return ("InvalidParameterValue", said)
