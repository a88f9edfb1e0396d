"""What a worker puts into the run's bucket and reads from it.

Artifacts lie under ``RUN/n/attempt/``, made visible by the trial's commit, which names the attempt.  Checkpoints lie at
``RUN/ckpt/n/attempt``, the best ones at ``RUN/best/n/attempt``: one object for each attempt, so that a zombie can only
overwrite its own, and whoever takes over goes on from the greatest attempt before its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from awsrun.worker.job.files import below
from awsrun.worker.protocol.records import LARGEST_LIST, dump

_FOLDERS = {"last": "ckpt", "best": "best"}
_SINGLE = 8 << 20  # larger files go up in parts


def artifact_key(run: str, n: int, attempt: int, name: str = "") -> str:
    """The S3 key of an artifact, or the prefix of all of an attempt's."""
    return f"{run}/{n}/{attempt}/{name}"


def checkpoint_key(run: str, n: int, attempt: int | None = None, kind: str = "last") -> str:
    """The S3 key of an attempt's checkpoint, ``last`` or ``best``, or the prefix of all of a trial's."""
    return f"{run}/{_FOLDERS[kind]}/{n}/" + ("" if attempt is None else f"{attempt:06d}")


class Objects:
    """A run's objects.

    Args:
        client: boto3's S3 client.
    """

    def __init__(self, client: Any, bucket: str, run: str) -> None:
        self._client, self._bucket, self._run = client, bucket, run

    def read_range(self, key: str, first: int, last: int) -> bytes:
        """Bytes ``first`` to ``last``, inclusive, of an object."""
        answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes={first}-{last}")
        data: bytes = answer["Body"].read()
        return data

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
        self._client.download_file(self._bucket, checkpoint_key(self._run, n, max(found)), str(path))
        return path

    def drop_checkpoints(self, n: int, kept: Mapping[str, Mapping[str, Any]] = MappingProxyType({})) -> None:
        """Delete a trial's checkpoints: it has ended.

        Args:
            kept: kind -> ``attempt`` of those that stay.
        """
        for kind in _FOLDERS:
            for attempt in self._attempts(n, kind):
                if attempt != kept.get(kind, {}).get("attempt"):
                    self._client.delete_object(Bucket=self._bucket, Key=checkpoint_key(self._run, n, attempt, kind))

    def _attempts(self, n: int, kind: str = "last") -> list[int]:
        answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=checkpoint_key(self._run, n, kind=kind))
        return [int(entry["Key"].rsplit("/", 1)[1]) for entry in answer.get("Contents", [])]

    def _put(self, key: str, path: Path) -> None:
        if path.stat().st_size > _SINGLE:
            self._client.upload_file(str(path), self._bucket, key)
        else:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=path.read_bytes())
