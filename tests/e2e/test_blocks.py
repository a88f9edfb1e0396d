"""Jobs that take their inputs a block at a time: one process per worker, and a result for each line."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from jobs_stack import Place, make

JOB = """
import functools
import os

import awsrun


@functools.cache
def load():
    print("loaded in", os.getpid(), flush=True)
    return str.upper


def shout(trial, text: str, mark: str = "!") -> dict:
    return shout_all(trial, [{"text": text, "mark": mark}])[0]


def shout_all(trial, rows):
    upper = load()
    if any(row["text"] == "fail" for row in rows) and trial.attempt == 1:
        raise ValueError("not this one")
    if any(row["text"] == "forget" for row in rows):
        return []
    pid = os.getpid()
    return [{"text": upper(row["text"])[:20] + row["mark"], "size": len(row["text"]), "pid": pid} for row in rows]


if __name__ == "__main__":
    awsrun.main(shout, batch=shout_all)
"""


@pytest.fixture(scope="module")
def place(local_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = make(local_cloud, "blocks", tmp_path_factory.mktemp("blocks"))
    (made.folder / "job.py").write_text(JOB)
    return made


def inputs(place: Place, texts: list[str], name: str = "in.jsonl") -> str:
    (place.folder / name).write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return name


def ran(place: Place, *arguments: str, code: int = 0) -> str:
    """A run that is over; its id."""
    done = place.awsrun("submit", "job.py", "--stack", place.stack, "--wait", *arguments, code=code)
    return done.stdout.strip()


def rows(place: Place, run: str) -> list[dict[str, Any]]:
    printed = place.awsrun("results", run, "--stack", place.stack, "--jsonl").stdout
    return [json.loads(line) for line in printed.splitlines()]


def test_many_lines_one_process_per_worker(place: Place) -> None:
    texts = [f"größe {n} " + "x" * (500_000 if n == 20 else 0) for n in range(50)]  # one is larger than any item may be
    given = ("--inputs", inputs(place, texts), "--grid", "mark=?,!!", "--workers", "2", "--block", "4")
    said = place.awsrun("submit", "job.py", "--stack", place.stack, *given, "--dry-run").stderr
    assert "50 lines × 2 in 26 trials of up to 4 of job.py, 2 workers" in said
    run = ran(place, *given)

    found = rows(place, run)
    assert [(row["line"], row["mark"]) for row in found] == [
        (line, mark) for block in range(0, 50, 4) for mark in ("?", "!!") for line in range(block, min(block + 4, 50))
    ]
    for row in found:
        assert row["text"] == texts[row["line"]], "the input"
        assert row["result_text"] == texts[row["line"]].upper()[:20] + row["mark"]
        assert (row["size"], row["state"]) == (len(row["text"]), "done")
    by_worker = defaultdict(set)
    records = {trial.n: trial for trial in _api(place, run).trials()}
    for row in found:
        by_worker[records[row["trial"]].owner].add(row["pid"])
    assert all(len(pids) == 1 for pids in by_worker.values()), by_worker
    log = place.awsrun("logs", run, "--stack", place.stack).stdout
    assert log.count("loaded in") == len(by_worker) <= 2

    table = place.awsrun("results", run, "--stack", place.stack, "-n", "3").stdout.splitlines()
    assert table[0].split() == ["line", "mark", "text", "result_text", "size", "pid", "state"] and len(table) == 4
    printed = place.awsrun("results", run, "--stack", place.stack, "--csv").stdout
    csv.field_size_limit(1_000_000)
    assert [row["result_text"] for row in csv.DictReader(io.StringIO(printed))] == [r["result_text"] for r in found]
    document = json.loads(place.awsrun("results", run, "--stack", place.stack, "--json").stdout)
    assert document["lines"] == found and document["trials"][3]["params"] == {
        "mark": "!!",
        "lines": f"4..7 of {run}.jsonl",
    }
    assert list(_api(place, run).frame()["size"]) == [row["size"] for row in found]


def test_a_csv_file_may_hold_a_long_text(place: Place) -> None:
    (place.folder / "in.csv").write_text('text\nshort\n"' + "long, " * 50_000 + '"\n')
    run = ran(place, "--inputs", "in.csv", "--workers", "1")
    assert [row["size"] for row in rows(place, run)] == [5, 300_000]


def test_a_block_that_fails_takes_its_process_along(place: Place) -> None:
    texts = inputs(place, ["a", "fail", "b", "c"])
    run = ran(place, "--inputs", texts, "--workers", "1", "--block", "1", "--retries", "1")
    found = rows(place, run)
    assert [row["result_text"] for row in found] == ["A!", "FAIL!", "B!", "C!"]
    assert len({row["pid"] for row in found}) == 2
    lost = ran(place, "--inputs", inputs(place, ["a", "forget"]), "--workers", "1", "--block", "1", code=1)
    good, bad = rows(place, lost)
    assert good["state"] == "done" and (bad["state"], bad["result"]) == ("failed", None)
    assert "shout_all() returned 0 results for 1 inputs" in bad["error"]


def test_what_does_not_fit_is_refused(place: Place) -> None:
    def refused(*arguments: str) -> str:
        return place.awsrun("submit", "job.py", "--stack", place.stack, *arguments, code=1).stderr

    assert "there are no inputs" in refused("--set", "text=a", "--block", "3")
    assert "block: must be at least 1" in refused("--inputs", inputs(place, ["a"]), "--block", "0")
    single = Path(place.folder / "single.py")
    single.write_text(JOB.replace(", batch=shout_all", ""))
    done = place.awsrun("submit", "single.py", "--inputs", inputs(place, ["a"]), "--block", "3", code=1)
    assert "takes its inputs one by one" in done.stderr
    single.write_text(JOB.replace("batch=shout_all", "batch=load"))
    done = place.awsrun("submit", "single.py", "--inputs", inputs(place, ["a"]), code=1)
    assert "takes a trial and rows" in done.stderr


def _api(place: Place, run: str) -> Any:
    from awsrun.jobs.run import Run

    return Run(run, stack=place.stack, cloud=place.api)
