"""What a worker puts into the run's bucket and reads from it.

Artifacts lie under ``RUN/n/attempt/``, made visible by the trial's commit, which names the attempt.  Checkpoints lie at
``RUN/ckpt/n/attempt``, the best ones at ``RUN/best/n/attempt``: one object for each attempt, so that a zombie can only
overwrite its own, and whoever takes over goes on from the greatest attempt before its own.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from awsrun.worker.job.files import below
from awsrun.worker.protocol.records import LARGEST_LIST, dump
from awsrun.worker.protocol.silence import silent
from awsrun.worker.protocol.table import Unanswered

_FOLDERS = {"last": "ckpt", "best": "best"}
_SINGLE = 8 << 20  # larger files go up in parts
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 30.0)
"""Seconds between repeats of what S3 does not answer: two minutes and a little more in all."""
HURRY = 3.0
"""Seconds for which anything is repeated once the worker was told to go: in 30 s it may be killed, and before that it
must have given its trial back (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html,
``stopTimeout``)."""
_Answer = TypeVar("_Answer")


class BucketSilent(Unanswered):
    """S3 does not answer."""


def clients() -> tuple[Any, Any]:
    """Two of boto3's S3 clients: one that gives a stuck call up after seconds and leaves repeats to `Objects`, and one
    for files in parts, which repeats each part by itself."""
    import boto3
    from botocore.config import Config

    session = boto3.Session()
    hasty = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})
    parts = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
    return session.client("s3", config=hasty), session.client("s3", config=parts)


def artifact_key(run: str, n: int, attempt: int, name: str = "") -> str:
    """The S3 key of an artifact, or the prefix of all of an attempt's."""
    return f"{run}/{n}/{attempt}/{name}"


def checkpoint_key(run: str, n: int, attempt: int | None = None, kind: str = "last") -> str:
    """The S3 key of an attempt's checkpoint, ``last`` or ``best``, or the prefix of all of a trial's."""
    return f"{run}/{_FOLDERS[kind]}/{n}/" + ("" if attempt is None else f"{attempt:06d}")


class Objects:
    """A run's objects.  Safe to use from several threads.

    Every call may raise `BucketSilent`, after some minutes.

    Args:
        client: boto3's S3 client.
        parts: another one, for large files.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self, client: Any, bucket: str, run: str, parts: Any = None,
        pauses: Sequence[float] = PAUSES, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._client, self._bucket, self._run, self._parts = client, bucket, run, parts or client
        self._pauses, self._clock = pauses, clock
        self._hurried, self._until = threading.Event(), math.inf

    def hurry(self, seconds: float = HURRY) -> None:
        """Repeat calls that are not answered for so many seconds from now, no longer: the worker is told to go."""
        self._until = min(self._until, self._clock() + seconds)
        self._hurried.set()

    def read_range(self, key: str, first: int, last: int) -> bytes:
        """Bytes ``first`` to ``last``, inclusive, of an object."""

        def read() -> bytes:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes={first}-{last}")
            data: bytes = answer["Body"].read()
            return data

        return self._answered(read)

    def put_artifacts(self, n: int, attempt: int, folder: Path) -> dict[str, int]:
        """Upload everything below ``folder``; name -> bytes.  Links are not followed.

        Raises:
            ValueError: there are too many to be listed in a trial's record; none was uploaded.
        """
        files = dict(below(folder))
        sizes = {name: path.stat().st_size for name, path in files.items()}
        if len(dump(sizes)) > LARGEST_LIST:
            raise ValueError(f"there are too many of them ({len(sizes):,}): pack them into one")
        for name, path in files.items():
            self._put(artifact_key(self._run, n, attempt, name), path)
        return sizes

    def put_checkpoint(self, n: int, attempt: int, path: Path, kind: str = "last") -> None:
        """Replace the attempt's checkpoint: one object, so it is there whole or not at all."""
        self._put(checkpoint_key(self._run, n, attempt, kind), path)

    def get_checkpoint(self, n: int, since: int, before: int, folder: Path) -> Path | None:
        """The newest checkpoint of the attempts ``since`` <= a < ``before``, downloaded; None if there is none."""
        found = [a for a in self._attempts(n) if since <= a < before]
        if not found:
            return None
        path = folder / f"restored-{max(found)}"
        key = checkpoint_key(self._run, n, max(found))
        self._answered(lambda: self._parts.download_file(self._bucket, key, str(path)))
        return path

    def drop_checkpoints(self, n: int, kept: Mapping[str, Mapping[str, Any]] = MappingProxyType({})) -> None:
        """Delete a trial's checkpoints: it has ended.

        Args:
            kept: kind -> ``attempt`` of those that stay.
        """
        for kind in _FOLDERS:
            for attempt in self._attempts(n, kind):
                if attempt != kept.get(kind, {}).get("attempt"):
                    key = checkpoint_key(self._run, n, attempt, kind)
                    self._answered(lambda key=key: self._client.delete_object(Bucket=self._bucket, Key=key))  # type: ignore[misc]

    def _attempts(self, n: int, kind: str = "last") -> list[int]:
        prefix = checkpoint_key(self._run, n, kind=kind)
        answer = self._answered(lambda: self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix))
        return [int(entry["Key"].rsplit("/", 1)[1]) for entry in answer.get("Contents", [])]

    def _put(self, key: str, path: Path) -> None:
        if path.stat().st_size > _SINGLE:
            self._answered(lambda: self._parts.upload_file(str(path), self._bucket, key))
        else:
            self._answered(lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=path.read_bytes()))

    def _answered(self, call: Callable[[], _Answer]) -> _Answer:
        """Make a call until it is answered.  Each may be made twice: it reads, replaces or deletes one object."""
        for pause in (*self._pauses, None):
            try:
                return call()
            except Exception as error:
                if not silent(error):
                    raise
                if pause is None or self._clock() + pause > self._until:
                    raise BucketSilent(f"S3: {error}") from error
                self._hurried.wait(pause) if not self._hurried.is_set() else time.sleep(pause)
        raise AssertionError("unreachable")
