"""Which instance types Batch takes, and which of them together.

None that are burstable (https://github.com/opensupplyhub/open-supply-hub/pull/1058: "Instance type can only be one of
[...]"), and ARM ones with no others (https://github.com/aws/aws-cdk/issues/31148); all environments of a queue have the
same architecture (https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeEnvironmentOrder.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_BURSTABLE = re.compile(r"t\d[a-z]*(\.|$)")
_ARM = re.compile(r"(a1|[a-z]+\d+g[a-z]*|[a-z0-9]+-gb\d+)(\.|$)|default_arm64$")


def refusal(types: Iterable[str]) -> str:
    """Why no environment has these instance types; empty where one may."""
    listed = list(types)
    if any(_BURSTABLE.match(one) for one in listed):
        return "Instance type can only be one of [c5, c6g, g4dn, m5, optimal, r5]"  # AWS names hundreds
    if len({arm([one]) for one in listed}) > 1:
        return "arm-based instance type cannot be used with other instance types."
    return ""


def arm(types: Iterable[str]) -> bool:
    """Whether machines of these types have ARM processors."""
    return any(_ARM.match(one) for one in types)
