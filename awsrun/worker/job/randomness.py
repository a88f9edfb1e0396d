"""The randomness of a trial: seeded once, carried along by its checkpoints.

Only modules that are loaded are touched.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from typing import Any


def seed(value: int) -> None:
    """Seed random, numpy and torch with a number in [0, 2**32)."""
    random.seed(value)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(value)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(value)


def state() -> dict[str, Any]:
    """Where the generators are, so that a trial that goes on elsewhere draws the same numbers."""
    found: dict[str, Any] = {"random": random.getstate()}
    if numpy := sys.modules.get("numpy"):
        found["numpy"] = numpy.random.get_state()
    if torch := sys.modules.get("torch"):
        found["torch"] = torch.get_rng_state()
        if torch.cuda.is_initialized():
            found["cuda"] = torch.cuda.get_rng_state_all()
    return found


def restore(found: Mapping[str, Any]) -> None:
    """Put the generators back; those of GPUs only where there are as many as there were."""
    random.setstate(found["random"])
    if (numpy := sys.modules.get("numpy")) and "numpy" in found:
        numpy.random.set_state(found["numpy"])
    if (torch := sys.modules.get("torch")) and "torch" in found:
        torch.set_rng_state(found["torch"])
        if torch.cuda.is_available() and len(found.get("cuda", ())) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(found["cuda"])
