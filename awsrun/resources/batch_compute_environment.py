"""Managed compute environments of Batch: what jobs run on, scaled by AWS between two numbers of vCPUs.

``serviceRole`` is left out unless a spec names a role, so that Batch uses its service-linked role: an environment whose
own role was deleted first is stuck in DELETING for good, and one whose role is new may be INVALID until it is looked at
again (https://github.com/hashicorp/terraform-provider-aws/issues/37945), as one whose instance profile is new may be.
``desiredvCpus`` is Batch's own and never compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from awsrun.aws.clients import Cloud
from awsrun.aws.rights import Right, allow, equals
from awsrun.aws.tags import NAME
from awsrun.prices import machines
from awsrun.prices.price import Price
from awsrun.prices.table import Prices
from awsrun.resources.batch import EXISTS, GONE, MODIFIED, PHASES, BatchKind
from awsrun.resources.batch_compute_environment_spec import ComputeEnvironmentSpec
from awsrun.resources.ec2_launch_template import LEAST, VERSION, LaunchTemplateSpec
from awsrun.resources.iam_instance_profile import InstanceProfileSpec
from awsrun.resources.iam_role import RoleSpec
from awsrun.resources.kind import ABSENT, REPLACE, Change, Found, Owner, Refs, Seen, State
from awsrun.resources.ours import known, ours, outputs_of
from awsrun.resources.rights import iam_arn, pass_roles
from awsrun.spec.references import ResourceSpec

PRIVATE_TAG, DISK_TAG = "awsrun:private", "awsrun:disk-gib"  # what Batch does not tell, for the price
INSTANCE_POLICY = "service-role/AmazonEC2ContainerServiceforEC2Role"
_LINKED = ":role/aws-service-role/"
# What Batch says where a role, or an instance profile (?), is so new that not all of AWS knows it.
_LAGS = ("is not authorized to perform", "Invalid IamInstanceProfile", "Invalid IAM Instance Profile")


@dataclass(frozen=True)
class ComputeEnvironmentState(State):
    """``strategy``, ``instance_profile`` and ``launch_template`` are empty and ``instance_types``, ``min_vcpus`` and
    ``disk_gib`` are nothing on Fargate.

    Attributes:
        private, disk_gib: kept in tags of the environment, since Batch does not tell.
        launch_template: its id and version.
        service_role: empty for Batch's service-linked role.
        trouble: what Batch was not allowed to do, or did not find, when it last looked; an update makes it look again.
    """

    type: Annotated[str, REPLACE]
    strategy: Annotated[str, REPLACE]
    instance_types: Annotated[frozenset[str], REPLACE]
    private: Annotated[bool, REPLACE]
    subnets: Annotated[frozenset[str], REPLACE]
    security_groups: Annotated[frozenset[str], REPLACE]
    instance_profile: Annotated[str, REPLACE]
    disk_gib: Annotated[int, REPLACE]
    launch_template: Annotated[str, REPLACE]
    service_role: Annotated[str, REPLACE]
    min_vcpus: int
    max_vcpus: int
    enabled: bool
    trouble: str = ""


class ComputeEnvironment(BatchKind[ComputeEnvironmentSpec, ComputeEnvironmentState]):
    kind = "batch.compute_environment"
    Spec = ComputeEnvironmentSpec
    State = ComputeEnvironmentState
    identity = "name"
    hashed = True
    resource = "compute-environment"
    usual = 60.0
    actions: ClassVar[Mapping[str, str]] = {
        "find": "DescribeComputeEnvironments",
        "create": "CreateComputeEnvironment",
        "update": "UpdateComputeEnvironment",
        "delete": "UpdateComputeEnvironment DeleteComputeEnvironment",
    }
    absent = GONE
    exists = EXISTS
    # The service-linked role is made on the first use in an account, and lags (?), as a fresh instance profile may (?).
    retry = frozenset({*MODIFIED, "ClientException:service-linked role", "ClientException:instance profile"})
    # It says so for a while after the queue let go.
    blocked = frozenset({"ClientException:existing JobQueue relationship"})

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._looks: Counter[str] = Counter()  # environment -> how often this process had Batch look at it again

    def expand(self, name: str, spec: ComputeEnvironmentSpec) -> Mapping[str, ResourceSpec]:
        nodes: dict[str, ResourceSpec] = {}
        children: dict[str, str] = {}
        if not spec.fargate and spec.instance_profile is None:
            role, profile = f"{name}/role", f"{name}/profile"
            nodes[role] = RoleSpec(service="ec2", managed_policies=[INSTANCE_POLICY])
            nodes[profile] = InstanceProfileSpec(role=role)
            children["instance_profile"] = profile
        if not spec.fargate and spec.launch_template is None:
            children["launch_template"] = f"{name}/template"
            nodes[children["launch_template"]] = LaunchTemplateSpec(disk_gib=spec.disk())
        return {**nodes, name: spec.model_copy(update=children)}

    def lower(self, spec: ComputeEnvironmentSpec, refs: Refs) -> ComputeEnvironmentState:
        spec = spec.within({spec.vpc: refs.spec(spec.vpc)})
        groups = outputs_of(refs, spec.security_groups, "id")
        if not spec.security_groups:
            groups = known(refs.output(spec.vpc, "security_group"), lambda group: (group,))
        strategy = "SPOT_PRICE_CAPACITY_OPTIMIZED" if spec.spot else "BEST_FIT_PROGRESSIVE"
        return ComputeEnvironmentState(
            type=("FARGATE_SPOT" if spec.spot else "FARGATE") if spec.fargate else ("SPOT" if spec.spot else "EC2"),
            strategy="" if spec.fargate else strategy,
            instance_types=frozenset() if spec.fargate else frozenset(spec.instance_types or ["optimal"]),
            private=spec.subnets == "private",
            subnets=known(
                refs.output(spec.vpc, "private_subnets" if spec.subnets == "private" else "subnets"), frozenset
            ),
            security_groups=known(groups, frozenset),
            instance_profile=refs.output(spec.instance_profile, "arn") if spec.instance_profile else "",
            disk_gib=_template(spec, refs).disk_gib if spec.launch_template else 0,
            launch_template=known(refs.output(spec.launch_template, "id"), _first) if spec.launch_template else "",
            service_role=refs.output(spec.service_role, "arn") if spec.service_role else "",
            min_vcpus=spec.min_vcpus,
            max_vcpus=spec.max_vcpus,
            enabled=True,
        )

    def price(self, state: ComputeEnvironmentState, prices: Prices) -> Price:
        spot = state.type.endswith("SPOT")
        if state.type.startswith("FARGATE"):
            return machines.fargate(prices, state.max_vcpus, spot, not state.private)
        return _machines(prices, state, state.min_vcpus)

    def rights(self, stack: str, specs: Mapping[str, ComputeEnvironmentSpec]) -> Iterable[Right]:
        """The first environment of an account makes Batch's service-linked role
        (https://docs.aws.amazon.com/batch/latest/userguide/using-service-linked-roles.html)."""
        yield from super().rights(stack, specs)
        if any(not spec.fargate for spec in specs.values()):
            yield pass_roles("create", self.cloud, stack, "ec2")
        if any(spec.service_role for spec in specs.values()):
            yield pass_roles("create", self.cloud, stack, "batch")
        linked = iam_arn(self.cloud, "role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch")
        only = equals("iam:AWSServiceName", "batch.amazonaws.com")
        yield allow("create", "iam", "CreateServiceLinkedRole", linked, when=[only])

    def price_now(self, id: str, state: ComputeEnvironmentState, prices: Prices) -> float | None:
        """By the vCPUs that Batch keeps at the moment, which it does not tell of Fargate."""
        if state.type.startswith("FARGATE"):
            return None
        listed = self._list(computeEnvironments=[id])
        running = max((one.get("computeResources", {}).get("desiredvCpus", 0) for one in listed), default=0)
        return _machines(prices, state, running).idle

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        for entry in self._list():
            tags, seen = entry.get("tags", {}), self._seen(entry)
            if ours(tags, stack) and seen.phase != "absent":
                yield Found(tags[NAME], entry["computeEnvironmentName"], tags, seen)

    def read(self, id: str) -> Seen[ComputeEnvironmentState]:
        entries = list(self._list(computeEnvironments=[id]))
        return self._seen(entries[0]) if entries else ABSENT

    def create(self, state: ComputeEnvironmentState, owner: Owner) -> str:
        resources: dict[str, Any] = {
            "type": state.type,
            "maxvCpus": state.max_vcpus,
            "subnets": sorted(state.subnets),
            "securityGroupIds": sorted(state.security_groups),
        }
        if state.instance_types:
            resources |= {
                "minvCpus": state.min_vcpus,
                "allocationStrategy": state.strategy,
                "instanceTypes": sorted(state.instance_types),
                "instanceRole": state.instance_profile,
                "launchTemplate": dict(
                    zip(("launchTemplateId", "version"), state.launch_template.split(":"), strict=True)
                ),
                "tags": {"Name": owner.physical, **owner.tags},  # of the instances: find whose they are
            }
        own = {"serviceRole": state.service_role} if state.service_role else {}
        self.batch.create_compute_environment(
            computeEnvironmentName=owner.physical,
            type="MANAGED",
            state="ENABLED",
            computeResources=resources,
            tags={**owner.tags, PRIVATE_TAG: str(state.private).lower(), DISK_TAG: str(state.disk_gib)},
            **own,
        )
        return owner.physical

    def update(
        self, id: str, wanted: ComputeEnvironmentState, seen: ComputeEnvironmentState, changed: Collection[Change]
    ) -> None:
        resources = {"maxvCpus": wanted.max_vcpus}
        if wanted.instance_types:
            resources["minvCpus"] = wanted.min_vcpus
        state = "ENABLED" if wanted.enabled else "DISABLED"
        self.batch.update_compute_environment(computeEnvironment=id, state=state, computeResources=resources)
        self._looks[id] += bool(seen.trouble)

    def delete(self, id: str, seen: Seen[ComputeEnvironmentState]) -> None:
        """Disable, let that settle, delete: Batch deletes only what is DISABLED, and VALID or INVALID."""
        if seen.state is None or seen.phase in ("pending", "deleting"):
            return
        if seen.state.enabled:
            self.batch.update_compute_environment(computeEnvironment=id, state="DISABLED")
        else:
            self.batch.delete_compute_environment(computeEnvironment=id)

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        paginator = self.cloud.read("batch").get_paginator("describe_compute_environments")
        for page in paginator.paginate(**arguments):
            yield from page["computeEnvironments"]

    def _seen(self, entry: Mapping[str, Any]) -> Seen[ComputeEnvironmentState]:
        phase, why = PHASES[entry["status"]], entry.get("statusReason", "")
        if phase == "absent":
            return ABSENT
        lags = phase == "broken" and any(said in why for said in _LAGS)
        role, tags, name = entry.get("serviceRole", ""), entry.get("tags", {}), entry["computeEnvironmentName"]
        again = f" ({looks} times)" if (looks := self._looks[name]) else ""  # said once more it is no standstill
        resources = entry.get("computeResources", {})
        template = resources.get("launchTemplate", {})
        state = ComputeEnvironmentState(
            type=resources.get("type", ""),
            strategy=resources.get("allocationStrategy", ""),
            instance_types=frozenset(resources.get("instanceTypes", [])),
            private=tags.get(PRIVATE_TAG) == "true",
            subnets=frozenset(resources.get("subnets", [])),
            security_groups=frozenset(resources.get("securityGroupIds", [])),
            instance_profile=resources.get("instanceRole", ""),
            disk_gib=int(tags.get(DISK_TAG, 0)),
            launch_template=f"{template.get('launchTemplateId')}:{template.get('version')}" if template else "",
            service_role="" if _LINKED in role else role,
            min_vcpus=resources.get("minvCpus", 0),
            max_vcpus=resources.get("maxvCpus", 0),
            enabled=entry["state"] == "ENABLED",
            trouble=why + again if lags else "",
        )
        outputs = {"arn": entry["computeEnvironmentArn"], "name": name, "max_vcpus": state.max_vcpus}
        outputs |= {"capacity": state.type, "instance_types": sorted(state.instance_types)}
        return Seen(state, "ready" if lags else phase, why, outputs)


def _machines(prices: Prices, state: ComputeEnvironmentState, idle_vcpus: int) -> Price:
    """What instances cost, of which ``idle_vcpus`` are kept."""
    spot, public, disk = state.type == "SPOT", not state.private, state.disk_gib or LEAST
    return machines.ec2(prices, state.instance_types, idle_vcpus, state.max_vcpus, spot, public, disk)


def _template(spec: ComputeEnvironmentSpec, refs: Refs) -> LaunchTemplateSpec:
    template = refs.spec(spec.launch_template or "")
    assert isinstance(template, LaunchTemplateSpec)  # the reference was checked
    return template


def _first(template_id: str) -> str:
    return f"{template_id}:{VERSION}"
