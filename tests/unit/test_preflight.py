"""Checks stand by themselves: one that breaks, hangs or may not look takes nothing from the others."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awsrun.aws.errors import AwsrunError
from awsrun.aws.quotas import FARGATE, FARGATE_SPOT, vcpus
from awsrun.preflight import identity, machine
from awsrun.preflight.account_plan import account_plan
from awsrun.preflight.check import Check, Finding, Watch, side_by_side
from awsrun.preflight.fit import fit
from awsrun.preflight.need import Pool, networks, pools
from awsrun.preflight.offerings import offerings
from awsrun.resources.models import SpecModels
from awsrun.resources.sizes import too_large
from awsrun.spec.load import parse
from awsrun.spec.stack import StackSpec

STACK = """
stack: s
resources:
  network: {kind: vpc}
  compute: {kind: batch.compute_environment, vpc: network, max_vcpus: 64, instance_types: [TYPES]}
  train: {kind: batch.job_definition, image: a, SIZE}
"""


def stack(types: str, size: str) -> StackSpec:
    return parse(STACK.replace("TYPES", types).replace("SIZE", size), "spec.yaml", SpecModels())


def said(name: str) -> Finding:
    return Finding("ok", name, name)


def refuse(code: str) -> Iterator[Finding]:
    raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetServiceQuota")


def test_a_check_that_breaks_says_so_and_the_others_go_on() -> None:
    def denied() -> Iterator[Finding]:
        return refuse("AccessDeniedException")

    def broken() -> Iterator[Finding]:
        yield said("half")
        raise ZeroDivisionError("oops")

    def told() -> Iterator[Finding]:
        raise AwsrunError("what", "why", "hint")

    watch = Watch(
        [
            Check("denied", 30, denied, needs="servicequotas:GetServiceQuota"),
            Check("broken", 30, broken),
            Check("told", 30, told),
            Check("good", 30, lambda: [said("good")]),
        ]
    )
    denial, breakage, error, good = watch.findings()
    assert (denial.severity, denial.hint) == ("note", "allow servicequotas:GetServiceQuota, or look yourself")
    assert (breakage.severity, breakage.why) == ("note", "ZeroDivisionError: oops")
    assert (error.severity, error.what, error.why, error.hint) == ("error", "what", "why", "hint")
    assert good == said("good")


def test_checks_run_side_by_side() -> None:
    first, second = threading.Event(), threading.Event()

    def one() -> Iterator[Finding]:
        first.set()
        assert second.wait(30)
        yield said("one")

    def two() -> Iterator[Finding]:
        second.set()
        assert first.wait(30)
        yield said("two")

    assert Watch([Check("one", 60, one), Check("two", 60, two)]).findings() == [said("one"), said("two")]


def test_a_check_that_hangs_is_given_up_and_named_or_left_out() -> None:
    never = threading.Event()

    def hang() -> Iterator[Finding]:
        never.wait(60)
        yield said("late")

    watch = Watch([Check("hangs", 0.05, hang), Check("good", 30, lambda: [said("good")])])
    late, good = watch.findings()
    assert (late.severity, late.what, good) == ("warning", "no answer within 0.05 s", said("good"))
    assert watch.findings(patience=0.0) == [said("good")], "a plan says nothing of what it did not wait for"
    never.set()


def test_work_side_by_side_is_in_order_and_its_first_error_is_raised() -> None:
    assert side_by_side(lambda number: number * 2, range(20), at_once=3) == [number * 2 for number in range(20)]
    assert side_by_side(str, [], at_once=3) == []
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda number: 1 // number, [1, 0, 2], at_once=1)


def test_calls_that_are_never_answered_keep_no_command_from_ending() -> None:
    program = """
import threading
from awsrun.preflight.check import Check, Watch, side_by_side
never = threading.Event()
watch = Watch([Check("hangs", 600, lambda: side_by_side(lambda _: never.wait(), range(9), 4))])
print(watch.findings(patience=0.1))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


