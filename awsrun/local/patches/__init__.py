"""What is changed inside moto: few, small, one file each, every one with a contract test in tests/contract.

A patch is a function that takes a freshly imported module of moto; it is applied when moto first loads that module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from awsrun.local.imports import Hook
from awsrun.local.patches import backends

PATCHES: Mapping[str, Sequence[Hook]] = {
    "moto.core.base_backend": [backends.same_every_time],
}
