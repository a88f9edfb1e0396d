"""Tasks of the embedded ECS over the death of its server: they run on, are found again, or are told to be lost."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from tests.conftest import LocalCloud
from tests.contract.ecs_bench import Tasks
from tests.e2e.test_local_survives import eventually, kill


def test_tasks_outlive_the_server_or_are_marked_as_lost(fresh_cloud: LocalCloud, tmp_path: Path) -> None:
    cloud = fresh_cloud
    cloud.stop()
    cloud.env["AWSRUN_LOCAL_SLOTS"] = "4"
    cloud.start()
    tasks = Tasks(cloud)
    flag, where = tmp_path / "go", tmp_path / "group"
    script = f"echo before; while ! test -e {flag}; do sleep 0.05; done; echo after; exit 4"
    survivor = tasks.run(tasks.define("sh", "-c", script))
    doomed = tasks.run(tasks.define("sh", "-c", f"ps -o pgid= -p $$ >{where}.new; mv {where}.new {where}; sleep 600"))
    kept = tasks.define("sleep", "600", stopTimeout=2)
    tasks.ecs.create_service(
        cluster=tasks.name, serviceName="web", taskDefinition=kept, desiredCount=1, **tasks.network
    )
    tasks.settled("web")
    for arn in (survivor, doomed):
        tasks.reach(arn, "RUNNING")
    runs = tmp_path / "runs"
    unbegun = tasks.run(tasks.define("sh", "-c", f"echo x >>{runs}; test $(wc -l <{runs}) = 2 || sleep 600"))
    eventually(runs.exists)
    waiting = tasks.run(tasks.define("sh", "-c", f"test -e {flag} && exit 6"))
    assert tasks.describe(waiting)["lastStatus"] == "PROVISIONING"
    group = int(eventually(lambda: where.exists() and where.read_text()))
    (served,) = tasks.ecs.list_tasks(cluster=tasks.name, serviceName="web")["taskArns"]

    kill(cloud)
    os.killpg(group, signal.SIGKILL)
    (folder,) = (cloud.home / "data" / "local" / "tasks").glob(f"{unbegun.rpartition('/')[2]}-0")
    os.killpg(int((folder / "group").read_text()), signal.SIGKILL)
    shutil.rmtree(folder)  # as it is between the record of a place and the start in it
    flag.touch()
    cloud.start()
    tasks = Tasks(cloud, tasks.name)
    ended = tasks.stopped(survivor)
    assert ended["containers"][0]["exitCode"] == 4 and tasks.output(survivor) == ["before", "after"]
    lost = tasks.stopped(doomed)
    assert lost["stopCode"] == "TerminationNotice" and "went down" in lost["stoppedReason"]
    assert "exitCode" not in lost["containers"][0]
    assert tasks.stopped(waiting)["containers"][0]["exitCode"] == 6
    assert tasks.stopped(unbegun)["containers"][0]["exitCode"] == 0, "the next server starts it"
    assert tasks.describe(served)["lastStatus"] == "RUNNING" and tasks.service("web")["runningCount"] == 1

    cloud.stop()  # on purpose: what runs is ended, and the service has another one once the cloud is back
    cloud.start()
    tasks = Tasks(cloud, tasks.name)
    over = tasks.stopped(served)
    assert over["stopCode"] == "TerminationNotice" and over["containers"][0]["exitCode"] == 143
    tasks.settled("web")
    (next_one,) = tasks.ecs.list_tasks(cluster=tasks.name, serviceName="web")["taskArns"]
    assert next_one != served
