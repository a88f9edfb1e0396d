"""Services of ECS on Fargate: so many tasks that are kept running, deployed anew with every new task definition.

A deployment whose tasks do not start is ended by the circuit breaker, and the one before comes back
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html).  Services drain before
they are gone; their name is free only then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from botocore.exceptions import ClientError

from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME
from awsrun.prices import machines
from awsrun.prices.price import Price, always
from awsrun.prices.table import Prices
from awsrun.resources.ecs import CLUSTER_GONE, FIRST_USE, UNTAGGABLE, EcsKind, listed, tags_of
from awsrun.resources.ecs_service_spec import ServiceSpec
from awsrun.resources.ecs_task_definition_spec import TaskDefinitionSpec
from awsrun.resources.kind import ABSENT, REPLACE, Change, Found, Owner, Phase, Refs, Seen, State
from awsrun.resources.ours import known, ours, outputs_of
from awsrun.resources.rights import explicit

SPOT, ON_DEMAND = "FARGATE_SPOT", "FARGATE"
COUNT = 1  # tasks of a service that does not say how many, when it is made


@dataclass(frozen=True)
class ServiceState(State):
    """``cluster`` and ``task_definition`` are ARNs.

    Attributes:
        desired_count: None where the spec leaves it to others.
        vcpus, memory_mib: of a task, by its definition; for the price.
        rolled_back: what ECS last said of a deployment that failed; never wanted.
    """

    cluster: Annotated[str, REPLACE]
    task_definition: str
    desired_count: int | None
    spot: bool
    subnets: frozenset[str]
    security_groups: frozenset[str]
    public_address: bool
    roll_back: bool
    vcpus: float
    memory_mib: int
    architecture: str
    storage_gib: int
    rolled_back: str | None = None


class Service(EcsKind[ServiceSpec, ServiceState]):
    """Ids are ARNs: they have the cluster in them."""

    kind = "ecs.service"
    Spec = ServiceSpec
    State = ServiceState
    identity = "token"
    alone = True  # its name is taken until it is gone
    name_limit = 255
    usual = 90.0
    absent = CLUSTER_GONE | UNTAGGABLE | {"ServiceNotFoundException", "ServiceNotActiveException"}
    retry = FIRST_USE | {
        "ClusterNotFoundException",  # it was made a moment ago
        "ClientException:TaskDefinition not found",
        "InvalidParameterException:still Draining",
        "InvalidParameterException:scaled above 0",  # its scaling down does not show everywhere yet
    }

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self._deployed: set[tuple[str, str]] = set()  # service and task definition: what this process asked for

    # -- what is wanted ---------------------------------------------------------------------------------------------

    def lower(self, spec: ServiceSpec, refs: Refs) -> ServiceState:
        spec = spec.within({spec.vpc: refs.spec(spec.vpc)})
        groups = outputs_of(refs, spec.security_groups, "id")
        if not spec.security_groups:
            groups = known(refs.output(spec.vpc, "security_group"), lambda group: (group,))
        private = spec.subnets == "private"
        definition = refs.spec(spec.task_definition)
        assert isinstance(definition, TaskDefinitionSpec)  # the reference was checked
        return ServiceState(
            cluster=refs.output(spec.cluster, "arn"),
            task_definition=refs.output(spec.task_definition, "arn"),
            desired_count=spec.desired_count,
            spot=spec.spot,
            subnets=known(refs.output(spec.vpc, "private_subnets" if private else "subnets"), frozenset),
            security_groups=known(groups, frozenset),
            public_address=not private,
            roll_back=spec.roll_back,
            vcpus=float(definition.vcpus),
            memory_mib=definition.memory_mib,
            architecture=definition.architecture or "x86_64",
            storage_gib=definition.storage_gib,
        )

    def arn(self, physical: str) -> str:
        """Of no use without the cluster, which tells where a service is."""
        return self.ecs_arn(f"service/*/{physical}")

    def price(self, state: ServiceState, prices: Prices) -> Price:
        """Its tasks run all the time."""
        count = COUNT if state.desired_count is None else state.desired_count
        arm, public = state.architecture == "arm64", state.public_address
        one = machines.fargate_task(prices, state.vcpus, state.memory_mib, arm, state.storage_gib, public)
        note = f"{count} × {state.vcpus:g} vCPU with {state.memory_mib / 1024:g} GB"
        return always(None if one is None else count * one, f"{note}; {machines.SPOT}" if state.spot else note)

    def rights(self, stack: str, specs: Mapping[str, ServiceSpec]) -> Iterable[Right]:
        own = [self.ecs_arn(f"service/*/{name}") for name in (f"{stack}-*", *explicit(specs.values()))]
        tasks = self.ecs_arn("task/*")
        yield allow("find", "ecs", "ListClusters ListServices DescribeTaskDefinition")
        yield allow("read", "ecs", "ListTasks")
        yield allow("find", "ecs", "DescribeClusters", self.ecs_arn("cluster/*"))
        yield allow("find", "ecs", "DescribeServices", *(own if specs else [self.ecs_arn("service/*")]))
        yield allow("read", "ecs", "DescribeTasks", tasks)
        yield allow("create", "ecs", "CreateService TagResource", *own)
        yield allow("update", "ecs", "UpdateService", *own)
        yield allow("tag", "ecs", "TagResource UntagResource", *own)
        yield allow("delete", "ecs", "UpdateService DeleteService", *own)

    # -- what is there ----------------------------------------------------------------------------------------------

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Services are in clusters of their stack."""
        for cluster in self.clusters():
            if cluster["status"] == "INACTIVE" or not ours(tags_of(cluster), stack):
                continue
            arn = cluster["clusterArn"]
            pages = self.looking.get_paginator("list_services").paginate(cluster=arn)
            names = (one for page in pages for one in page["serviceArns"])
            for entry in self.described("describe_services", "services", names, 10, cluster=arn, include=["TAGS"]):
                tags, seen = tags_of(entry), self._seen(entry)
                if ours(tags, stack) and seen.phase != "absent":
                    yield Found(tags[NAME], entry["serviceArn"], tags, seen)

    def read(self, id: str) -> Seen[ServiceState]:
        try:
            found = self.looking.describe_services(cluster=_cluster(id), services=[id])["services"]
        except ClientError as error:
            if matches(error, CLUSTER_GONE):
                return ABSENT
            raise
        return self._seen(found[0]) if found else ABSENT

    # -- making it so -----------------------------------------------------------------------------------------------

    def create(self, state: ServiceState, owner: Owner) -> str:
        answer = self.ecs.create_service(
            cluster=state.cluster,
            serviceName=owner.physical,
            clientToken=owner.token,
            desiredCount=COUNT if state.desired_count is None else state.desired_count,
            propagateTags="SERVICE",  # tasks have the owner tags too
            tags=listed(owner.tags),
            **_deployment(state),
        )
        return str(answer["service"]["serviceArn"])

    def update(self, id: str, wanted: ServiceState, seen: ServiceState, changed: Collection[Change]) -> None:
        """Everything in one call.

        Raises:
            AwsrunError: this process deployed the definition already, and ECS gave it up.
        """
        fields = {change.field for change in changed}
        if "task_definition" in fields:
            if seen.rolled_back and (id, wanted.task_definition) in self._deployed:
                new, old = _last(wanted.task_definition), _last(seen.task_definition)
                raise AwsrunError(
                    f"the deployment of {new} failed, and {old} is back",
                    seen.rolled_back,
                    "mend the cause and run again",
                )
            self._deployed.add((id, wanted.task_definition))
        count = {} if wanted.desired_count is None else {"desiredCount": wanted.desired_count}
        how = _deployment(wanted)
        if "spot" in fields:  # else it is left out: https://github.com/pipe-cd/pipecd/pull/6385
            how["forceNewDeployment"] = True
        else:
            del how["capacityProviderStrategy"]
        self.ecs.update_service(cluster=_cluster(id), service=id, **how, **count)

    def delete(self, id: str, seen: Seen[ServiceState]) -> None:
        """Scale to nothing, delete; then it drains."""
        if seen.phase == "deleting":
            return
        if seen.state is None or seen.state.desired_count:
            self.ecs.update_service(cluster=_cluster(id), service=id, desiredCount=0)
        else:
            self.ecs.delete_service(cluster=_cluster(id), service=id)

    # -- within -------------------------------------------------------------------------------------------------------

    def _seen(self, entry: Mapping[str, Any]) -> Seen[ServiceState]:
        if entry["status"] == "INACTIVE":
            return ABSENT
        outputs = {"arn": entry["serviceArn"], "name": entry["serviceName"], "cluster": entry["clusterArn"]}
        if entry["status"] == "DRAINING":
            return Seen(None, "deleting", "its tasks are ending", outputs)
        definition = self.looking.describe_task_definition(taskDefinition=entry["taskDefinition"])["taskDefinition"]
        network = entry.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        strategy = entry.get("capacityProviderStrategy") or [{}]
        breaker = entry["deploymentConfiguration"].get("deploymentCircuitBreaker", {})
        phase, why = self._phase(entry)
        said = (event["message"] for event in entry.get("events", ()) if "deployment failed" in event["message"])
        state = ServiceState(
            cluster=entry["clusterArn"],
            task_definition=entry["taskDefinition"],
            desired_count=entry["desiredCount"],
            spot=strategy[0].get("capacityProvider") == SPOT,
            subnets=frozenset(network.get("subnets", ())),
            security_groups=frozenset(network.get("securityGroups", ())),
            public_address=network.get("assignPublicIp") == "ENABLED",
            roll_back=bool(breaker.get("enable") and breaker.get("rollback")),
            vcpus=int(definition.get("cpu") or 0) / 1024,
            memory_mib=int(definition.get("memory") or 0),
            architecture=definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64").lower(),
            storage_gib=definition.get("ephemeralStorage", {}).get("sizeInGiB", 20),
            rolled_back=next(said, ""),
        )
        return Seen(state, phase, why, outputs)

    def _phase(self, entry: Mapping[str, Any]) -> tuple[Phase, str]:
        """Whether it is as it is to be, and what is missing."""
        primary: Mapping[str, Any] = next((one for one in entry["deployments"] if one["status"] == "PRIMARY"), {})
        failed = primary.get("failedTasks", 0)
        running, desired = entry["runningCount"], entry["desiredCount"]
        why = f"{running} of {desired} tasks run"
        if failed:
            why += f", {failed} did not start{self._last_end(entry)}"
        if primary.get("rolloutState") == "FAILED":
            return "broken", why
        settled = len(entry["deployments"]) == 1 and primary.get("rolloutState", "COMPLETED") == "COMPLETED"
        return ("ready", "") if settled and running == desired else ("pending", why)

    def _last_end(self, entry: Mapping[str, Any]) -> str:
        """Why one of its tasks stopped; empty where none is shown (any more)."""
        cluster = entry["clusterArn"]
        arns = self.looking.list_tasks(cluster=cluster, serviceName=entry["serviceName"], desiredStatus="STOPPED")
        if not arns["taskArns"]:
            return ""
        tasks = self.looking.describe_tasks(cluster=cluster, tasks=arns["taskArns"][-1:])["tasks"]
        return next((f": {task['stoppedReason']}" for task in tasks if task.get("stoppedReason")), "")


def _deployment(state: ServiceState) -> dict[str, Any]:
    """How its tasks are run, as CreateService and UpdateService take it."""
    network = {
        "subnets": sorted(state.subnets),
        "securityGroups": sorted(state.security_groups),
        "assignPublicIp": "ENABLED" if state.public_address else "DISABLED",
    }
    return {
        "taskDefinition": state.task_definition,
        "capacityProviderStrategy": [{"capacityProvider": SPOT if state.spot else ON_DEMAND, "weight": 1}],
        "networkConfiguration": {"awsvpcConfiguration": network},
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": state.roll_back, "rollback": state.roll_back},
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
    }


def _cluster(service_arn: str) -> str:
    """The name of the cluster in a service's ARN."""
    return service_arn.split("/")[1]


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
