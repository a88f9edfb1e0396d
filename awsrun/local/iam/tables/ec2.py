"""EC2 (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html).

A call is allowed on each resource that it names, and on ``TYPE/*`` of what it makes; tags at creation take
ec2:CreateTags with the condition key ec2:CreateAction
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from awsrun.local.iam.context import Given
from awsrun.local.iam.request import Authorization, Request, Rule, everywhere, passing, tag_keys, tags

_TYPES = {
    "ami": "image",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "i": "instance",
    "igw": "internet-gateway",
    "lt": "launch-template",
    "key": "key-pair",
    "nat": "natgateway",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "subnet": "subnet",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}


def _arn(request: Request, identity: str) -> str:
    """The ARN of an id; its prefix tells the type."""
    account = "" if identity.startswith("ami-") else "123456789012"
    return request.arn(f"{_TYPES.get(identity.partition('-')[0], '*')}/{identity}", account=account)


def _named(request: Request, *fields: str) -> list[str]:
    """The ARNs of the ids in form fields; an association stands for the table and the subnet that it joins."""
    ids = [identity for field in fields for identity in request.listed(field)]
    for identity in [one for one in ids if one.startswith("rtbassoc-")]:
        ids.remove(identity)
        ids += request.directory.association(request.region, identity) or ["rtb-*"]
    return [_arn(request, identity) for identity in ids]


def _using(*fields: str) -> Rule:
    """On the resources whose ids are in these fields."""

    def rule(request: Request) -> Iterator[Authorization]:
        for resource in _named(request, *fields):
            yield Authorization(request.action, resource)

    return rule


def _making(kind: str, *fields: str) -> Rule:
    """Makes a resource of ``kind`` in or from those of ``fields``."""

    def rule(request: Request) -> Iterator[Authorization]:
        given = _specified(request)
        yield Authorization(request.action, request.arn(f"{kind}/*"), tags(given.get(kind, {})))
        yield from _using(*fields)(request)
        yield from _tagging(request, given)

    return rule


def _specified(request: Request) -> dict[str, dict[str, str]]:
    """Resource type -> the tags that TagSpecifications have for it."""
    found = {}
    for field, kind in request.form.items():
        if field.startswith("TagSpecification.") and field.endswith(".ResourceType"):
            found[kind] = request.pairs(f"{field.removesuffix('.ResourceType')}.Tag")
    return found


def _tagging(request: Request, given: Mapping[str, Mapping[str, str]]) -> Iterator[Authorization]:
    for kind, pairs in given.items():
        if pairs:
            context: dict[str, Given] = {**tags(pairs), "ec2:CreateAction": (request.operation,)}
            yield Authorization("ec2:CreateTags", request.arn(f"{kind}/*"), context)


def _rules(request: Request) -> Iterator[Authorization]:
    """Security group rules; a group by name is of the default VPC."""
    for resource in _named(request, "GroupId") or [request.arn("security-group/*")]:
        yield Authorization(request.action, resource)
    yield from _tagging(request, _specified(request))


def _modify_rules(request: Request) -> Iterator[Authorization]:
    yield from _rules(request)
    for field, identity in request.form.items():
        if field.endswith(".SecurityGroupRuleId"):
            yield Authorization(request.action, _arn(request, identity))


def _create_tags(request: Request) -> Iterator[Authorization]:
    for resource in _named(request, "ResourceId"):
        yield Authorization(request.action, resource, tags(request.pairs("Tag")))


def _delete_tags(request: Request) -> Iterator[Authorization]:
    for resource in _named(request, "ResourceId"):
        yield Authorization(request.action, resource, tag_keys(request.pairs("Tag")))


def _key_pair(request: Request) -> Iterator[Authorization]:
    """On the pair's name, also where the call has its id."""
    given = _specified(request)
    id = request.form.get("KeyPairId", "")
    name = request.form.get("KeyName") or (request.directory.key_pair(request.region, id)[0] if id else "") or "*"
    yield Authorization(request.action, request.arn(f"key-pair/{name}"), tags(given.get("key-pair", {})))
    yield from _tagging(request, given)


def _run(request: Request) -> Iterator[Authorization]:
    """RunInstances: what it makes, what it uses, and the role that it hands over."""
    form, given = request.form, _specified(request)
    for kind in ("instance", "volume", "network-interface"):
        yield Authorization(request.action, request.arn(f"{kind}/*"), tags(given.get(kind, {})))
    interface = "NetworkInterface.1"
    subnets = _named(request, "SubnetId", f"{interface}.SubnetId") or [request.arn("subnet/*")]
    groups = _named(request, "SecurityGroupId", f"{interface}.SecurityGroupId") or [request.arn("security-group/*")]
    images = _named(request, "ImageId") or [request.arn("image/*", account="")]  # a launch template's
    for resource in [*images, *_named(request, "LaunchTemplate.LaunchTemplateId"), *subnets, *groups]:
        yield Authorization(request.action, resource)
    if form.get("KeyName"):
        yield Authorization(request.action, request.arn(f"key-pair/{form['KeyName']}"))
    profile = form.get("IamInstanceProfile.Arn") or form.get("IamInstanceProfile.Name")
    if profile:
        yield passing(request.directory.role_of_profile(profile) or profile, "ec2.amazonaws.com")
    yield from _tagging(request, given)


