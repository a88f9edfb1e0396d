"""``awsrun.load_states``: what a trial kept, from the file of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from awsrun.worker.job import checkpoint


def load_states(path: str | Path) -> dict[str, Any]:
    """The states in a checkpoint by the names that ``trial.keep`` was given, and ``saved``, what ``trial.save`` was.

    Tensors are on the CPU.  Nothing of the file is run: it holds plain values, arrays and tensors, and no pickled
    objects.

    Args:
        path: as ``awsrun fetch`` writes it.

    Raises:
        ValueError: the file is no checkpoint.

    Example:
        >>> model.load_state_dict(awsrun.load_states("awsrun-best.ckpt")["model"])
    """
    found = checkpoint.read(Path(path))
    saved = {"saved": found["saved"]} if found.get("saved") is not None else {}
    return {**found.get("kept", {}), **saved}
