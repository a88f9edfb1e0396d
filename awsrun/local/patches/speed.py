"""What moto looks up anew for every call and never changes is looked up once."""

from __future__ import annotations

import functools
from types import ModuleType


def method_names_once(module: ModuleType) -> None:
    """Patch ``moto.core.responses``: a response class's method names by inspection, 0.3 ms a call."""
    module.__dict__["method_names_from_class"] = functools.cache(module.__dict__["method_names_from_class"])
