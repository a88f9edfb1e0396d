"""A checkpoint file: nested plain values, arrays and tensors, without pickle of anybody's objects.

The file is a zip with ``tree.json`` (the nested values; arrays and tensors are numbered), ``arrays.npz`` (numpy, loaded
with ``allow_pickle=False``) and ``tensors.pt`` (torch's weights-only format, loaded onto the CPU); below ``files/`` lie
the files that the trial has left so far.  It is written aside and moved into place, so that one that is there is whole.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import sys
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from awsrun.worker.job.files import below

FILES = "files/"
MOST_FILES, MOST_BYTES = 5000, 64 << 20
"""More are not taken along: a checkpoint is written every half minute."""


def write(path: Path, state: Any, folder: Path | None = None) -> str:
    """Write ``state`` to ``path``, with the files below ``folder``; why those are not in it, or ``""``.

    Raises:
        TypeError: it holds something else than None, bool, int, float, complex-free numbers, str, bytes, lists, tuples,
            sets, dictionaries, numpy arrays and torch tensors; the message says where.
    """
    arrays: dict[str, Any] = {}
    tensors: dict[str, Any] = {}
    tree = _encode(state, "state", arrays, tensors)
    fresh = path.with_suffix(".part")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("tree.json", json.dumps(tree))
        if arrays:
            import numpy

            with archive.open("arrays.npz", "w", force_zip64=True) as file:
                numpy.savez(file, **arrays)
        if tensors:
            import torch

            with archive.open("tensors.pt", "w", force_zip64=True) as file:
                torch.save(tensors, file)
        without = _pack(archive, folder) if folder else ""
    fresh.replace(path)
    return without


def unpack(path: Path, folder: Path) -> None:
    """Put the files that lie in a checkpoint below ``folder``; never elsewhere, whatever their names."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            target = folder / name.removeprefix(FILES)
            if name.startswith(FILES) and target.resolve().is_relative_to(folder.resolve()):
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as kept, target.open("wb") as file:
                    shutil.copyfileobj(kept, file)


def _pack(archive: zipfile.ZipFile, folder: Path) -> str:
    """Only what can be packed: a thread of the job may add to files meanwhile, or take them away."""
    found, size = [], 0
    for name, path in below(folder):
        with suppress(OSError, UnicodeEncodeError):
            size += path.stat().st_size
            found.append((path, FILES + name.encode().decode()))
    if len(found) > MOST_FILES or size > MOST_BYTES:
        return f"{len(found):,} files of {size / 1e6:,.0f} MB"
    for path, name in found:
        with suppress(FileNotFoundError):
            about = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            with path.open("rb") as file, archive.open(about, "w") as kept:
                left = about.file_size  # no more, however it grows
                while piece := file.read(min(left, 1 << 20)):
                    kept.write(piece)
                    left -= len(piece)
    return ""


def read(path: Path) -> Any:
    """What :func:`write` wrote; tensors on the CPU.

    Raises:
        ValueError: the file is not a checkpoint.
    """
    arrays: Mapping[str, Any] = {}
    tensors: Mapping[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            tree = json.loads(archive.read("tree.json"))
            if "arrays.npz" in names:
                import numpy

                arrays = dict(numpy.load(io.BytesIO(archive.read("arrays.npz")), allow_pickle=False))
            if "tensors.pt" in names:
                import torch

                blob = io.BytesIO(archive.read("tensors.pt"))
                tensors = torch.load(blob, weights_only=True, map_location="cpu")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{path} is not a checkpoint: {error}") from error
    return _decode(tree, arrays, tensors)


def _encode(value: Any, where: str, arrays: dict[str, Any], tensors: dict[str, Any]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, bytes):
        return {"b": base64.b64encode(value).decode()}
    for kind, sort in (("l", list), ("t", tuple), ("s", (set, frozenset))):
        if isinstance(value, sort):
            return {kind: [_encode(item, f"{where}[{i}]", arrays, tensors) for i, item in enumerate(value)]}
    if isinstance(value, Mapping):
        pairs = [
            [_encode(key, f"{where} key", arrays, tensors), _encode(item, f"{where}[{key!r}]", arrays, tensors)]
            for key, item in value.items()
        ]
        return {"d": pairs}
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, torch.Tensor):
        tensors[str(len(tensors))] = value.detach()
        return {"T": str(len(tensors) - 1)}
    if numpy is not None and isinstance(value, numpy.ndarray) and value.dtype.kind != "O":
        arrays[str(len(arrays))] = value
        return {"A": str(len(arrays) - 1)}
    if numpy is not None and isinstance(value, numpy.generic):
        return _encode(value.item(), where, arrays, tensors)
    raise TypeError(f"cannot checkpoint {where}: a {type(value).__module__}.{type(value).__qualname__}")


def _decode(tree: Any, arrays: Mapping[str, Any], tensors: Mapping[str, Any]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "b":
        return base64.b64decode(value)
    if kind in ("A", "T"):
        return (arrays if kind == "A" else tensors)[value]
    if kind == "d":
        return {_decode(key, arrays, tensors): _decode(item, arrays, tensors) for key, item in value}
    sorts: dict[str, type] = {"l": list, "t": tuple, "s": set}
    return sorts[kind](_decode(item, arrays, tensors) for item in value)
