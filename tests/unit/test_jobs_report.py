"""A run as a page: in a real browser, with values that would like to be more than text, and with very many trials."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from jobs_runs import a_run, store_with, trials_of

from awsrun.jobs.reading.costs import costs
from awsrun.jobs.reading.reader import Reader
from awsrun.jobs.reading.status import derive
from awsrun.jobs.report.data import MOST_TRIALS, Material, data, failed
from awsrun.jobs.report.page import embedded, page
from awsrun.jobs.views import importance
from awsrun.jobs.workers.batch import Stages
from awsrun.worker.protocol.records import Report, TrialRecord, Worker
from awsrun.worker.protocol.runs import Run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AT = 1_795_444_320_000  # ms, the submit
EVIL = "</script><script>document.title='run'</script><img src=x onerror=document.title='run'>"
SPACE: dict[str, Any] = {
    "search": "random",
    "axes": {"opt": ["sgd", EVIL], "depth": [1, 2]},
    "ranges": {"lr": {"low": 1e-4, "high": 0.1, "log": True}},
    "set": {"note": EVIL},
    "total": 120,
}
AWS = {
    "context": "aws", "hourly": 0.6, "commit": "c" * 40, "dirty": [f"{EVIL}.py"], "command": f"awsrun submit {EVIL}"
}  # fmt: skip


def quality(params: dict[str, Any]) -> float:
    return 0.95 - float((math.log10(params["lr"]) + 2) ** 2) / 10


def material(space: dict[str, Any] = SPACE, **changes: Any) -> Material:
    """A run that is over, with a few failed trials whose errors and log lines are markup."""
    run: Run = a_run(space, state="done", ended_ms=AT + 9_000_000, provenance=AWS, job=f"{EVIL}.py", **changes)
    trials: list[TrialRecord] = []
    for trial in trials_of(run, quality):
        at = AT + 60_000 * trial.n
        result = {run.metric: trial.value, "size": trial.n * 2, "word": EVIL}
        trials.append(replace(trial, started_ms=at, ended_ms=at + 50_000, result=result))
    error = {"type": "ValueError", "message": EVIL, "file": "job.py", "line": 3, "traceback": f"Traceback\n{EVIL}"}
    for n in (5, 7):
        trials[n] = replace(trials[n], state="failed", value=None, result=None, error=error)
    reader = Reader(store_with(replace(run, state="running"), trials), run.run)
    status = derive(run, reader.tally(run), Stages(), AT / 1000 + 9000, AT / 1000)
    best = sorted((t for t in trials if t.state == "done"), key=lambda t: -(t.value or 0))[:3]
    curves = [(t, [Report(t.n, 1, i, {run.metric: 0.1 * i}) for i in range(9)]) for t in best]
    spent = costs(run, [Worker(0, 1000, beat=239, dead=True)], AT, trials)
    logs = {t.n: ["epoch 1", EVIL] for t in failed(trials)}
    return Material(run, "s", status, spent, trials, curves, logs, diff=f"--- a\n+{EVIL}\n")


def made(found: Material) -> dict[str, Any]:
    return data(found, datetime(2026, 11, 23, 18, 0, tzinfo=timezone.utc))


def test_what_users_wrote_cannot_end_the_data() -> None:
    text = embedded({"x": EVIL})
    assert "<" not in text
    assert json.loads(text) == {"x": EVIL}
    assert page(made(material())).count("</script>") == 2, "the data's and the script's own"


def test_nothing_is_asked_for_from_elsewhere() -> None:
    text = page(made(material()))
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", text)
    assert "@import" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]


def test_the_data_has_costs_history_and_cells() -> None:
    found = made(material())
    facts = dict(found["facts"])
    assert (facts["cost"], facts["per trial"]) == ("$0.60 by list price", "$0.0050")
    assert re.fullmatch(r"\$[\d.]+ per % of validation accuracy over the median trial", facts["per point"])
    assert [point[1] for point in found["history"]] == list(range(1, 119))
    assert found["history"][-1][4] == max(point[3] for point in found["history"])
    heat = found["heats"][0]
    assert (heat["rows"]["name"], heat["columns"]["name"], heat["others"]) == ("opt", "depth", ["learning rate"])
    headings = [name for name, _ in found["table"]["columns"]]
    assert headings == [
        "trial", "opt", "depth", "learning rate", "validation accuracy", "size", "word", "state", "attempt", "time",
        "cost", "error",
    ]  # fmt: skip
    assert found["table"]["rows"][0][4] == max(row[4] or 0 for row in found["table"]["rows"])


def test_a_running_run_without_a_finished_trial_and_one_without_a_metric_have_a_page() -> None:
    empty = replace(material(), trials=[], curves=[], logs={})
    assert made(empty)["table"]["rows"] == []
    plain = material(metric="")
    shown = made(replace(plain, curves=[]))
    assert (shown["heats"], shown["history"], shown["best"]) == ([], [], [])
    page(made(replace(plain, curves=[])))


def test_of_several_metrics_the_front_comes_first(browser: Any, tmp_path: Path) -> None:
    found = material(objectives={"val_accuracy": "max", "size": "max"})
    shown = made(found)
    front = [row for row in shown["goals"]["points"] if row[3]]
    assert sorted(point[0] for point in front) == sorted(shown["best"])
    assert max(t.n for t in found.trials if t.state == "done") in shown["best"], "it has the greatest size"
    assert [row[0] for row in shown["table"]["rows"][: len(front)]] == shown["best"]
    tab = opened(browser, tmp_path / "r.html", page(shown))
    assert tab.locator("#goals circle").count() == len(front) == tab.locator("#trials tr.best").count() > 1
    assert tab.wrong == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


def opened(browser: Any, path: Path, text: str, **options: Any) -> Any:
    """The page from a file, without a network; whatever goes wrong in it fails the test."""
    path.write_text(text, "utf-8")
    tab = browser.new_page(offline=True, **options)
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith("file:") else None)
    tab.goto(path.as_uri())
    tab.set_default_timeout(20_000)
    tab.wrong = wrong
    return tab


def test_in_a_browser_it_sorts_searches_and_shows_markup_as_text(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    tab = opened(browser, tmp_path / "r.html", page(made(material())))
    rows, count = tab.locator("#trials tbody tr"), tab.locator("#trials .count")
    first = lambda: rows.first.locator("td").all_inner_texts()  # noqa: E731
    assert count.inner_text() == "120 of 120 trials"
    assert rows.count() == 50
    assert "best" in (rows.first.get_attribute("class") or "")
    header = tab.get_by_role("button", name="learning rate", exact=True)
    header.click()
    low = float(first()[3])
    header.click()
    assert float(first()[3]) > 0.05 > 0.001 > low
    assert tab.locator("th[aria-sort=descending]").inner_text() == "learning rate"
    tab.get_by_role("button", name="error", exact=True).click()
    assert first()[11] == f"ValueError: {EVIL} (job.py:3)"
    tab.get_by_role("button", name="next").click()
    tab.get_by_role("button", name="next").click()
    assert rows.count() == 20
    tab.locator("#trials input").fill("valueerror")
    assert count.inner_text() == "2 of 120 trials"
    tab.locator("#trials input").fill("")
    tab.locator("#trials select").select_option("failed")
    assert sorted(row.split()[0] for row in rows.all_inner_texts()) == ["5", "7"]

    assert tab.locator("#failed details").count() == 2
    tab.locator("#failed summary").first.click()
    assert tab.locator("#failed pre").nth(1).inner_text() == f"epoch 1\n{EVIL}"
    tab.locator("#heat select").select_option("1")
    assert tab.locator("#heat td.top").count() == 1
    assert tab.locator("#history svg .best").count() == 2
    assert tab.locator("#curves svg .curve").count() == 3
    assert "learning rate" in tab.locator("#importance .bar").first.inner_text()
    assert EVIL in tab.locator("#provenance").inner_text()
    assert tab.locator("img").count() == 0
    assert tab.title() == "job-1123-1432-k3f · awsrun"
    assert tab.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Any, tmp_path: Path, scheme: str) -> None:
    found = material(metric="loss")
    curve = [Report(0, 1, step, {"loss": 0.000031 * step}) for step in range(9)]
    text = page(made(replace(found, curves=[(found.trials[0], curve)])))
    tab = opened(browser, tmp_path / "r.html", text, viewport={"width": 375, "height": 700}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") == 375
    places = "[...document.querySelectorAll('#curves svg text')].map((text) => [text.textContent, text.getBBox().x])"
    marks = dict(tab.evaluate(places))
    assert "0.00005" in marks and min(marks.values()) >= 0, f"a long number at an axis is whole: {marks}"
    assert "1.5" not in marks, "there is no epoch and a half"
    back = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", back))) < 100) == (scheme == "dark")
    assert tab.wrong == []


def test_ten_thousand_trials_are_a_page_that_a_browser_likes(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importance, "MOST", 50)  # what takes long is the forest
    space = {**SPACE, "axes": {"depth": [1, 2]}, "set": {}, "total": 10_000}
    found = replace(material(space), logs={}, diff="")
    text = page(made(found))
    assert len(text) < 3_000_000
    tab = opened(browser, tmp_path / "r.html", text)
    tab.get_by_role("button", name="learning rate", exact=True).click()
    assert tab.locator("#trials tbody tr").count() == 50
    assert tab.locator(".pages span").inner_text() == "page 1 of 200"
    many = replace(found, trials=[replace(found.trials[0], n=n) for n in range(MOST_TRIALS + 5)])
    assert (len(made(many)["table"]["rows"]), made(many)["left"]) == (MOST_TRIALS, 5)