@pytest.mark.parametrize(
    ("type", "on_demand", "spot"),
    [
        ("m5.large", "L-1216C47A", "L-34B43A08"),
        ("optimal", "L-1216C47A", "L-34B43A08"),
        ("i4i.large", "L-1216C47A", "L-34B43A08"),
        ("g4dn.xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("gr6.4xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("vt1.3xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("p4d.24xlarge", "L-417A185B", "L-7212CCBC"),
        ("p5", "L-417A185B", "L-C4BD4855"),
        ("inf2.xlarge", "L-1945791B", "L-B5D1601B"),
        ("trn1.2xlarge", "L-2C3B7624", "L-6B0D517C"),
        ("x2gd.large", "L-7295265B", "L-E3A00192"),
    ],
)
def test_each_family_counts_for_its_own_quota(type: str, on_demand: str, spot: str) -> None:
    assert (vcpus(type, spot=False).code, vcpus(type, spot=True).code) == (on_demand, spot)


def test_each_nat_gateway_takes_an_address() -> None:
    nets = "stack: s\nresources:\n  a: {kind: vpc}\n  b: {kind: vpc, cidr: 10.1.0.0/16, max_azs: 2, private: nat}\n"
    assert networks(parse(nets, "s", SpecModels()).resources) == (2, 1)
    assert networks(parse(nets.replace("nat}", "nat, private_per_az: true}"), "s", SpecModels()).resources) == (2, 2)


def test_a_pool_counts_for_the_quotas_of_all_its_types() -> None:
    (pool,) = pools(stack("m5.large, c5, g5.xlarge", "memory_mib: 2000").resources)
    assert pool.max_vcpus == 64
    assert {quota.code: types for quota, types in pool.quotas().items()} == {
        "L-1216C47A": ("m5.large", "c5"),
        "L-DB2E81BA": ("g5.xlarge",),
    }
    assert set(Pool("burst", (), True, False, 4).quotas()) == {FARGATE}
    assert set(Pool("burst", (), True, True, 4).quotas()) == {FARGATE_SPOT}


@pytest.mark.parametrize(
    ("types", "size", "field"),
    [
        ("g4dn.xlarge", "gpus: 2, memory_mib: 2000", "gpus"),
        ("m5.large", "vcpus: 4, memory_mib: 2000", "vcpus"),
        ("m5.large", "vcpus: 2, memory_mib: 8192", "memory_mib"),
        ("g4dn.xlarge, m5.2xlarge", "gpus: 1, vcpus: 8, memory_mib: 2000", "memory_mib"),
        ("optimal", "gpus: 1, memory_mib: 2000", "gpus"),
    ],
)
def test_a_job_that_no_machine_can_hold_is_refused_with_its_line(types: str, size: str, field: str) -> None:
    with pytest.raises(AwsrunError) as caught:
        stack(types, size)
    assert f"spec.yaml:6: resources.train.{field}: no machine of " in str(caught.value)
    assert "would wait for ever" in str(caught.value)


def test_what_fits_or_cannot_be_told_is_not_refused() -> None:
    assert stack("m5.large, c5", "vcpus: 96, memory_mib: 2000").resources
    assert stack("zz9.large, m5.large", "vcpus: 96, memory_mib: 2000").resources, "zz9 may be anything"
    assert too_large(["p4d"], 96, 8, 1_000_000) is None


def test_memory_that_the_system_keeps_is_warned_of() -> None:
    (fits,) = fit(stack("g4dn.xlarge", "gpus: 1, vcpus: 4, memory_mib: 12000").resources).look()
    assert (fits.severity, fits.what) == ("ok", "train: 1 at once on a g4dn.xlarge")
    (two,) = fit(stack("m5", "vcpus: 1, memory_mib: 3500").resources).look()
    assert two.what == "train: 2 at once on a m5.large"
    (tight,) = fit(stack("g4dn.xlarge", "gpus: 1, vcpus: 4, memory_mib: 16000").resources).look()
    assert tight.severity == "warning"
    assert tight.hint == "in the spec: memory_mib: 15564 or less"
    (shared,) = fit(stack("g4dn.xlarge", "gpus: 1, vcpus: 4, memory_mib: 15000").resources).look()
    assert shared.severity == "warning" and "15000 MiB and 1875 MiB of /dev/shm" in shared.what
    assert not list(fit(stack("zz9.large", "memory_mib: 16000").resources).look()), "nothing is known of zz9"


class Planned:
    """A cloud whose account has a plan, or an error in its place."""

    region = "eu-west-1"

    def __init__(self, plan: str) -> None:
        self.plan = plan

    def elsewhere(self, region: str) -> Planned:
        return self

    def read(self, service: str) -> Planned:
        return self

    def get_account_plan_state(self) -> dict[str, str]:
        if self.plan not in ("FREE", "PAID"):
            raise ClientError({"Error": {"Code": self.plan, "Message": "no"}}, "GetAccountPlanState")
        return {"accountPlanType": self.plan}

    def get_paginator(self, operation: str) -> Planned:
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        return [{"InstanceTypes": [{"InstanceType": "t3.micro"}, {"InstanceType": "m7i-flex.large"}]}]


def test_what_the_free_plan_does_not_have_is_said() -> None:
    """https://github.com/aws-samples/eks-workshop-v2/issues/1644"""

    def found(plan: str, *types: str, server: bool = False) -> list[tuple[str, str]]:
        pool = Pool("compute", types, False, False, 4, server=server)
        return [(one.severity, one.why) for one in account_plan(Planned(plan), [pool]).look()]  # type: ignore[arg-type]

    for plan in ("PAID", "ResourceNotFoundException"):
        assert found(plan, "g4dn.xlarge") == []
    with pytest.raises(ClientError):
        found("AccessDeniedException", "optimal")
    ((severity, why),) = found("FREE", "optimal")
    assert severity == "error" and "RUNNABLE for ever" in why
    assert found("FREE", "t3.micro", server=True) == found("FREE", "m7i-flex") == []
    assert found("FREE", "g4dn.xlarge", server=True) == [("error", "EC2 will not start it")]
    assert [severity for severity, _ in found("FREE", "m7i-flex.large", "c5")] == ["warning"]


class Zoned:
    """A region of three zones, of which the last two have p4d."""

    region = "eu-west-1"

    def read(self, service: str) -> Zoned:
        return self

    get_paginator = read

    def describe_availability_zones(self, **asked: Any) -> dict[str, Any]:
        return {"AvailabilityZones": [{"ZoneName": f"eu-west-1{letter}"} for letter in "cab"]}

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        (names,) = (one["Values"] for one in asked["Filters"])
        having = {"p4d.24xlarge": "bc", "c5.large": "abc"}
        return [
            {"InstanceTypeOfferings": [{"InstanceType": type, "Location": f"eu-west-1{letter}"} for letter in letters]}
            for type, letters in having.items()
            if type in names
        ]


def test_zones_without_the_machines_of_a_pool_are_named() -> None:
    def found(*pools: Pool) -> list[tuple[str, str]]:
        return [(one.severity, one.hint) for one in offerings(Zoned(), pools).look()]  # type: ignore[arg-type]

    def pool(*types: str, zones: int) -> Pool:
        return Pool("compute", types, False, False, 4, zones=tuple(range(zones)))

    burst = Pool("burst", (), True, False, 4, zones=(0,))
    assert found(pool("p4d", zones=1), burst) == [("error", "eu-west-1b does; in the spec: max_azs: 2")]
    assert found(pool("p4d", zones=2), burst) == [("ok", "")]
    assert found(pool("p4d", "c5.large", zones=1)) == found(pool("optimal", "p4d", zones=1)) == [("ok", "")]
    server = Pool("web", ("p4d.24xlarge",), False, False, 4, server=True, zones=(0,))
    assert found(server) == [("error", "eu-west-1b does; in the spec: subnet: public-1, with max_azs: 2")]
    assert found(burst) == []


class Answers:
    """A cloud whose clients answer one call each."""

    def __init__(self, arn: str, role: str = "") -> None:
        self.arn, self.role = arn, role

    def read(self, service: str) -> Answers:
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": self.arn}

    def get_role(self, RoleName: str) -> dict[str, Any]:
        if not self.role:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")
        return {"Role": {"Arn": f"arn:aws:iam::1:role/{self.role}/{RoleName}"}}


@pytest.mark.parametrize(
    ("arn", "path", "entity"),
    [
        ("arn:aws:iam::1:user/team/ann", "", "arn:aws:iam::1:user/team/ann"),
        ("arn:aws:sts::1:assumed-role/admin/ann", "team", "arn:aws:iam::1:role/team/admin"),
        ("arn:aws:sts::1:assumed-role/admin/ann", "", "arn:aws:iam::1:role/admin"),
        ("arn:aws-cn:sts::1:assumed-role/admin/ann", "", "arn:aws-cn:iam::1:role/admin"),
        ("arn:aws:iam::1:root", "", ""),
        ("arn:aws:sts::1:federated-user/ann", "", ""),
    ],
)
def test_policies_are_those_of_the_user_or_role_behind_a_session(arn: str, path: str, entity: str) -> None:
    who = identity.principal(Answers(arn, path))  # type: ignore[arg-type]
    assert (who.arn, who.entity) == (arn, entity)
    assert who.root == arn.endswith(":root")


def test_an_engine_that_does_not_answer_matters_where_there_is_no_other_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    (abroad,) = machine.docker(["train-image"], needed=True).look()
    assert abroad.severity == "error" and "train-image cannot be built" in abroad.why and abroad.hint
    (home,) = machine.docker(["train-image"], needed=False).look()
    assert home.severity == "note" and "jobs run as processes" in home.why


def test_an_engine_that_answers_says_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"Version": "29.1", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}).encode()

    class Engine(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Api-Version", "1.44")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
    (found,) = machine.docker(["train-image"], needed=True).look()
    server.shutdown()
    assert (found.severity, found.what) == ("ok", "Docker 29.1 answers, for train-image")


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(machine.shutil.disk_usage(tmp_path))
    for free, severity in ((50e6, "error"), (1e9, "warning"), (9e9, "ok")):
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, free=free: usage(int(1e10), 0, int(free)))
        (found,) = machine._disk(tmp_path / "not" / "yet" / "there")
        assert found.severity == severity
        assert bool(found.hint) == (severity != "ok")
