"""What a call only names and IAM wants to know: full ARNs, tags, keys.  Read from moto, under the world's lock.

moto's modules are imported when they are first needed, as everywhere in the server.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from awsrun.local.batch.service import Batch
    from awsrun.local.ecs.service import Ecs

_ACCOUNT = "123456789012"
_GLOBAL = frozenset({"iam", "s3", "sts"})


class Directory:
    """Looks things up; what is not there is None or empty.

    Args:
        batch, ecs: the embedded Batch and ECS, whose records are their own.
    """

    def __init__(self, batch: Batch | None = None, ecs: Ecs | None = None) -> None:
        self._batch, self._ecs = batch, ecs

    def backend(self, service: str, region: str = "") -> Any:
        """moto's records of a service."""
        prefix = "lambda" if service == "awslambda" else service
        backends = getattr(importlib.import_module(f"moto.{service}.models"), f"{prefix}_backends")
        return backends[_ACCOUNT]["aws" if service in _GLOBAL else region]

    def iam_arn(self, kind: str, name: str) -> str:
        """The ARN of a role, user, group or instance profile, with its path where it is known."""
        records = getattr(self.backend("iam"), f"{kind.replace('-', '_')}s")
        found = next((one for one in records.values() if one.name == name), None)
        path = found.path if found is not None else "/"
        return f"arn:aws:iam::{_ACCOUNT}:{kind}{path}{name}"

    def role_of_profile(self, name: str) -> str | None:
        """The ARN of the role in an instance profile, given by name or ARN."""
        short = name.rsplit("/", 1)[-1]
        for profile in self.backend("iam").instance_profiles.values():
            if profile.name == short and profile.roles:
                return str(profile.roles[0].arn)
        return None

    def has_role(self, name: str) -> bool:
        """Whether a role of that name is there."""
        return any(role.name == name for role in self.backend("iam").roles.values())

    def boundary(self, role: str) -> tuple[str, ...]:
        """The ARN of a role's permissions boundary, or nothing."""
        found = (one for one in self.backend("iam").roles.values() if one.name == role)
        return tuple(one.permissions_boundary_arn for one in found if one.permissions_boundary_arn)

    def has_object(self, bucket: str, key: str) -> bool:
        """Whether an object is there; also True for a bucket that is not, whose own error says so."""
        buckets = self.backend("s3").buckets
        return bucket not in buckets or key in buckets[bucket].keys

    def bucket_policy(self, bucket: str) -> str:
        """A bucket's policy, or an empty string."""
        buckets = self.backend("s3").buckets
        policy = buckets[bucket].policy if bucket in buckets else None
        return policy.decode() if isinstance(policy, bytes) else str(policy or "")

    def function_policy(self, arn: str) -> str:
        """A Lambda function's policy, or an empty string; ``arn`` may end with a version or an alias."""
        _, _, _, region, _, _, name, *_ = arn.split(":")
        known = self.backend("awslambda", region)._lambdas._functions.get(name)
        if known is None or not known["latest"].policy.statements:
            return ""
        kept = ("Sid", "Effect", "Principal", "Action", "Resource", "Condition")
        said = [{key: one[key] for key in kept if key in one} for one in known["latest"].policy.statements]
        for statement in said:
            if re.fullmatch(r"\d{12}", str(statement["Principal"])):
                statement["Principal"] = {"AWS": f"arn:aws:iam::{statement['Principal']}:root"}
            elif str(statement["Principal"]).startswith("arn:"):
                statement["Principal"] = {"AWS": statement["Principal"]}
        return json.dumps({"Version": "2012-10-17", "Statement": said})

    def task_roles(self, region: str, definition: str) -> Mapping[str, str]:
        """The roles in a task definition, by the names of their fields; none where there is no such definition."""
        known = self._ecs.regions.get(region) if self._ecs is not None else None
        try:
            found = known.definitions.runnable(definition) if known is not None else {}
        except Exception:  # not there: ECS itself says so
            return {}
        return {field: found[field] for field in ("taskRoleArn", "executionRoleArn") if found.get(field)}

    def partition_key(self, region: str, table: str) -> str:
        """The name of a table's partition key."""
        found = self.backend("dynamodb", region).tables.get(table)
        return str(found.hash_key_attr) if found is not None else ""

    def key_pair(self, region: str, id: str = "", name: str = "") -> tuple[str, str]:
        """Name and id of a key pair, given by either; empty where there is none."""
        pairs = self.backend("ec2", region).key_pairs.values()
        return next(((one.key_name, one.id) for one in pairs if one.id == id or one.key_name == name), ("", ""))

    def instance_of(self, region: str, association: str) -> str:
        """The id of the instance that an association gives a profile to."""
        known = self.backend("ec2", region).iam_instance_profile_associations
        return next((id for id, one in known.items() if one.association_id == association), "i-*")

    def address(self, region: str, association: str) -> list[str]:
        """The ids of the Elastic IP and the network interface that an association joins."""
        for one in self.backend("ec2", region).addresses:
            if one.association_id == association and one.eni is not None:
                return [one.allocation_id, one.eni.id]
        return []

    def association(self, region: str, association: str) -> list[str]:
        """The ids of the route table and the subnet that an association joins."""
        for table in self.backend("ec2", region).route_tables.values():
            for one in table.associations:
                if one["RouteTableAssociationId"] == association:
                    return [str(one[key]) for key in ("RouteTableId", "SubnetId") if one.get(key)]
        return []

    def tags(self, arn: str) -> Mapping[str, str]:
        """The tags of a resource."""
        _, _, service, region, _, resource = arn.split(":", 5)
        finder = getattr(self, f"_{service}_tags", None)
        found: Mapping[str, str] = finder(region, resource, arn) if finder else {}
        return found

    def _ec2_tags(self, region: str, resource: str, arn: str) -> Mapping[str, str]:
        identity = resource.rpartition("/")[2]
        if resource.startswith("key-pair/"):
            identity = self.key_pair(region, name=identity)[1] or identity
        return dict(self.backend("ec2", region).tags.get(identity, {}))

    def _iam_tags(self, region: str, resource: str, arn: str) -> Mapping[str, str]:
        iam, kind, name = self.backend("iam"), resource.partition("/")[0], resource.rpartition("/")[2]
        if kind == "role":
            return _mapping(next((role.tags for role in iam.roles.values() if role.name == name), ()))
        if kind == "instance-profile":
            return _mapping(next((one.tags for one in iam.instance_profiles.values() if one.name == name), ()))
        return _mapping(iam.tagger.list_tags_for_resource(arn)["Tags"])

    def _dynamodb_tags(self, region: str, resource: str, arn: str) -> Mapping[str, str]:
        table = self.backend("dynamodb", region).tables.get(resource.split("/")[1]) if "/" in resource else None
        return _mapping(table.tags) if table is not None else {}

    def _apigateway_tags(self, region: str, resource: str, arn: str) -> Mapping[str, str]:
        """What is below an API has its tags."""
        found = self.backend("apigateway", region).apis.get(resource.removeprefix("/restapis/").partition("/")[0])
        return dict(found.tags or {}) if found is not None else {}

    def _lambda_tags(self, region: str, resource: str, arn: str) -> Mapping[str, str]:
        name = resource.removeprefix("function:").partition(":")[0]
        functions = self.backend("awslambda", region).list_functions()
        return next((dict(one.tags) for one in functions if one.function_name == name), {})

    def _logs_tags(self, region: str, resource: str, arn: str) -> Mapping[str, str]:
        name = resource.removeprefix("log-group:").split(":")[0]
        backend = self.backend("logs", region)
        group = backend.groups.get(name)
        return dict(backend.tagger.get_tag_dict_for_resource(group.arn)) if group is not None else {}

    def _ecr_tags(self, region: str, resource: str, arn: str) -> Mapping[str, str]:
        return dict(self.backend("ecr", region).tagger.get_tag_dict_for_resource(arn))

    def _s3_tags(self, region: str, resource: str, arn: str) -> Mapping[str, str]:
        return dict(self.backend("s3").tagger.get_tag_dict_for_resource(f"arn:aws:s3:::{resource.split('/')[0]}"))

    def _batch_tags(self, region: str, resource: str, arn: str) -> Mapping[str, str]:
        known = self._batch.regions.get(region) if self._batch is not None else None
        try:
            return dict(known.tags(arn)) if known is not None else {}
        except Exception:  # not there: Batch itself says so
            return {}


def _mapping(tags: Any) -> Mapping[str, str]:
    return {str(tag.get("Key", tag.get("key"))): str(tag.get("Value", tag.get("value", ""))) for tag in tags or ()}
