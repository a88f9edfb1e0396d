"""Network interfaces as the services that own them make them: moto's are nobody's.

Sources: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html and
https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html (a managed interface in each subnet),
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html (types).
"""

from __future__ import annotations

from typing import Any


def own(interface: Any, kind: str, description: str, groups: list[Any]) -> None:
    """Make moto's record of an interface one that a service manages and uses."""
    interface.interface_type = kind
    interface.description = description
    interface.requester_managed = True
    interface.status = "in-use"
    interface._group_set = groups


def of_nat_gateway(backend: Any, id: str) -> None:
    """What CreateNatGateway made: an interface without security groups."""
    own(backend.nat_gateways[id]._eni, "nat_gateway", f"Interface for NAT Gateway {id}", [])


def of_endpoint(backend: Any, id: str) -> None:
    """What CreateVpcEndpoint and ModifyVpcEndpoint made: with the endpoint's groups, or the VPC's own."""
    endpoint = backend.vpc_end_points[id]
    if not endpoint.security_group_ids and endpoint.vpc_endpoint_type == "Interface":
        endpoint.security_group_ids = [backend.get_default_security_group(endpoint.vpc_id).id]
    groups = [backend.get_security_group_from_id(group) for group in endpoint.security_group_ids]
    for interface in endpoint.network_interface_ids:
        own(backend.enis[interface], "vpc_endpoint", f"VPC Endpoint Interface {id}", groups)
