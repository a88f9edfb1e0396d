"""The processor architecture of EC2 instance types, by their names.

Graviton's families have a ``g`` right after the generation's number (m6g, c7gn, g5g, im4gn), or are a1; the GB types of
the P family have Grace processors.  https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
"""

from __future__ import annotations

import re
from typing import Literal

X86, ARM = "linux/amd64", "linux/arm64"
Architecture = Literal["arm64", "x86_64"]
"""As Lambda and ECS call them.  One for all kinds: typing takes equal Literals for one, in the order it met first."""
_ARM = re.compile(r"(a1|[a-z]+\d+g[a-z]*|[a-z0-9]+-gb\d+)(\.|$)|default_arm64$")


def platform(instance_type: str) -> str:
    """What images for an instance type, a family, or Batch's ``optimal`` are built for, in Docker's words."""
    return ARM if _ARM.match(instance_type) else X86
