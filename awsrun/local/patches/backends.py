"""Backends are made the same every time.

moto makes a region's backend when it is first asked for, be it by a describe call, and fills EC2's with a default VPC
under random ids.  A read is not in the journal, so those ids must not depend on when it came.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from awsrun.local.clock import moment

_DAWN = 1_700_000_000.0  # POSIX seconds: when everything that AWS has by default was made


def same_every_time(module: ModuleType) -> None:
    """Patch ``moto.core.base_backend``."""
    original = module.AccountSpecificBackend.__getitem__

    def getitem(self: Any, region_name: str) -> Any:
        region = "aws" if region_name == "global" else region_name
        if region in self.keys():
            return dict.__getitem__(self, region)
        with moment(_DAWN, f"{self.service_name}/{self.account_id}/{region}"):
            return original(self, region_name)

    module.AccountSpecificBackend.__getitem__ = getitem
