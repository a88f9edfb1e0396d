"""IAM: AWS's managed policies are there when asked for, and two calls that kinds need behave as on AWS."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

_OF_AWS = "arn:aws:iam::aws:policy/"


def managed_policies(module: ModuleType) -> None:
    """Patch ``moto.iam.models``: each policy that AWS itself manages is made when it is first named.

    moto knows all 1,600 of them, but makes none or all, which costs a second and four megabytes in each snapshot.
    """

    @functools.cache
    def known() -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(module.aws_managed_policies_data)
        return loaded

    def load(backend: Any, arn: str) -> None:
        name = arn.rpartition("/")[2]
        if arn.startswith(_OF_AWS) and arn not in backend.managed_policies and name in known():
            policy = module.AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, known()[name])
            backend.managed_policies[policy.arn] = policy
            backend.aws_managed_policies.append(policy)

    for method in ("attach_role_policy", "attach_user_policy", "attach_group_policy", "get_policy"):
        _load_first(module.IAMBackend, method, load)


def _load_first(backend: type, method: str, load: Callable[[Any, str], None]) -> None:
    original = getattr(backend, method)

    @functools.wraps(original)
    def loaded(self: Any, policy_arn: str, *args: Any, **kwargs: Any) -> Any:
        load(self, policy_arn)
        return original(self, policy_arn, *args, **kwargs)

    setattr(backend, method, loaded)


def linked_role_names(module: ModuleType) -> None:
    """Patch ``moto.iam.models``: Batch's role is AWSServiceRoleForBatch, not ...Forbatch."""
    module.__dict__["SERVICE_NAME_CONVERSION"].update(batch="Batch", ecs="ECS", spot="EC2Spot")


def instance_profile_tags(module: ModuleType) -> None:
    """Patch ``moto.iam.responses``: ListInstanceProfileTags, which moto 5.2 does not have."""

    def list_instance_profile_tags(self: Any) -> Any:
        profile = self.backend.get_instance_profile(self._get_param("InstanceProfileName"))
        return module.ActionResult({"Tags": profile.tags, "IsTruncated": False})

    module.IamResponse.list_instance_profile_tags = list_instance_profile_tags