def _profile(request: Request) -> Iterator[Authorization]:
    """The profile of an instance: the instance, and the role that it gets."""
    association = request.form.get("AssociationId", "")
    instances = request.listed("InstanceId") or [request.directory.instance_of(request.region, association)]
    for identity in instances:
        yield Authorization(request.action, _arn(request, identity))
    profile = request.form.get("IamInstanceProfile.Arn") or request.form.get("IamInstanceProfile.Name")
    if profile:
        yield passing(request.directory.role_of_profile(profile) or profile, "ec2.amazonaws.com")


def _disassociation(request: Request) -> Iterator[Authorization]:
    """An Elastic IP is taken from what has it: both, told by their association."""
    named = request.directory.address(request.region, request.form.get("AssociationId", ""))
    for identity in named or ["eipalloc-*"]:
        yield Authorization(request.action, _arn(request, identity))


_DESCRIBES = (
    "AccountAttributes", "Addresses", "AvailabilityZones", "IamInstanceProfileAssociations", "Images", "InstanceStatus",
    "InstanceTypeOfferings", "InstanceTypes", "Instances", "InternetGateways", "KeyPairs", "LaunchTemplateVersions",
    "LaunchTemplates", "ManagedPrefixLists", "NatGateways", "NetworkAcls", "NetworkInterfaces", "PrefixLists",
    "Regions", "RouteTables", "SecurityGroupRules", "SecurityGroups", "SpotPriceHistory", "Subnets", "Tags", "Volumes",
    "VpcEndpointServices", "VpcEndpoints", "Vpcs",
)  # fmt: skip

RULES: Mapping[str, Rule] = {
    **{f"Describe{what}": everywhere for what in _DESCRIBES},
    **dict.fromkeys(("RebootInstances", "StartInstances", "StopInstances", "TerminateInstances"), _using("InstanceId")),
    **dict.fromkeys(("CreateKeyPair", "DeleteKeyPair", "ImportKeyPair"), _key_pair),
    **dict.fromkeys(
        (
            "AuthorizeSecurityGroupEgress",
            "AuthorizeSecurityGroupIngress",
            "RevokeSecurityGroupEgress",
            "RevokeSecurityGroupIngress",
            "UpdateSecurityGroupRuleDescriptionsEgress",
            "UpdateSecurityGroupRuleDescriptionsIngress",
        ),
        _rules,
    ),
    "AllocateAddress": _making("elastic-ip"),
    "AssociateAddress": _using("AllocationId", "InstanceId", "NetworkInterfaceId"),
    "AssociateIamInstanceProfile": _profile,
    "AssociateRouteTable": _using("RouteTableId", "SubnetId", "GatewayId"),
    "AttachInternetGateway": _using("InternetGatewayId", "VpcId"),
    "CreateInternetGateway": _making("internet-gateway"),
    "CreateLaunchTemplate": _making("launch-template"),
    "CreateLaunchTemplateVersion": _using("LaunchTemplateId"),
    "CreateNatGateway": _making("natgateway", "SubnetId", "AllocationId"),
    "CreateRoute": _using("RouteTableId"),
    "CreateRouteTable": _making("route-table", "VpcId"),
    "CreateSecurityGroup": _making("security-group", "VpcId"),
    "CreateSubnet": _making("subnet", "VpcId"),
    "CreateTags": _create_tags,
    "CreateVolume": _making("volume"),
    "CreateVpc": _making("vpc"),
    "CreateVpcEndpoint": _making("vpc-endpoint", "VpcId", "RouteTableId", "SubnetId", "SecurityGroupId"),
    "DeleteInternetGateway": _using("InternetGatewayId"),
    "DeleteLaunchTemplate": _using("LaunchTemplateId"),
    "DeleteLaunchTemplateVersions": _using("LaunchTemplateId"),
    "DeleteNatGateway": _using("NatGatewayId"),
    "DeleteNetworkInterface": _using("NetworkInterfaceId"),
    "DeleteRoute": _using("RouteTableId"),
    "DeleteRouteTable": _using("RouteTableId"),
    "DeleteSecurityGroup": _rules,
    "DeleteSubnet": _using("SubnetId"),
    "DeleteTags": _delete_tags,
    "DeleteVolume": _using("VolumeId"),
    "DeleteVpc": _using("VpcId"),
    "DeleteVpcEndpoints": _using("VpcEndpointId"),
    "DescribeVpcAttribute": _using("VpcId"),
    "DetachInternetGateway": _using("InternetGatewayId", "VpcId"),
    "DisassociateAddress": _disassociation,
    "DisassociateIamInstanceProfile": _profile,
    "DisassociateRouteTable": _using("AssociationId"),
    "ModifyInstanceAttribute": _using("InstanceId", "GroupId"),
    "ModifyInstanceMetadataOptions": _using("InstanceId"),
    "ModifyLaunchTemplate": _using("LaunchTemplateId"),
    "ModifySecurityGroupRules": _modify_rules,
    "ModifySubnetAttribute": _using("SubnetId"),
    "ModifyVolume": _using("VolumeId"),
    "ModifyVpcAttribute": _using("VpcId"),
    "ModifyVpcEndpoint": _using(
        "VpcEndpointId", "AddRouteTableId", "RemoveRouteTableId", "AddSubnetId", "RemoveSubnetId",
        "AddSecurityGroupId", "RemoveSecurityGroupId",
    ),
    "ReleaseAddress": _using("AllocationId"),
    "ReplaceIamInstanceProfileAssociation": _profile,
    "ReplaceRoute": _using("RouteTableId"),
    "ReplaceRouteTableAssociation": _using("RouteTableId", "AssociationId"),
    "RunInstances": _run,
}  # fmt: skip
