"""Where awsrun keeps its few files on the user's machine (XDG; ``AWSRUN_HOME`` puts its folders below itself)."""

from __future__ import annotations

import os
from pathlib import Path


def config_dir() -> Path:
    """Settings: the current context."""
    return _folder("config", "XDG_CONFIG_HOME", ".config")


def data_dir() -> Path:
    """Data: the embedded cloud, exported runs."""
    return _folder("data", "XDG_DATA_HOME", ".local/share")


def cache_dir() -> Path:
    """What can be made again at any time."""
    return _folder("cache", "XDG_CACHE_HOME", ".cache")


def _folder(name: str, variable: str, default: str) -> Path:
    if home := os.environ.get("AWSRUN_HOME"):
        return Path(home).expanduser().absolute() / name
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / default) / "awsrun"
