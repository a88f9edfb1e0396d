"""What an identity must be allowed so that some calls of awsrun succeed: IAM actions on resources, under conditions.

Each layer says it of the calls that it makes itself; `awsrun.aws.documents` makes policies of it.  Which resources and
condition keys an action knows is in the Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
``sts:GetCallerIdentity`` is missing on purpose: it needs no permission
(https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from awsrun.aws.tags import STACK

Condition = tuple[str, str, tuple[str, ...]]  # operator, key, values
ANY = "*"  # for actions that know no resources


@dataclass(frozen=True)
class Right:
    """Some actions on some resources.

    Attributes:
        verb: what for, in the words of the layer that makes the calls (``create`` of a kind, ``submit`` of jobs).
        actions: ``service:Action``, as IAM spells them.
        resources: ARN patterns.
        when: conditions, all of which must hold.
    """

    verb: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    when: tuple[Condition, ...] = ()


def allow(verb: str, service: str, actions: str, *resources: str, when: Iterable[Condition] = ()) -> Right:
    """A right: ``actions`` are names of one service, separated by spaces; no resources means `ANY`."""
    names = tuple(f"{service}:{name}" for name in actions.split())
    return Right(verb, names, resources or (ANY,), tuple(when))


def equals(key: str, *values: str) -> Condition:
    """The request's ``key`` is one of ``values``."""
    return ("StringEquals", key, values)


def made_for(stack: str) -> Condition:
    """What is being made gets the owner tag of ``stack`` in the same call."""
    return equals(f"aws:RequestTag/{STACK}", stack)


def owned_by(stack: str) -> Condition:
    """What is there already has the owner tag of ``stack``."""
    return equals(f"aws:ResourceTag/{STACK}", stack)


def not_owned() -> Condition:
    """It has no owner tag yet: what is being made, never what another stack has."""
    return ("Null", f"aws:ResourceTag/{STACK}", ("true",))


def passed_to(*services: str) -> Condition:
    """A role is passed to nobody but these AWS services (short names: ``ecs-tasks``)."""
    return equals("iam:PassedToService", *(f"{service}.amazonaws.com" for service in services))
