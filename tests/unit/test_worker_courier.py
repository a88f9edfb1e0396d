"""A busy table holds a worker up, and does not end it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jobs_runs import a_run

from awsrun.worker.courier import PATIENCE, Courier
from awsrun.worker.table import Unanswered


def test_a_claim_that_is_not_answered_is_made_again_for_some_minutes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now, slept, nothing = [0.0], list[float](), None
    no_store: Any = nothing
    courier = Courier(
        no_store, no_store, a_run(), no_store, lambda: None, tmp_path, clock=lambda: now[0], sleep=slept.append
    )

    def claim(how: Callable[[], None], at: float) -> object:
        now[0] = at
        return courier.claim(how).result(timeout=10)

    def busy() -> None:
        raise Unanswered("query: ThrottlingException")

    assert claim(busy, 5) is None and claim(busy, PATIENCE) is None, "the worker looks again"
    assert "the table does not answer (query: ThrottlingException)" in capsys.readouterr().out
    assert claim(lambda: None, PATIENCE + 3) is None and claim(busy, PATIENCE + 20) is None, "an answer starts it anew"
    with pytest.raises(Unanswered):
        claim(busy, 2 * PATIENCE + 21)
    assert slept == [1.0, 1.0, 1.0]
    courier.close()
