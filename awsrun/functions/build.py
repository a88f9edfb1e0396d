"""Installs a function's requirements beside its code, in a thread of its own.

Wheels for the function's own platform are taken whatever this machine is
(https://docs.aws.amazon.com/lambda/latest/dg/python-package.html#python-package-native-libraries), so nothing is
compiled and no Docker is needed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from awsrun.aws.errors import AwsrunError
from awsrun.functions.archive import files, pack
from awsrun.functions.package import REQUIREMENTS, Package, Target

_TAIL = 12  # lines of pip's that are shown


class Build:
    """One package on its way to be kept on disk."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._error: BaseException | None = None
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"package {package}")

    def start(self) -> Build:
        """Begin; returns at once."""
        self._thread.start()
        return self

    @property
    def under_way(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    @property
    def said(self) -> str:
        """What is waited for; with the minutes, where it takes some."""
        minutes = int(time.monotonic() - self._since) // 60
        return f"pip to install {REQUIREMENTS}" + (f" ({minutes} min)" if minutes else "")

    def finish(self) -> None:
        """Wait until it is over.

        Raises:
            AwsrunError: pip failed; its last lines say why.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._build()
        except BaseException as error:
            self._error = error

    def _build(self) -> None:
        code, target = self._package.files, self._package.target
        assert code is not None and target is not None, "nothing is to be installed"
        with tempfile.TemporaryDirectory() as folder:
            wanted, site = Path(folder) / REQUIREMENTS, Path(folder) / "site"
            wanted.write_bytes(code[REQUIREMENTS].content)
            _install(wanted, site, target)
            self._package.keep(pack({**files(site), **code}))


def _install(wanted: Path, site: Path, target: Target) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    if target.platform:
        command += ["--platform", target.platform, "--python-version", target.python, "--implementation", "cp"]
        command += ["--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--target", str(site), "-r", str(wanted)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    site.mkdir(exist_ok=True)  # of a file without a requirement nothing is made
    if done.returncode:
        said = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-_TAIL:])
        raise AwsrunError(f"{REQUIREMENTS} of a function cannot be installed", said, _hint(done.stdout, target))


def _hint(said: str, target: Target) -> str:
    if "No module named pip" in said:
        return "give this Python pip: python -m ensurepip"
    if target.platform and "No matching distribution" in said:
        return f"it needs a wheel for Python {target.python} on {target.platform}; else use `image` or `built`"
    return "mend it and run the same apply again"
