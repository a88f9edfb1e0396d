"""Runs in a notebook: what they show, and that markup in values is text."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from jobs_runs import a_run, store_with, trials_of

from awsrun.jobs import run as runs
from awsrun.jobs.reading.reader import Reader
from awsrun.jobs.site import Site
from awsrun.worker.protocol.dynamodb import DynamoTable
from awsrun.worker.protocol.store import RunStore

EVIL = "<script>alert(1)</script>"
SPACE = {"search": "grid", "axes": {"lr": [0.1, 0.2], "opt": [EVIL, "b", "c", "d", "e", "f"]}, "set": {}, "total": 12}


class Tags(HTMLParser):
    """The elements of a piece of HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def a_shown_run(name: str = "job-1123-1432-k3f", **changes: Any) -> runs.Run:
    record = a_run(SPACE, run=name, job=f"{EVIL}.py", provenance={"context": "local"}, **changes)
    trials = trials_of(record, lambda p: p["lr"])
    error = {"type": "ValueError", "message": EVIL}
    trials[3] = replace(trials[3], state="failed", value=None, error=error)
    found = runs.Run.__new__(runs.Run)
    found._open(Site("s", store_with(record, trials)), name)
    return found


def test_a_run_shows_its_state_its_best_trials_and_markup_as_text() -> None:
    html = a_shown_run()._repr_html_()
    assert html is not None
    shown = Tags(html)
    assert "script" not in shown.tags
    assert shown.tags.count("tr") == 1 + 10
    assert EVIL in shown.text
    assert "11 done, 1 failed" in shown.text
    assert "and 2 more: " in shown.text
    assert "20.0 %" in shown.text


def test_a_comparison_and_the_frame_show_markup_as_text() -> None:
    one, other = a_shown_run(), a_shown_run("other", seed=7)
    shown = Tags(one.compare(other)._repr_html_())
    assert "script" not in shown.tags
    assert "seed\n0\n7" in shown.text
    pytest.importorskip("pandas")
    assert "script" not in Tags(one.frame()._repr_html_()).tags


def test_without_an_answer_the_plain_text_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = a_shown_run()

    def gone(run: str = "", **_: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    found._reader = SimpleNamespace(run=lambda: gone(""))  # type: ignore[assignment]
    assert found._repr_html_() is None
    silent: Any = SimpleNamespace(get_item=gone, query=gone)
    found._reader = Reader(RunStore(DynamoTable(silent, "t")), "r")
    assert found._repr_html_() is None
    assert repr(found) == "Run('job-1123-1432-k3f')"
