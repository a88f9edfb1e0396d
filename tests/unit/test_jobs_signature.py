"""A job's parameters are read from its syntax tree; what does not fit is refused with what would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit import signature

JOB = """
from typing import Literal, Optional
import awsrun
import a_library_that_this_laptop_does_not_have

def helper(trial, x): ...

def train(trial, lr: float = 0.01, layers: int = 2, fast: bool = False, name: str = "a",
          opt: Literal["sgd", "adam"] = "sgd", decay: Optional[float] = None, clip: "float | None" = None,
          guessed=0.5, *, rounds: int = 3):
    return {"accuracy": 1.0}

if __name__ == "__main__":
    awsrun.main(train, metric="accuracy", mode="max")
"""


def job(tmp_path: Path, text: str = JOB) -> signature.Signature:
    path = tmp_path / "job.py"
    path.write_text(text)
    return signature.read(path)


def test_a_job_is_read_without_importing_it(tmp_path: Path) -> None:
    found = job(tmp_path)
    assert (found.entry, found.metric, found.mode) == ("train", "accuracy", "max")
    assert {name: p.described for name, p in found.parameters.items()} == {
        "lr": "float",
        "layers": "int",
        "fast": "bool",
        "name": "str",
        "opt": "'sgd' or 'adam'",
        "decay": "float or none",
        "clip": "float or none",
        "guessed": "float",
        "rounds": "int",
    }
    assert found.parameters["lr"].default == 0.01


@pytest.mark.parametrize(
    ("text", "entry", "metric", "mode"),
    [
        ("from awsrun import main as go\ndef f(t, x: int): ...\ngo(f, metric='loss', mode='min')", "f", "loss", "min"),
        ("import awsrun as ar\ndef f(t): ...\nar.main(fn=f)", "f", None, "max"),
        ("def f(trial, x=1): ...\ndef other(x): ...\ndef _private(trial): ...", "f", None, "max"),
    ],
)
def test_the_entry_function_is_found(tmp_path: Path, text: str, entry: str, metric: str | None, mode: str) -> None:
    found = job(tmp_path, text)
    assert (found.entry, found.metric, found.mode) == (entry, metric, mode)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def train(trial:\n", "job.py:1: syntax error"),
        ("x = 1\n\ndef f(:\n", "job.py:3: syntax error"),
        ("print('hello')", "has no entry function"),
        ("def f(x): ...", "has no entry function"),
        ("def a(trial): ...\ndef b(trial): ...", "more than one entry function"),
        ("import awsrun\nawsrun.main(missing)", "job.py:2: awsrun.main() needs a function of this file"),
        ("import awsrun\ndef f(): ...\nawsrun.main(f)", "job.py:2: f() takes no trial"),
        ("import awsrun\ndef f(t): ...\nawsrun.main(f, metric=M)", "job.py:3: metric and mode"),
        ("import awsrun\ndef f(t): ...\nawsrun.main(f, mode='best')", "'best' is no mode"),
    ],
)
def test_a_file_that_is_no_job_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(AwsrunError) as caught:
        job(tmp_path, text)
    assert says in caught.value.what


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "mnist.py").write_text("")
    with pytest.raises(AwsrunError) as caught:
        signature.read(tmp_path / "minst.py")
    assert "no job file" in caught.value.what
    assert "mnist.py" in caught.value.hint
    with pytest.raises(AwsrunError, match="is a folder, no job"):
        signature.read(tmp_path)


def test_an_unknown_parameter_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(AwsrunError) as caught:
        job(tmp_path).parameter("layer")
    assert "no parameter 'layer'" in caught.value.what
    assert "'layers'" in caught.value.hint


def test_open_ended_functions_take_any_name(tmp_path: Path) -> None:
    assert job(tmp_path, "def f(trial, **kwargs): ...").parameter("anything").parse("0.5") == 0.5


def test_required_parameters_are_asked_for(tmp_path: Path) -> None:
    found = job(tmp_path, "def f(trial, lr: float, momentum: float, epochs=3): ...")
    found.require(["lr", "momentum"])
    with pytest.raises(AwsrunError, match="needs a value for momentum"):
        found.require(["lr"])


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lr", "1e-3", 0.001),
        ("lr", "1", 1.0),
        ("layers", "3", 3),
        ("fast", "true", True),
        ("fast", "0", False),
        ("name", "1", "1"),
        ("opt", "adam", "adam"),
        ("decay", "none", None),
        ("decay", "0.5", 0.5),
    ],
)
def test_texts_become_values_of_the_declared_type(tmp_path: Path, name: str, text: str, value: Any) -> None:
    parsed = job(tmp_path).parameter(name).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("lr", "fast", "lr=fast: 'fast' is not a float"),
        ("lr", "nan", "not a finite number"),
        ("lr", "inf", "not a finite number"),
        ("layers", "2.5", "layers=2.5: '2.5' is not an int"),
        ("fast", "maybe", "fast=maybe: 'maybe' is not a bool"),
        ("opt", "adamw", "opt=adamw: 'adamw' is not one of 'sgd' or 'adam'"),
        ("lr", "none", "is not a float"),
    ],
)
def test_a_text_of_the_wrong_type_is_refused(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(AwsrunError) as caught:
        job(tmp_path).parameter(name).parse(text)
    assert says in caught.value.what


@pytest.mark.parametrize(
    ("name", "value"), [("layers", True), ("layers", 2.0), ("lr", "0.1"), ("fast", 1), ("name", 3)]
)
def test_a_python_value_of_the_wrong_type_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(AwsrunError, match="is not a"):
        job(tmp_path).parameter(name).check(value)


def test_a_type_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(AwsrunError, match=r"list\[int\] cannot be set"):
        job(tmp_path, "def f(trial, sizes: list[int] = ()): ...").parameter("sizes").parse("1")


def test_a_metric_that_the_job_does_not_have_is_doubted_before_hours_of_computing(tmp_path: Path) -> None:
    plain = "import awsrun\ndef f(trial):\n    trial.report(loss=1)\n    return {'seconds': 2}\n"
    found = job(tmp_path, plain + "awsrun.main(f, metric='loss', mode='min')")
    assert not list(found.doubts())
    assert not list(found.after({"seconds": "min"}).doubts())
    assert list(found.after({"los": "min"}).doubts()) == [
        "job.py neither reports nor returns anything called 'los'; did you mean 'loss'?"
    ]
    assert list(found.after({"loss": "max"}).doubts()) == [
        "job.py itself says that less loss is better: --metric loss:min"
    ]
    other = job(tmp_path, plain + "awsrun.main(f, metric='accuracy')")
    assert list(other.doubts()) == [
        "job.py neither reports nor returns anything called 'accuracy', unless what it imports does"
    ]
