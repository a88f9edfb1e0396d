"""Network interfaces as the services that own them make them: moto's are nobody's, and some outlive their owner.

Sources: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html and
https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html (a managed interface in each subnet),
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html (types),
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html (the first interface goes with its
instance).
"""

from __future__ import annotations

from collections.abc import Mapping
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


def of_instance(backend: Any, id: str, form: Mapping[str, str]) -> None:
    """What RunInstances made: interfaces that go with the instance, unless the call said otherwise."""
    instance = backend.get_instance(id)
    kept = {
        form.get(field.replace(".DeleteOnTermination", ".DeviceIndex"), "0")
        for field, value in form.items()
        if field.endswith(".DeleteOnTermination") and field.startswith("NetworkInterface.") and value == "false"
    }
    given = {value for field, value in form.items() if field.endswith(".NetworkInterfaceId")}
    for index, interface in instance.nics.items():
        interface.delete_on_termination = interface.id not in given and str(index) not in kept


def drop_instance(backend: Any, id: str) -> None:
    """A terminated instance lets go of its addresses, and of what moto keeps of its interfaces."""
    instance = backend.get_instance(id)
    for address in backend.addresses:
        if address.instance is instance or (address.eni is not None and address.eni.instance is instance):
            backend.disassociate_address(association_id=address.association_id)
    for interface in list(instance.nics.values()):
        if interface.delete_on_termination:
            backend.enis.pop(interface.id, None)
        elif interface.id in backend.enis:
            instance.detach_eni(interface)
