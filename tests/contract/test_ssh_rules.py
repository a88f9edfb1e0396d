"""Whether a server's security groups let this machine in, and rules that follow its address."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import boto3
import pytest

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.aws.errors import AwsrunError
from awsrun.resources.kind import diff
from awsrun.ssh import reach
from awsrun.ssh.machine import Machine
from tests.contract.kinds_bench import Bench
from tests.contract.kinds_samples import spec
from tests.contract.test_kinds import unique

BEFORE = "198.51.100.7/32"


@pytest.fixture
def cloud(local_cloud: Any) -> Cloud:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=LOCAL.region)
    return Cloud(session, LOCAL, local_cloud.endpoint)


@pytest.fixture
def bench(cloud: Cloud) -> Bench:
    ingress = [
        {"port": 22, "from": "my-address"},
        {"port": "8000-8010", "from": "my-address"},
        {"port": 80, "from": "anywhere"},
    ]
    return Bench(
        cloud,
        unique(),
        {"network": spec("vpc", max_azs=1), "web": spec("security_group", vpc="network", ingress=ingress)},
    )


@pytest.fixture
def web(bench: Bench) -> Machine:
    bench.make()
    since = datetime.now(timezone.utc)
    return Machine("s", "web", "i-1", "running", "t3.micro", "203.0.113.1", "", "", (bench.ids["web"],), since)


def move_away(local_cloud: Any, group: str) -> None:
    """The rules are those that were made when this machine had another address."""
    ec2 = local_cloud.client("ec2")
    ec2.create_tags(Resources=[group], Tags=[{"Key": "awsrun:my-address", "Value": BEFORE}])
    for first, last in ((22, 22), (8000, 8010)):
        rule = {"IpProtocol": "tcp", "FromPort": first, "ToPort": last}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**rule, "IpRanges": [{"CidrIp": BEFORE}]}])
        mine = [{"CidrIp": "127.0.0.1/32"}]
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[{**rule, "IpRanges": mine}])


def test_rules_that_were_made_for_another_address_follow(
    cloud: Cloud, bench: Bench, web: Machine, local_cloud: Any
) -> None:
    reach.check_let_in(cloud, web, 22)
    move_away(local_cloud, bench.ids["web"])
    with pytest.raises(AwsrunError) as caught:
        reach.check_let_in(cloud, web, 22)
    assert "from 198.51.100.7, and your address is 127.0.0.1 now" in caught.value.what
    assert caught.value.hint == "awsrun ssh web --let-me-in"
    for _ in range(2):  # the second time there is nothing to do
        assert reach.let_me_in(cloud, web) == "127.0.0.1"
        reach.check_let_in(cloud, web, 22)
        assert not diff(bench.wanted("web"), bench.seen("web").state), "the next apply would change it"


@pytest.mark.parametrize("done", ["authorize", "tag"])
def test_cut_short_it_goes_on(cloud: Cloud, bench: Bench, web: Machine, local_cloud: Any, done: str) -> None:
    move_away(local_cloud, bench.ids["web"])
    calls = {"authorize": "CreateTags", "tag": "RevokeSecurityGroupIngress"}

    def stop(**_: Any) -> None:
        raise InterruptedError

    dying = Cloud(cloud._session, LOCAL, local_cloud.endpoint)
    dying.write("ec2").meta.events.register(f"before-call.ec2.{calls[done]}", stop)
    with pytest.raises(InterruptedError):
        reach.let_me_in(dying, web)
    assert reach.let_me_in(cloud, web) == "127.0.0.1"
    reach.check_let_in(cloud, web, 22)
    bench.settle("web")  # what an apply does
    rules = local_cloud.client("ec2").describe_security_groups(GroupIds=[bench.ids["web"]])["SecurityGroups"][0]
    assert BEFORE not in str(rules["IpPermissions"])


def test_a_port_that_nothing_opens(cloud: Cloud, web: Machine, bench: Bench) -> None:
    with pytest.raises(AwsrunError) as caught:
        reach.check_let_in(cloud, web, 23)
    assert "lets in: nobody" in caught.value.why and "port: 23, from: my-address" in caught.value.hint
    reach.check_let_in(cloud, web, 80)
    reach.check_let_in(cloud, web, 8005)
    with pytest.raises(AwsrunError, match="only rules that say from: my-address"):
        reach.let_me_in(cloud, replace(web, groups=()))
