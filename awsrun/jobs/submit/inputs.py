"""Inputs: a JSON, JSONL or CSV file with one set of parameters per trial, as JSONL and a byte index in S3.

The index lets a worker read line n with two small ranged reads (see awsrun.worker.protocol.space).
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit.signature import Signature
from awsrun.worker.protocol.records import LARGEST_PARAMS, dump
from awsrun.worker.protocol.space import OFFSET

_LONGEST = 2**31 - 1  # characters of a CSV field: without this the reader refuses those above 131,072


@dataclass(frozen=True)
class Inputs:
    """A checked inputs file, ready for S3.

    Attributes:
        count: lines.
        names: the parameters that every line sets.
        lines: the JSONL; ``index``: (count + 1) big-endian 64-bit offsets into it.
    """

    count: int
    names: tuple[str, ...]
    lines: bytes
    index: bytes


def load(path: Path, signature: Signature) -> Inputs:
    """Read and check an inputs file; its suffix says what it is.

    Raises:
        AwsrunError: no such file, not what its suffix says, no line, or a line that does not fit (with its number).
    """
    texts = path.suffix.lower() == ".csv"
    return _inputs(str(path), ((f"{path}:{number}", row) for number, row in _rows(path)), signature, texts)


def of_rows(rows: Iterable[Mapping[str, Any]], signature: Signature) -> Inputs:
    """Inputs that were never a file.

    Raises:
        AwsrunError: none, or a row that does not fit (with its number, from 0).
    """
    return _inputs("the list", ((f"inputs[{number}]", row) for number, row in enumerate(rows)), signature)


def _inputs(source: str, rows: Iterable[tuple[str, Any]], signature: Signature, texts: bool = False) -> Inputs:
    """Rows, each with its place, checked; ``texts``: they hold texts, each read by its parameter's type."""
    common: set[str] | None = None
    body, offsets = bytearray(), [0]
    for place, row in rows:
        checked = _check(place, row, signature, texts)
        common = set(checked) if common is None else common & set(checked)
        body += json.dumps(checked, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        offsets.append(len(body))
    if common is None:
        raise AwsrunError(f"{source} holds no inputs", "one line is one trial")
    index = b"".join(map(OFFSET.pack, offsets))
    return Inputs(len(offsets) - 1, tuple(name for name in signature.parameters if name in common), bytes(body), index)


def _check(place: str, row: Any, signature: Signature, texts: bool) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise AwsrunError(f"{place}: an input is an object of parameters", f"got {row!r:.80}")
    if not signature.batch and (size := len(dump(dict(row)))) > LARGEST_PARAMS:  # a block's are not kept
        why = f"it has {size:,}; they are kept with each trial's result"
        hint = "put what is long into a file in S3, and its name among the inputs"
        raise AwsrunError(f"{place}: an input holds up to {LARGEST_PARAMS:,} bytes", why, hint)
    try:
        return {
            name: signature.parameter(name).parse(value) if texts else signature.parameter(name).check(value)
            for name, value in row.items()
        }
    except AwsrunError as error:
        raise AwsrunError(f"{place}: {error.what}", error.why, error.hint) from error


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """(line or item number from 1, value)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, [p.name for p in path.absolute().parent.glob("*.*")], n=1)
        hint = f"did you mean {path.with_name(near[0])}?" if near else ""
        raise AwsrunError(f"cannot read inputs {path}", "there is no such file", hint) from None
    except (OSError, ValueError) as error:
        raise AwsrunError(f"cannot read inputs {path}", str(error)) from error
    match path.suffix.lower():
        case ".csv":
            csv.field_size_limit(_LONGEST)
            reader = csv.DictReader(io.StringIO(text), strict=True)
            try:
                for row in reader:
                    if None in row or None in row.values():
                        raise AwsrunError(
                            f"{path}:{reader.line_num}: the line has another number of fields than the header"
                        )
                    yield reader.line_num, row
            except csv.Error as error:
                raise AwsrunError(f"{path}:{reader.line_num}: {error}") from error
        case ".json":
            loaded = _json(path, 1, text)
            if not isinstance(loaded, list):
                raise AwsrunError(f"{path} is not a JSON list", "each item is one trial's parameters")
            yield from enumerate(loaded, 1)
        case ".jsonl" | ".ndjson":
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    yield number, _json(path, number, line)
        case other:
            raise AwsrunError(f"{path}: inputs are .json, .jsonl or .csv, not {other or 'a file without a suffix'}")


def _json(path: Path, line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise AwsrunError(f"{path}:{line + error.lineno - 1}: not JSON: {error.msg}") from error
