"""What is refused, is refused with a clear message before anything is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from stack_shell import Shell

SPEC = """\
stack: refused
resources:
  network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
  web: {kind: security_group, vpc: network}
"""


@pytest.mark.parametrize(
    ("reason", "old", "new", "said"),
    [
        (
            "unknown key",
            "max_azs",
            "max_az",
            "spec.yaml:3: resources.network.max_az: unknown key; did you mean 'max_azs'?",
        ),
        (
            "misspelt reference",
            "vpc: network",
            "vpc: netwrok",
            "spec.yaml:4: resources.web.vpc: no resource named 'netwrok'; did you mean 'network'?",
        ),
        (
            "impossible network",
            "10.10.0.0/23",
            "10.10.0.0/33",
            "spec.yaml:3: resources.network.cidr: '10.10.0.0/33' is not a CIDR",
        ),
        (
            "overlapping networks",
            "  web:",
            "  other: {kind: vpc, cidr: 10.10.0.0/16}\n  web:",
            "spec.yaml:4: resources.other.cidr: 10.10.0.0/16 overlaps 10.10.0.0/23 of resources.network.cidr",
        ),
        (
            "private subnets, with the reason",
            "max_azs: 1",
            "private: true",
            "say how private subnets reach ECS, ECR and logs: nat (a NAT gateway",
        ),
        (
            "a part of a composite",
            "kind: security_group",
            "kind: vpc.subnet",
            "spec.yaml:4: resources.web.kind: no kind",
        ),
    ],
)
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_spec_with_a_mistake_calls_nothing(
    shell: Shell, command: str, reason: str, old: str, new: str, said: str
) -> None:
    assert old in SPEC
    done = shell.awsrun(command, shell.write(SPEC.replace(old, new)), "--json", code=1)
    assert "spec.yaml has a mistake" in done.stderr, reason
    assert said in done.stderr, reason
    assert done.stdout == "", "no half document"
    home = Path(shell.env["AWSRUN_HOME"])
    assert not (home / "data").exists(), "the embedded cloud was started for a spec that cannot be applied"


def test_a_circle_is_refused(shell: Shell) -> None:
    """Of the kinds so far only a bad pair of references could close one: security groups order nothing."""
    text = SPEC + "  a: {kind: security_group, vpc: network, ingress: [{port: 1, from_group: b}]}\n"
    text += "  b: {kind: security_group, vpc: network, ingress: [{port: 1, from_group: a}]}\n"
    done = shell.awsrun("plan", shell.write(text), code=1)
    assert "spec.yaml:5: resources.a: a circle of references: a → b → a" in done.stderr


def test_aws_without_credentials_is_refused(shell: Shell) -> None:
    env = shell.env | {"AWS_REGION": "eu-west-1", "AWS_CONFIG_FILE": "/dev/null"}
    shell.env = env | {"AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    name = shell.write(SPEC)
    for command in (["plan", name], ["apply", name], ["teardown", "--all", "--yes"], ["status"], ["drift", name]):
        done = shell.awsrun(*command, "--context", "aws", code=1)
        assert "cannot use AWS with these credentials" in done.stderr
        assert "aws configure" in done.stderr, "it says what to type"


def test_a_file_that_is_not_there(shell: Shell) -> None:
    shell.write(SPEC, "batch.yaml")
    done = shell.awsrun("plan", "bacth.yaml", code=1)
    assert "no file bacth.yaml" in done.stderr
    assert "did you mean batch.yaml?" in done.stderr


def test_usage_is_another_exit_code(shell: Shell) -> None:
    for arguments in (["apply"], ["teardown"], ["teardown", "x", "--all"], ["use", "aws2"], ["use", "--region", "x"]):
        assert "Usage:" in shell.awsrun(*arguments, code=2).stderr
