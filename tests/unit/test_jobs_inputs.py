"""Inputs files become JSONL with a byte index; a bad line is refused with its number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit import inputs, signature
from awsrun.worker.protocol import space

JOB = "def ask(trial, context: str, question: str, k: int = 1): ..."


@pytest.fixture
def job(tmp_path: Path) -> signature.Signature:
    (tmp_path / "job.py").write_text(JOB)
    return signature.read(tmp_path / "job.py")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.json", '[{"context": "a, b", "question": "é?", "k": 2}, {"context": "c\\nd", "question": "e"}]'),
        ("in.jsonl", '{"context": "a, b", "question": "é?", "k": 2}\n\n{"context": "c\\nd", "question": "e"}\n'),
        ("in.csv", '\ufeffcontext,question,k\n"a, b",é?,2\n"c\nd",e,1\n'),
    ],
)
def test_every_format_reads_back_by_range(tmp_path: Path, job: signature.Signature, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = inputs.load(tmp_path / name, job)
    assert found.count == 2
    assert set(found.names) >= {"context", "question"}
    files = {"lines": found.lines, "index": found.index}
    space_ = {"search": "inputs", "inputs": {"key": "lines", "index": "index"}, "total": 2}
    read = [space.params(space_, 0, n, lambda key, first, last: files[key][first : last + 1]) for n in (0, 1)]
    assert read[0] == {"context": "a, b", "question": "é?", "k": 2}
    assert (read[1]["context"], read[1]["question"]) == ("c\nd", "e")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "in.jsonl",
            '{"context": "a", "question": "b"}\n{"contxt": "a"}\n',
            "in.jsonl:2: job.py has no parameter 'contxt'",
        ),
        ("in.jsonl", '{"context": 3}\n', "in.jsonl:1: context=3"),
        ("in.jsonl", json.dumps({"context": "a" * 200_000}), "in.jsonl:1: an input holds up to 200,000 bytes"),
        ("in.jsonl", "\n{oops}\n", "in.jsonl:2: not JSON"),
        ("in.jsonl", "[1]\n", "in.jsonl:1: an input is an object"),
        ("in.jsonl", "\n", "holds no inputs"),
        ("in.json", '{"context": "a"}', "is not a JSON list"),
        ("in.json", '[\n{"context": "a"},\n', "in.json:3: not JSON"),
        ("in.csv", "context,k\na,b\n", "in.csv:2: k=b: 'b' is not an int"),
        ("in.csv", "context,k\na\n", "in.csv:2: the line has another number of fields"),
        ("in.txt", "a", "not .txt"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, job: signature.Signature, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(AwsrunError) as caught:
        inputs.load(tmp_path / name, job)
    assert says in caught.value.what


def test_a_missing_file_is_refused(tmp_path: Path, job: signature.Signature) -> None:
    with pytest.raises(AwsrunError, match="cannot read inputs"):
        inputs.load(tmp_path / "none.csv", job)


def test_only_what_every_line_gives_counts_as_given(tmp_path: Path, job: signature.Signature) -> None:
    rows = [{"context": "a", "question": "b"}, {"context": "a"}]
    (tmp_path / "in.json").write_text(json.dumps(rows))
    assert inputs.load(tmp_path / "in.json", job).names == ("context",)
