"""Jobs of the embedded Batch over the death of its server: they run on, are found again, and are retried if lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import LocalCloud
from tests.contract.test_local_batch import Place
from tests.e2e.test_local_survives import eventually, kill


def test_a_running_job_runs_over_a_kill_of_the_server(fresh_cloud: LocalCloud, tmp_path: Path) -> None:
    cloud = fresh_cloud
    place = Place(cloud, "jobs")
    flag = tmp_path / "go"
    script = f"echo before; while ! test -e {flag}; do sleep 0.05; done; echo after; exit 4"
    job = place.submit(place.define("sh", "-c", script))
    waiting = place.submit(place.define("true"), dependsOn=[{"jobId": job}])
    place.running(job)
    queued = place.submit(place.define("sh", "-c", f"sleep 0.1; test -e {flag}"), arrayProperties={"size": 4})
    kill(cloud)
    cloud.start()
    place = again(cloud)
    assert place.describe(job)["status"] == "RUNNING"
    flag.touch()
    ended = place.finished(job)
    assert (ended["status"], ended["container"]["exitCode"], len(ended["attempts"])) == ("FAILED", 4, 1)
    assert place.output(ended) == ["before", "after"]
    assert place.finished(waiting)["status"] == "FAILED"
    assert place.finished(queued)["status"] in ("SUCCEEDED", "FAILED")


def test_a_job_that_ended_while_no_server_was_there_tells_its_exit_code(
    fresh_cloud: LocalCloud, tmp_path: Path
) -> None:
    cloud = fresh_cloud
    place = Place(cloud, "jobs")
    flag, done = tmp_path / "go", tmp_path / "done"
    script = f"while ! test -e {flag}; do sleep 0.05; done; echo alone; touch {done}; exit 6"
    job = place.submit(place.define("sh", "-c", script))
    place.running(job)
    kill(cloud)
    flag.touch()
    eventually(done.exists)
    cloud.start()
    place = again(cloud)
    ended = place.finished(job)
    assert ended["container"]["exitCode"] == 6 and place.output(ended) == ["alone"]


def test_a_job_that_went_down_with_the_machine_is_retried(fresh_cloud: LocalCloud, tmp_path: Path) -> None:
    cloud = fresh_cloud
    place = Place(cloud, "jobs")
    where = tmp_path / "group"
    script = (
        f"test $AWS_BATCH_JOB_ATTEMPT = 2 && exit 0; ps -o pgid= -p $$ > {where}.new; mv {where}.new {where}; sleep 60"
    )
    job = place.submit(place.define("sh", "-c", script), retryStrategy={"attempts": 2})
    group = int(eventually(lambda: where.exists() and where.read_text()))
    kill(cloud)
    os.killpg(group, signal.SIGKILL)
    cloud.start()
    place = again(cloud)
    ended = place.finished(job)
    assert ended["status"] == "SUCCEEDED" and len(ended["attempts"]) == 2
    assert "exitCode" not in ended["attempts"][0]["container"]
    assert ended["attempts"][0]["statusReason"].startswith("Host EC2")


def test_a_job_that_was_about_to_start_is_started_by_the_next_server(fresh_cloud: LocalCloud, tmp_path: Path) -> None:
    cloud = fresh_cloud
    place = Place(cloud, "jobs")
    runs = tmp_path / "runs"
    job = place.submit(place.define("sh", "-c", f"echo x >>{runs}; test $(wc -l <{runs}) = 2 || sleep 600"))
    eventually(runs.exists)
    place.running(job)
    kill(cloud)
    (folder,) = (cloud.home / "data" / "local" / "jobs").glob(f"{job}-*")
    os.killpg(int((folder / "group").read_text()), signal.SIGKILL)
    shutil.rmtree(folder)  # as it is between the record of a start and the start itself
    cloud.start()
    ended = again(cloud).finished(job)
    assert (ended["status"], len(ended["attempts"])) == ("SUCCEEDED", 2), "it has one attempt, and had not used it up"
    assert "embedded cloud was stopped" in ended["attempts"][0]["statusReason"]


def test_a_stop_interrupts_jobs_and_a_start_runs_them_again(fresh_cloud: LocalCloud, tmp_path: Path) -> None:
    cloud = fresh_cloud
    place = Place(cloud, "jobs")
    told, flag = tmp_path / "told", tmp_path / "go"
    script = f"trap 'touch {told}; exit 9' TERM; echo up; while ! test -e {flag}; do sleep 0.05; done"
    job = place.submit(place.define("sh", "-c", script))
    place.wait(job, lambda found: found["status"] == "RUNNING")
    eventually(lambda: any(line == "up" for line in _lines(place, job)))
    cloud.stop()
    assert told.exists(), "the job was told with SIGTERM"
    flag.touch()
    cloud.start()
    place = again(cloud)
    ended = place.finished(job)
    assert ended["status"] == "SUCCEEDED" and len(ended["attempts"]) == 2, "an interruption uses up no attempt"


def test_the_aws_command_sees_the_same(fresh_cloud: LocalCloud) -> None:
    """An independent client: nothing of ours and not boto3's Python interface."""
    place = Place(fresh_cloud, "jobs")
    job = place.finished(place.submit(place.define("sh", "-c", "echo from a job; exit 3")))
    aws = Path(sys.executable).with_name("aws")
    env = {
        **fresh_cloud.env,
        "AWS_ENDPOINT_URL": fresh_cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def run(*words: str) -> str:
        done = subprocess.run([str(aws), *words], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    query = "jobs[0].[status,container.exitCode]"
    assert run("batch", "describe-jobs", "--jobs", job["jobId"], "--query", query, "--output", "text") == "FAILED\t3"
    stream = job["container"]["logStreamName"]
    words = ("logs", "get-log-events", "--log-group-name", place.group, "--log-stream-name", stream)
    assert run(*words, "--query", "events[].message", "--output", "text") == "from a job"


def _lines(place: Place, job: str) -> list[str]:
    found = place.describe(job)
    streams = place.logs.describe_log_streams(logGroupName=place.group)["logStreams"]
    names = [stream["logStreamName"] for stream in streams]
    return place.output(found) if found["container"].get("logStreamName") in names else []


def again(cloud: LocalCloud) -> Place:
    """The place on a server that was started again."""
    place = Place.__new__(Place)
    place.name, place.group = "jobs", "/test/jobs"
    place.batch, place.logs = cloud.client("batch"), cloud.client("logs")
    return place
