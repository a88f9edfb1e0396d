"""What EC2 shows only after a while: new resources to calls that name them, to lists, and new tags to filters.

https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html: a call that names what was just made may
answer NotFound, and may do so even after a describe call has found it.  Codes are those of
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html; VPC endpoints spell some of their own
(https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/ec2/errors.go).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from awsrun.local import clock
from awsrun.local.calls import Call, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.ec2_xml import listed, made
from awsrun.local.strict.ledger import Key, Ledger

# Seconds, at most: until calls that name it find it; until lists show it and no call misses it any more.
KNOWN, LISTED = 3.0, 8.0
TAGGED = 8.0  # until filters know of a tag that was added later

_ID = re.compile(r"(vpc|subnet|sg|rtb|igw|vpce|nat|eipalloc|lt|key|i|vol|eni)-[0-9a-f]{8,17}")
_NOT_FOUND = {
    "eipalloc": ("InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist"),
    "eni": ("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{}' does not exist"),
    "i": ("InvalidInstanceID.NotFound", "The instance ID '{}' does not exist"),
    "igw": ("InvalidInternetGatewayID.NotFound", "The internetGateway ID '{}' does not exist"),
    "key": ("InvalidKeyPair.NotFound", "The key pair ID '{}' does not exist"),
    "lt": ("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID {}, does not exist."),
    "nat": ("NatGatewayNotFound", "The Nat Gateway {} was not found"),
    "rtb": ("InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist"),
    "sg": ("InvalidGroup.NotFound", "The security group '{}' does not exist"),
    "subnet": ("InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"),
    "vol": ("InvalidVolume.NotFound", "The volume '{}' does not exist."),
    "vpc": ("InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"),
    "vpce": ("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist"),
}
_OF_ROUTES = {
    "igw": ("InvalidGatewayID.NotFound", "The gateway ID '{}' does not exist"),
    "nat": ("InvalidNatGatewayID.NotFound", "The NatGateway ID '{}' does not exist"),
}
_OF_ENDPOINTS = {
    "rtb": ("InvalidRouteTableId.NotFound", "The routeTable ID '{}' does not exist"),
    "subnet": ("InvalidSubnetId.NotFound", "The subnet ID '{}' does not exist"),
    "vpc": ("InvalidVpcId.NotFound", "The Vpc Id {} does not exist"),
}
_OTHERS = {
    "CreateRoute": _OF_ROUTES,
    "ReplaceRoute": _OF_ROUTES,
    "CreateVpcEndpoint": _OF_ENDPOINTS,
    "ModifyVpcEndpoint": _OF_ENDPOINTS,
}
# Parameters that name nothing, or nothing that has to be there.
_WORDS = ("Filter.", "TagSpecification.", "Tag.", "ClientToken", "UserData", "Description", "LaunchTemplateData.")
# What calls may name by a name of its own: which parameter has it, what makes one and where the answer has its name,
# and how AWS says that it does not know it.  New key pairs: https://github.com/supergiant/control/issues/896
# (RunInstances), https://github.com/hashicorp/terraform-provider-aws/issues/44835 (lists).
_NAMES = {
    "KeyName": (
        ("CreateKeyPair", "ImportKeyPair"),
        "keyName",
        ("InvalidKeyPair.NotFound", "The key pair '{}' does not exist"),
    ),
    "LaunchTemplateName": (
        ("CreateLaunchTemplate",),
        "launchTemplateName",
        (
            "InvalidLaunchTemplateName.NotFoundException",
            "At least one of the launch templates specified in the request does not exist.",
        ),
    ),
}


class Visibility:
    """Who may see what was just made."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def missing(self, call: Call) -> Reply | None:
        """The refusal of a call that names what is not known everywhere yet."""
        if call.action == "DeleteVpcEndpoints":
            return None  # answers 200 and says for each what became of it: see `ec2_states`
        for id in named(call):
            if self.hidden(_key(call, id)):
                return not_found(call, id)
        for field, name in call.form.items():
            parameter = field.partition(".")[0]
            if parameter in _NAMES and self.hidden(_key(call, parameter, name)):
                makers, _, (code, message) = _NAMES[parameter]
                if call.action not in makers:
                    return refusal(call, code, message.format(name))
        return None

    def hidden(self, key: Key) -> bool:
        """Whether a call that names ``key`` does not find it: at first never, then here and there."""
        return self._ledger.unknown(key) or (self._ledger.unlisted(key) and _elsewhere(key))

    def note(self, call: Call, root: Element) -> list[tuple[str, Element]]:
        """Remember what a successful call made; ids and elements of what is new.  A repeated client token brings the
        first answer once more, of which nothing is new."""
        fresh = []
        for id, entry in made(call.action, root):
            key = _key(call, id)
            if self._ledger.phase((*key, "made")):
                continue
            self._ledger.enter((*key, "made"), "made", float("inf"))
            self._ledger.made(key, KNOWN, LISTED)
            for parameter, (makers, field, _) in _NAMES.items():
                if call.action in makers and (name := entry.findtext(field)):
                    self._ledger.made(_key(call, parameter, name), KNOWN, LISTED)
            fresh.append((id, entry))
        return fresh

    def note_tags(self, call: Call) -> None:
        """Remember which tags a successful CreateTags has set."""
        form = call.form
        keys = [value for field, value in form.items() if re.fullmatch(r"Tag\.\d+\.Key", field)]
        for field, id in form.items():
            if field.startswith("ResourceId."):
                for tag in keys:
                    self._ledger.made(_key(call, id, "tag", tag), TAGGED, TAGGED)

    def hide(self, call: Call, root: Element) -> None:
        """Take out of a list what it does not show yet."""
        by_id = any(True for _ in named(call))
        tags = _filtered_tags(call)
        for group, id, entry in listed(call.action, root):
            late = any(self._ledger.unlisted(_key(call, id, "tag", tag)) for tag in tags)
            if late or (not by_id and self._ledger.unlisted(_key(call, id))):
                group.remove(entry)


def named(call: Call) -> Iterator[str]:
    """The ids that a call names as parameters."""
    for field, value in call.form.items():
        if not field.startswith(_WORDS) and _ID.fullmatch(value):
            yield value


def not_found(call: Call, id: str) -> Reply:
    """EC2's answer to a call that names an ``id`` that is not there."""
    prefix = id.partition("-")[0]
    code, message = _OTHERS.get(call.action, {}).get(prefix) or _NOT_FOUND[prefix]
    return refusal(call, code, message.format(id))


def filters(call: Call) -> dict[str, list[str]]:
    """The filters of a describe call: name -> values."""
    form = call.form
    found = {
        value: field.removesuffix("Name") for field, value in form.items() if re.fullmatch(r"Filter\.\d+\.Name", field)
    }
    return {n: [v for f, v in form.items() if f.startswith(f"{prefix}Value.")] for n, prefix in found.items()}


def _filtered_tags(call: Call) -> list[str]:
    """The keys of the tags that filters ask for."""
    found = []
    for name, values in filters(call).items():
        if name.startswith("tag:"):
            found.append(name.removeprefix("tag:"))
        elif name in ("tag-key", "key"):
            found += values
    return found


def _elsewhere(key: Key) -> bool:
    """Whether this moment's call goes to one of EC2's servers that does not know it yet."""
    drawn = hashlib.blake2b(repr((key, clock.now())).encode(), digest_size=1).digest()[0]
    return drawn < 96


def _key(call: Call, *parts: str) -> Key:
    return ("ec2", call.scope[1], *parts)
