"""Pruned runs by real workers: one is killed in the middle; and a Bayesian search that prunes, from the shell."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs_stack import make
from worker_bench import Bench, until

from awsrun.worker.objects import artifact_key, checkpoint_key

CLIMB = """
import time
from pathlib import Path

import awsrun


class Height:
    value = 0.0
    def state_dict(self): return {"value": self.value}
    def load_state_dict(self, state): self.value = state["value"]


def climb(trial, marks: str = "", x: int = 0, lr: float = 0.0):
    height = Height()
    trial.keep(height=height)
    for step in trial.range(9):
        height.value += 1 + 5 * x % 12 + lr
        if marks:
            time.sleep(0.03)
            with open(f"{marks}/{trial.n}.{trial.attempt}", "a") as file:
                file.write(f"{step}\\n")
        Path(trial.dir, "height.txt").write_text(f"{height.value}")
        Path(trial.dir, f"{step}.txt").write_text("")
        trial.report(y=height.value)
    return {"y": height.value}


if __name__ == "__main__":
    awsrun.main(climb, metric="y", mode="max")
"""


def test_a_worker_is_killed_and_every_trial_has_one_result(local_cloud: Any, tmp_path: Path) -> None:
    bench = Bench(local_cloud, tmp_path)
    try:
        bench.write(CLIMB)
        grid = bench.store.run(bench.submit("climb", total=12, lease=2.0, eta=3))
        assert grid is not None
        run = "pruned"
        assert bench.store.create(replace(grid, run=run, space={**grid.space, "set": {"marks": str(bench.marks)}}))
        doomed = bench.start(run, slot=0)
        until("trials wait at a rung", lambda: len(bench.store.standings(run)) >= 3)
        doomed.send_signal(signal.SIGKILL)
        assert bench.ended(bench.start(run, slot=1)) == 0
        found, trials = bench.store.run(run), bench.store.trials(run, 0)
        assert found is not None and found.state == "done"
        counts = Counter(trial.state for trial in trials)
        assert counts["done"] >= 1 and counts["done"] + counts["stopped"] == 12, counts
        assert trials[7].state == "done", "it is the best at every rung"
        for trial in trials:
            assert trial.result == {"y": trial.step * (1 + 5 * trial.n % 12)} and trial.value == trial.result["y"]
            assert trial.step == (9 if trial.state == "done" else 3**trial.rung)
            steps = [
                [int(line) for line in (bench.marks / f"{trial.n}.{attempt}").read_text().split()]
                for attempt in range(1, trial.attempt + 1)
                if (bench.marks / f"{trial.n}.{attempt}").exists()
            ]
            assert sorted({step for attempt in steps for step in attempt}) == list(range(trial.step))
            if not trial.lost_ms:
                assert [step for attempt in steps for step in attempt] == list(range(trial.step)), (
                    "it went on behind its checkpoint"
                )
            key = artifact_key(run, trial.n, trial.attempt, "height.txt")
            assert float(bench.s3.get_object(Bucket=bench.bucket, Key=key)["Body"].read()) == trial.value
            assert trial.artifacts.keys() == {"height.txt", *(f"{step}.txt" for step in range(trial.step))}, (
                "what it left before a rung or a loss is there, too"
            )
        assert bench.keys(checkpoint_key(run, 0).removesuffix("0/")) == [], "of none that has ended"
    finally:
        bench.close()


def test_a_bayesian_search_that_prunes(local_cloud: Any, tmp_path: Path) -> None:
    place = make(local_cloud, "pruning", tmp_path / "place")
    (place.folder / "job.py").write_text(CLIMB)
    search = (
        "--range",
        "lr=0..1",
        "--search",
        "bayes",
        "--trials",
        "10",
        "--prune",
        "--prune-eta",
        "2",
        "--workers",
        "2",
    )
    done = place.awsrun("submit", "job.py", *search, "--stack", place.stack, "--wait")
    assert "compared by y after 1, 2, 4, ... reports: one in 2 goes on" in done.stderr
    run = done.stdout.strip()
    found = place.results(run)
    counts = Counter(trial["state"] for trial in found["trials"])
    assert found["state"] == "done" and counts["stopped"] >= 4 and counts["done"] == 10 - counts["stopped"] >= 1
    ended = [trial for trial in found["trials"] if trial["state"] == "done"]
    assert found["best"] == max(ended, key=lambda trial: float(trial["result"]["y"]))
    stopped = next(trial for trial in found["trials"] if trial["state"] == "stopped")
    assert stopped["result"]["y"] > 0, "what it reported last"
    place.awsrun("plot", run, str(stopped["n"]), "--stack", place.stack, "-o", "one.png")
    assert (place.folder / "one.png").stat().st_size > 10_000
    shown = place.awsrun("results", run, "--stack", place.stack)
    assert f"{counts['stopped']} stopped early" in shown.stdout + shown.stderr and " steps " in shown.stdout
