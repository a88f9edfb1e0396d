"""Runs code on moto's modules right after they are imported: moto loads a service when it is first used, so must we.

This is how the clock and the patches get in without importing all of moto at the start.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

Hook = Callable[[ModuleType], None]


class MotoFinder(importlib.abc.MetaPathFinder):
    """Finds moto's modules as Python does, and lets hooks at them once they have run.

    Args:
        every: applied to each module of moto.
        patches: module name -> applied to that one, in order.
    """

    def __init__(self, every: Hook, patches: Mapping[str, Sequence[Hook]]) -> None:
        self._every, self._patches = every, patches

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("moto."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Hooked(spec.loader.name, spec.loader.path, self._after)
        return spec

    def _after(self, module: ModuleType) -> None:
        self._every(module)
        for hook in self._patches.get(module.__name__, ()):
            hook(module)

    def install(self) -> None:
        """Take effect, on what is imported already too."""
        sys.meta_path.insert(0, self)
        for name, module in list(sys.modules.items()):
            if name.startswith("moto."):
                self._after(module)


class _Hooked(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, after: Hook) -> None:
        super().__init__(fullname, path)
        self._after = after

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        self._after(module)
