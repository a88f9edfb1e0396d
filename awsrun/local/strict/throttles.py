"""The rates that AWS publishes, as token buckets per account and region."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from awsrun.local.calls import Call

_Key = tuple[str, str]  # region, and what has the bucket


@dataclass(frozen=True)
class Limit:
    """A bucket that holds ``burst`` calls and gets ``rate`` more a second.

    Attributes:
        calls: matches ``SERVICE:OPERATION``.
        each: every operation that matches has a bucket of its own; else they share one.
    """

    calls: re.Pattern[str]
    rate: float
    burst: float
    each: bool = True


def _limit(calls: str, rate: float, burst: float, each: bool = True) -> Limit:
    return Limit(re.compile(calls), rate, burst, each)


_LARGE = frozenset(
    {
        "DescribeInstances",
        "DescribeInstanceStatus",
        "DescribeNetworkInterfaces",
        "DescribeSecurityGroups",
        "DescribeSnapshots",
        "DescribeSpotInstanceRequests",
        "DescribeVolumes",
    }
)

# The first that matches counts.
LIMITS = (
    # https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html: each API by itself
    _limit(r"ec2:(RunInstances|StartInstances)", 2, 5),
    _limit(r"ec2:(Create|Modify)VpcEndpoint|ec2:DeleteVpcEndpoints", 0.3, 4),
    _limit(r"ec2:(Create|Delete)NatGateway|ec2:(Dis)?[Aa]ssociateNatGatewayAddress", 1, 10),
    _limit(r"ec2:(Create|Delete)Tags", 10, 100),
    _limit(r"ec2:(TerminateInstances|(Create|Delete)(NetworkInterface|Volume)|CreateLaunchTemplateVersion)", 5, 100),
    _limit(r"ec2:.* unfiltered", 10, 50),
    _limit(r"ec2:(Describe|Get|Search|List).*", 20, 100),
    _limit(r"ec2:.*", 5, 50),
    # https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
    _limit(r"batch:submitjob", 50, 50),
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    _limit(r"apigateway:DELETE /restapis/[^/]+", 1 / 30, 1),
    _limit(r"apigateway:POST /restapis edge", 1 / 30, 1),
    _limit(r"apigateway:POST /restapis", 1 / 3, 1),
    _limit(r"apigateway:POST /restapis/[^/]+/deployments", 1 / 5, 1),
    _limit(r"apigateway:PUT /restapis/[^/]+", 1, 1, each=False),
    _limit(r"apigateway:GET /restapis/[^/]+/resources", 5 / 2, 5, each=False),
    _limit(r"apigateway:.*", 10, 40, each=False),
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: the control plane without reads
    _limit(r"lambda:(POST|PUT|DELETE) /2015-03-31/functions(?!/[^/]+/invocations).*", 15, 15, each=False),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
    _limit(r"logs:(CreateLogGroup|DescribeLogGroups|DeleteLogGroup)", 10, 10),
    _limit(r"logs:(GetLogEvents|FilterLogEvents)", 25, 25),
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html: each category by itself
    _limit(r"ecs:(CreateCluster|DeleteCluster|PutClusterCapacityProviders|UpdateCluster.*)", 1, 20, each=False),
    _limit(r"ecs:(Describe|List)Clusters", 20, 50, each=False),
    _limit(r"ecs:(Register|Deregister)TaskDefinition", 1, 20, each=False),
    _limit(r"ecs:DeleteTaskDefinitions", 1, 5),
    _limit(r"ecs:(DescribeTaskDefinition|ListTaskDefinition.*)", 20, 50, each=False),
    _limit(r"ecs:(CreateService|DeleteService|UpdateService)", 5, 50, each=False),
    _limit(r"ecs:(Describe|List)Services", 20, 100, each=False),
    _limit(r"ecs:(Describe|List)(Tasks|ContainerInstances)", 20, 100, each=False),
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html: Fargate's, less than ECS's own
    _limit(r"ecs:RunTask", 20, 20),
    _limit(r"ecs:(StartTask|StopTask|ExecuteCommand)", 40, 100, each=False),
)
# The same page: tasks, whatever the number of calls; on demand and spot each by itself.
LAUNCHES = _limit(r"FARGATE|FARGATE_SPOT", 20, 100)


class Throttles:
    """Counts calls against `LIMITS`, and the tasks that they launch against `LAUNCHES`.

    Args:
        scale: seconds here for one second of AWS: rates are divided by it.
        now: monotonic seconds.
    """

    def __init__(self, scale: float, now: Callable[[], float] = time.monotonic) -> None:
        self._scale, self._now = scale, now
        self._buckets: dict[_Key, tuple[float, float]] = {}  # -> tokens, when that was
        self._lock = threading.Lock()

    def exceeded(self, call: Call) -> bool:
        """Whether ``call`` comes too soon; if not, it takes its tokens."""
        costs = _costs(call)
        with self._lock:
            now = self._now()
            there = {key: self._tokens(key, limit, now) for key, (limit, _) in costs.items()}
            passes = all(there[key] >= cost for key, (_, cost) in costs.items())
            for key, (_, cost) in costs.items():
                self._buckets[key] = (there[key] - cost if passes else there[key], now)
            return not passes

    def _tokens(self, key: _Key, limit: Limit, now: float) -> float:
        tokens, since = self._buckets.get(key, (limit.burst, now))
        return min(limit.burst, tokens + (now - since) * limit.rate / self._scale)


def _costs(call: Call) -> dict[_Key, tuple[Limit, float]]:
    """The buckets that a call takes from, and how much of each."""
    service, region = call.scope
    name = f"{service}:{operation(call)}"
    limit = next((limit for limit in LIMITS if limit.calls.fullmatch(name)), None)
    costs = {} if limit is None else {(region, name if limit.each else limit.calls.pattern): (limit, 1.0)}
    return costs | {(region, capacity): (LAUNCHES, float(tasks)) for capacity, tasks in launched(call).items()}


def launched(call: Call) -> dict[str, int]:
    """Fargate tasks that a call asks for, by capacity; where its strategy names several, each counts for all."""
    if call.scope[0] != "ecs" or call.action != "RunTask":
        return {}
    strategy = call.json.get("capacityProviderStrategy") or ()
    capacities = [one.get("capacityProvider") for one in strategy] or [call.json.get("launchType") or "FARGATE"]
    asked = call.json.get("count", 1)
    count = asked if isinstance(asked, int) and asked <= LAUNCHES.burst else 1  # ECS refuses others
    return {name: count for name in capacities if LAUNCHES.calls.fullmatch(str(name))}


def operation(call: Call) -> str:
    """What is called: an operation's name, Batch's path, or method and path of other REST services.

    EC2's largest lists are ``unfiltered`` where they are asked for with neither a filter nor a size of page; a new REST
    API is one at the ``edge`` unless it is said to be regional or private.
    """
    if call.scope[0] == "ec2" and call.action in _LARGE:
        narrowed = any(name.startswith(("Filter.", "MaxResults", "NextToken")) for name in call.form)
        return call.action if narrowed else f"{call.action} unfiltered"
    if call.action:
        return call.action
    if call.scope[0] == "batch":
        return call.path.rsplit("/", 1)[-1]
    rest = f"{call.method} {call.path}"
    types = (call.json.get("endpointConfiguration") or {}).get("types") or ["EDGE"]
    return f"{rest} edge" if rest == "POST /restapis" and "EDGE" in types else rest
