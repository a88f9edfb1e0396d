"""What goes wrong on the way, with dice that the test knows; and the published rates, on a clock that it moves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awsrun.aws.errors import outcome
from awsrun.local.calls import DROPPED, Call, Reply
from awsrun.local.options import Options
from awsrun.local.strict.faults import Faults
from awsrun.local.strict.throttles import Throttles

FINE, THROTTLED, LOST = 0.99, 0.0, 0.0  # dice


def call(service: str, action: str = "", method: str = "POST", path: str = "/", body: Any = None) -> Call:
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
    if service:
        scope = f"key/20250101/us-east-1/{service}/aws4_request"
        environ["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=a"
    if action:
        environ["HTTP_X_AMZ_TARGET"] = f"T.{action}"
    return Call(environ, json.dumps(body).encode() if body else b"")


def query(service: str, action: str, more: str = "") -> Call:
    """A call of the Query protocol."""
    content = f"Action={action}{more}".encode()
    form = {"CONTENT_TYPE": "application/x-www-form-urlencoded"}
    return Call({**call(service).environ, **form}, content)


class Cloud:
    """Answers whatever comes, and remembers it."""

    def __init__(self, answer: Any = None) -> None:
        self.done: list[Call] = []
        self.answer = answer or {}

    def __call__(self, call: Call) -> Reply:
        self.done.append(call)
        return Reply(200, content=json.dumps(self.answer).encode())


def faults(cloud: Cloud, *dice: float, throttle: float = 0.5, lose: float = 0.5) -> Faults:
    """Draws ``dice`` one after the other: throttled?, lost?, how?"""
    numbers: Iterator[float] = iter(dice)
    options = Options(strict=True, throttle=throttle, lose=lose)
    return Faults(cloud, options, Throttles(1.0), lambda: next(numbers))


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("apigateway", "TooManyRequestsException", 429),
        ("batch", "TooManyRequestsException", 429),
        ("dynamodb", "ProvisionedThroughputExceededException", 400),
        ("ec2", "RequestLimitExceeded", 503),
        ("ecr", "ThrottlingException", 400),
        ("iam", "Throttling", 400),
        ("lambda", "TooManyRequestsException", 429),
        ("logs", "ThrottlingException", 400),
        ("s3", "SlowDown", 503),
    ],
)
def test_a_throttled_call_is_not_done_and_each_service_says_so_in_its_way(service: str, code: str, status: int) -> None:
    cloud = Cloud()
    reply = faults(cloud, THROTTLED, FINE, FINE)(call(service, path="/x"))
    assert reply.status == status and code.encode() in reply.content
    assert cloud.done == []


@pytest.mark.parametrize(
    ("how", "done", "said"),
    [(0.0, 0, 500), (0.24, 0, 500), (0.26, 1, 0), (0.74, 1, 0), (0.76, 1, 500), (0.99, 1, 500)],
)
def test_a_lost_answer_tells_nothing_whether_it_was_done_or_not(how: float, done: int, said: int) -> None:
    cloud = Cloud()
    reply = faults(cloud, FINE, LOST, how)(call("iam", "CreateRole"))
    assert (len(cloud.done), reply.status) == (done, said)
    assert (reply is DROPPED) == (said == 0)


def test_without_bad_luck_everything_passes() -> None:
    cloud = Cloud({"a": 1})
    assert faults(cloud, FINE, FINE, 0.0)(call("iam", "CreateRole")).content == b'{"a": 1}'


def test_the_health_of_the_cloud_is_never_lost() -> None:
    cloud = Cloud()
    assert faults(cloud)(call("", method="GET", path="/_awsrun/health")).status == 200


def put(number: int) -> dict[str, Any]:
    return {"PutRequest": {"Item": {"pk": {"S": str(number)}}}}


def test_half_of_a_throttled_batch_of_writes_comes_back() -> None:
    cloud = Cloud({"UnprocessedItems": {}})
    body = {"RequestItems": {"t": [put(number) for number in range(5)], "u": [put(9)]}}
    reply = json.loads(faults(cloud, THROTTLED, FINE, FINE)(call("dynamodb", "BatchWriteItem", body=body)).content)
    done = cloud.done[0].json["RequestItems"]
    left = reply["UnprocessedItems"]
    assert done == {"t": [put(0), put(1)], "u": [put(9)]}
    assert left == {"t": [put(2), put(3), put(4)]}


def test_half_of_a_throttled_batch_of_reads_comes_back_and_what_the_cloud_left_itself() -> None:
    keys = [{"pk": {"S": str(number)}} for number in range(4)]
    cloud = Cloud({"Responses": {"t": []}, "UnprocessedKeys": {"t": {"Keys": keys[1:2]}}})
    body = {"RequestItems": {"t": {"Keys": keys, "ConsistentRead": True}}}
    reply = json.loads(faults(cloud, THROTTLED, FINE, FINE)(call("dynamodb", "BatchGetItem", body=body)).content)
    assert cloud.done[0].json["RequestItems"]["t"] == {"Keys": keys[:2], "ConsistentRead": True}
    assert reply["UnprocessedKeys"]["t"] == {"Keys": keys[1:], "ConsistentRead": True}


def test_a_batch_of_one_is_throttled_as_a_whole() -> None:
    cloud = Cloud()
    body = {"RequestItems": {"t": [put(1)]}}
    assert faults(cloud, THROTTLED, FINE, FINE)(call("dynamodb", "BatchWriteItem", body=body)).status == 400
    assert cloud.done == []


REGIONAL = {"name": "a", "endpointConfiguration": {"types": ["REGIONAL"]}}

# What is called, how many may come at once, and how many a second after that.
RATES = [
    (lambda: call("batch", path="/v1/submitjob"), 50, 50.0),
    (lambda: call("ecs", "RunTask"), 20, 20.0),
    (lambda: call("ecs", "RunTask", body={"count": 10}), 10, 2.0),
    (lambda: call("logs", "DescribeLogGroups"), 10, 10.0),
    (lambda: call("logs", "GetLogEvents"), 25, 25.0),
    (lambda: call("apigateway", path="/restapis"), 1, 1 / 30),
    (lambda: call("apigateway", path="/restapis", body=REGIONAL), 1, 1 / 3),
    (lambda: call("apigateway", method="DELETE", path="/restapis/a"), 1, 1 / 30),
    (lambda: call("apigateway", path="/restapis/a/deployments"), 1, 1 / 5),
    (lambda: call("apigateway", method="GET", path="/restapis"), 40, 10.0),
    (lambda: call("lambda", method="PUT", path="/2015-03-31/functions/f/code"), 15, 15.0),
    (lambda: call("ec2", "DescribeVpcs"), 100, 20.0),
    (lambda: call("ec2", "CreateVpc"), 50, 5.0),
    (lambda: query("ec2", "RunInstances"), 5, 2.0),
    (lambda: query("ec2", "DeleteVpcEndpoints"), 4, 0.3),
    (lambda: query("ec2", "CreateNatGateway"), 10, 1.0),
    (lambda: query("ec2", "DescribeSecurityGroups"), 50, 10.0),
    (lambda: query("ec2", "DescribeSecurityGroups", "&MaxResults=100"), 100, 20.0),
    (lambda: query("ec2", "DescribeSecurityGroups", "&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1"), 100, 20.0),
    (lambda: call("ecs", "DescribeTasks"), 100, 20.0),
    (lambda: call("ecs", "RegisterTaskDefinition"), 20, 1.0),
    (lambda: call("ecs", "CreateService"), 50, 5.0),
]


@pytest.mark.parametrize(("make", "burst", "rate"), RATES, ids=range(len(RATES)))
@pytest.mark.parametrize("scale", [1.0, 0.02])
def test_published_rates(make: Callable[[], Call], burst: int, rate: float, scale: float) -> None:
    now = [0.0]
    throttles = Throttles(scale, lambda: now[0])
    assert [throttles.exceeded(make()) for _ in range(burst + 1)] == [False] * burst + [True]
    now[0] += 0.99 / rate * scale
    assert throttles.exceeded(make())
    now[0] += 0.02 / rate * scale
    assert not throttles.exceeded(make())
    assert throttles.exceeded(make())
    now[0] += 10 * burst / rate * scale
    assert [throttles.exceeded(make()) for _ in range(burst + 1)] == [False] * burst + [True], "no more than full"


def test_tasks_on_demand_and_on_spot_are_launched_at_a_rate_each() -> None:
    def launch(name: str, count: int = 10) -> bool:
        strategy = {"capacityProviderStrategy": [{"capacityProvider": name, "weight": 1}]}
        body = {"count": count, **(strategy if name == "FARGATE_SPOT" else {"launchType": name})}
        return throttles.exceeded(call("ecs", "RunTask", body=body))

    now = [0.0]
    throttles = Throttles(1.0, lambda: now[0])
    assert [launch("FARGATE_SPOT") for _ in range(11)] == [False] * 10 + [True]
    now[0] += 0.2  # 4 tasks, 4 calls
    assert not launch("FARGATE"), "on demand has its own"
    assert launch("FARGATE_SPOT", 5) and not launch("FARGATE_SPOT", 4), "a call is taken as a whole or not at all"


def test_a_call_for_tasks_may_be_throttled_within_ecs_which_says_so_in_its_own_way() -> None:
    cloud = Cloud()
    body = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}}
    reply = faults(cloud, THROTTLED, FINE, 0.0)(call("ecs", "RunTask", body=body))
    told = json.loads(reply.content)
    assert (told["__type"], cloud.done) == ("InvalidParameterException", [])
    error = ClientError({"Error": {"Code": told["__type"], "Message": told["message"]}}, "RunTask")
    assert outcome(error) == "throttled"


def test_what_has_a_bucket_of_its_own_and_what_shares_one() -> None:
    throttles = Throttles(1.0, lambda: 0.0)
    for _ in range(50):
        throttles.exceeded(call("ec2", "CreateVpc"))
    assert throttles.exceeded(call("ec2", "CreateVpc")) and not throttles.exceeded(call("ec2", "CreateSubnet"))
    for number in range(50):
        throttles.exceeded(call("ecs", "ListClusters" if number % 2 else "DescribeClusters"))
    assert throttles.exceeded(call("ecs", "ListClusters")) and throttles.exceeded(call("ecs", "DescribeClusters"))
    for _ in range(15):
        throttles.exceeded(call("lambda", method="PUT", path="/2015-03-31/functions/f/code"))
    assert throttles.exceeded(call("lambda", method="DELETE", path="/2015-03-31/functions/g"))
    assert not throttles.exceeded(call("lambda", path="/2015-03-31/functions/f/invocations")), "not control plane"
    assert not throttles.exceeded(call("lambda", method="GET", path="/2015-03-31/functions/f"))
