"""What ends a run early, from what a user types to what a run's record says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.reading.status import stops
from awsrun.jobs.site import Site
from awsrun.jobs.submit import submission
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.submit.request import Request, prepare
from awsrun.jobs.workers import price
from awsrun.worker.protocol.runs import Limits

JOB = "import awsrun\ndef train(trial, lr: float = 0.01): ...\nawsrun.main(train, metric='accuracy')\n"


def request(folder: Path, **limits: Any) -> Request:
    (folder / "job.py").write_text(JOB)
    return prepare(Experiment(job=folder / "job.py", **limits))


def test_what_was_asked_for_is_in_the_record_and_in_words(tmp_path: Path) -> None:
    limits = request(tmp_path, until={"accuracy": "0.99"}, max_time="1h30m", max_cost=2.5).limits
    assert (limits.until, limits.max_seconds, limits.max_cost, limits.bounded) == (0.99, 5400.0, 2.5, True)
    assert stops(limits, "accuracy") == "90 min has passed or $2.5 is spent or accuracy is 0.99 or better"
    assert stops(Limits(until=0.0), "loss") == "loss is 0 or better" and Limits(until=0.0).bounded
    assert stops(Limits(), "loss") == "" and not Limits().bounded


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"until": {"loss": "1"}}, "the job's metric is accuracy"),
        ({"until": {"accuracy": "high"}}, "until.accuracy: must be a number; this is 'high'"),
        ({"until": {"accuracy": "nan"}}, "until.accuracy: input should be a finite number"),
        ({"max_time": -1.0}, "max_time: must be at least 0"),
        ({"max_cost": -1.0}, "max_cost: must be at least 0"),
        ({"timeout": "soon"}, "timeout: 'soon' is no duration: write 90, 90s, 30m, 2h or 1h30m"),
    ],
)
def test_what_cannot_end_a_run_is_refused(tmp_path: Path, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(AwsrunError) as refused:
        request(tmp_path, **asked)
    assert says in f"{refused.value.what} {refused.value.why}"


def test_a_cost_needs_a_price_before_anything_is_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price, "hourly", lambda cloud, jobs, workers: None)
    aws: Any = SimpleNamespace(context=SimpleNamespace(name="aws"))
    nowhere: Any = None
    site = Site("mnist", nowhere, aws, {})
    asked = request(tmp_path, max_cost=1.0)
    assert submission._price(asked, aws, 0.25) == 0.25
    with pytest.raises(AwsrunError, match="cannot be kept"):
        submission.submit(asked, site)
    assert submission._price(request(tmp_path), aws, None) == 0.0, "without a limit nobody needs it"
