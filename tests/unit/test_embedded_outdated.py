"""Whether the embedded cloud that runs is of the version of awsrun that asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from awsrun import __version__
from awsrun.aws import embedded

LATER = 32503680000.0  # the year 3000: after whatever was written to the code last


@pytest.mark.parametrize(
    ("version", "started", "told"),
    [
        (__version__, LATER, ""),
        ("0.0.9", LATER, f"is of awsrun 0.0.9, this is {__version__}"),
        (__version__, 1.0, "was started before its code was changed"),
    ],
)
def test_a_server_of_another_version_or_of_older_code_is_told(
    version: str, started: float, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWSRUN_HOME", str(tmp_path))
    assert embedded.outdated() == "", "none has run"
    written = tmp_path / "data" / "local" / "server.json"
    written.parent.mkdir(parents=True)
    written.write_text(json.dumps({"version": version, "started": started}))
    assert embedded.outdated().endswith(told) and bool(embedded.outdated()) == bool(told)
