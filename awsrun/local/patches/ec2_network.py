"""EC2's networks: NAT gateways and endpoints behave as on AWS where moto 5.2 leaves things out or is too kind."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any


def nat_gateways(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.nat_gateways``: tag filters, unknown ids, failures, and what a deletion lets go of.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html: a request that cannot be fulfilled is
    accepted and ends as a gateway that ``failed``.
    """
    backend, gateway = module.NatGatewayBackend, module.NatGateway
    create = backend.create_nat_gateway

    def create_nat_gateway(
        self: Any,
        subnet_id: str,
        allocation_id: str,
        tags: dict[str, str] | None = None,
        connectivity_type: str = "public",
    ) -> Any:
        code, message = _failure(self, subnet_id, allocation_id, connectivity_type)
        if not code:
            return create(self, subnet_id, allocation_id, tags, connectivity_type)
        failed = gateway(self, subnet_id, "", tags, connectivity_type)
        self.enis.pop(failed._eni.id)
        failed.state, failed.failure_code, failed.failure_message = "failed", code, message
        self.nat_gateways[failed.id] = failed
        return failed

    def describe_nat_gateways(self: Any, filters: Any, nat_gateway_ids: list[str] | None) -> list[Any]:
        from moto.ec2.utils import generic_filter

        asked = [_known(self, one) for one in nat_gateway_ids or ()] or list(self.nat_gateways.values())
        return list(generic_filter(filters, asked))

    def delete_nat_gateway(self: Any, nat_gateway_id: str) -> Any:
        found = _known(self, nat_gateway_id)
        for one in found.address_set:
            if one.get("associationId"):
                self.disassociate_address(association_id=one["associationId"])
        self.enis.pop(found._eni.id, None)
        found.address_set = [
            {key: value for key, value in one.items() if key != "associationId"} for one in found.address_set
        ]
        found.state = "deleted"
        return found

    backend.create_nat_gateway = create_nat_gateway
    backend.describe_nat_gateways = describe_nat_gateways
    backend.delete_nat_gateway = delete_nat_gateway
    gateway.failure_code = gateway.failure_message = None
    gateway.nat_gateway_id = property(lambda self: self.id)  # for filters


def _failure(backend: Any, subnet_id: str, allocation_id: str, connectivity: str) -> tuple[str, str]:
    """Why a NAT gateway cannot come to be: code and message; empty where it can."""
    vpc = backend.get_subnet(subnet_id).vpc_id
    if connectivity != "private" and not any(
        one.vpc and one.vpc.id == vpc for one in backend.internet_gateways.values()
    ):
        return "Gateway.NotAttached", f"Network {vpc} has no Internet gateway attached"
    if allocation_id and backend.address_by_allocation([allocation_id])[0].association_id:
        return "Resource.AlreadyAssociated", f"Elastic IP address {allocation_id} is already associated"
    return "", ""


def one_route_table(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.route_tables``: a subnet of another table is not associated as if nothing were amiss.

    https://github.com/hashicorp/terraform-provider-aws/issues/38960 has the error.
    """
    backend = module.RouteBackend
    associate = backend.associate_route_table

    @functools.wraps(associate)
    def associate_route_table(
        self: Any, route_table_id: str, gateway_id: str | None = None, subnet_id: str | None = None
    ) -> str:
        from moto.ec2.exceptions import EC2ClientError

        for other in self.route_tables.values():
            if subnet_id and other.id != route_table_id and subnet_id in other._associations.values():
                text = f"the specified association for route table {route_table_id} conflicts with an existing one"
                raise EC2ClientError("Resource.AlreadyAssociated", text)
        return str(associate(self, route_table_id, gateway_id, subnet_id))

    backend.associate_route_table = associate_route_table


def _known(backend: Any, nat_gateway_id: str) -> Any:
    from moto.ec2.exceptions import EC2ClientError

    if nat_gateway_id not in backend.nat_gateways:
        raise EC2ClientError("NatGatewayNotFound", f"NAT gateway {nat_gateway_id} was not found")
    return backend.nat_gateways[nat_gateway_id]


def endpoints(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.vpcs``: one endpoint a service, whose routes and interfaces follow changes."""
    backend, endpoint = module.VPCBackend, module.VPCEndPoint
    create, modify = backend.create_vpc_endpoint, endpoint.modify

    @functools.wraps(create)
    def create_vpc_endpoint(
        self: Any, vpc_id: str, service_name: str, endpoint_type: str | None, *args: Any, **more: Any
    ) -> Any:
        _no_double(self, vpc_id, service_name, endpoint_type or "Gateway", more)
        made = create(self, vpc_id, service_name, endpoint_type, *args, **more)
        made.vpc_endpoint_type = endpoint_type or "Gateway"
        if made.vpc_endpoint_type == "Gateway":
            made.private_dns_enabled = False
        _guard(self, made)
        return made

    @functools.wraps(modify)
    def modified(self: Any, *args: Any, **more: Any) -> None:
        routed, inside = set(self.route_table_ids), list(self.subnet_ids or ())
        modify(self, *args, **more)
        _reroute(self.ec2_backend, self, routed)
        _move(self.ec2_backend, self, inside)
        _guard(self.ec2_backend, self)

    def delete_vpc_endpoints(self: Any, vpce_ids: list[str] | None = None) -> None:
        for found in (self.vpc_end_points[one] for one in vpce_ids or () if one in self.vpc_end_points):
            routed, found.route_table_ids = set(found.route_table_ids), []
            _reroute(self, found, routed)
            for eni in found.network_interface_ids:
                self.enis.pop(eni, None)
            found.state = "deleted"

    backend.create_vpc_endpoint = create_vpc_endpoint
    backend.delete_vpc_endpoints = delete_vpc_endpoints
    endpoint.modify = modified


def private_dns(module: ModuleType) -> None:
    """Patch ``moto.ec2.responses.vpcs``: ModifyVpcEndpoint switches private DNS, and refuses unknown endpoints."""
    original = module.VPCs.modify_vpc_endpoint

    @functools.wraps(original)
    def modify_vpc_endpoint(self: Any) -> Any:
        answer = original(self)
        wanted = self._get_bool_param("PrivateDnsEnabled")
        if wanted is not None:
            self.ec2_backend.vpc_end_points[self._get_param("VpcEndpointId")].private_dns_enabled = wanted
        return answer

    module.VPCs.modify_vpc_endpoint = modify_vpc_endpoint


def _no_double(backend: Any, vpc_id: str, service: str, type: str, wanted: dict[str, Any]) -> None:
    """https://github.com/hashicorp/terraform-provider-aws/issues/17535 has the second error."""
    from moto.ec2.exceptions import EC2ClientError

    for other in backend.vpc_end_points.values():
        if (other.vpc_id, other.service_name, other.vpc_endpoint_type) != (
            vpc_id,
            service,
            type,
        ) or other.state == "deleted":
            continue
        for table in set(other.route_table_ids) & set(wanted.get("route_table_ids") or ()):
            prefixes = other.destination_prefix_list_id
            text = f"route table {table} already has a route with destination-prefix-list-id {prefixes}"
            raise EC2ClientError("RouteAlreadyExists", text)
        if type == "Interface" and other.private_dns_enabled and wanted.get("private_dns_enabled"):
            text = "private-dns-enabled cannot be set because there is already a conflicting DNS domain for"
            raise EC2ClientError("InvalidParameter", f"{text} {service} in the VPC {vpc_id}")


def _reroute(backend: Any, endpoint: Any, before: set[str]) -> None:
    """A gateway is a route in each of its tables."""
    from moto.ec2.utils import generate_route_id

    prefixes = endpoint.destination_prefix_list_id
    if not prefixes:
        return
    for table in before - set(endpoint.route_table_ids):
        if table in backend.route_tables:
            backend.route_tables[table]._routes.pop(generate_route_id(table, prefixes), None)
    for table in set(endpoint.route_table_ids) - before:
        backend.create_route(table, None, gateway_id=endpoint.id, destination_prefix_list_id=prefixes)


def _move(backend: Any, endpoint: Any, before: list[str]) -> None:
    """An interface has a network interface in each of its subnets."""
    from moto.ec2.utils import random_private_ip

    if endpoint.vpc_endpoint_type != "Interface":
        return
    for eni in [backend.enis[one] for one in endpoint.network_interface_ids if one in backend.enis]:
        if eni.subnet.id not in endpoint.subnet_ids:
            backend.enis.pop(eni.id)
            endpoint.network_interface_ids.remove(eni.id)
    for subnet in endpoint.subnet_ids:
        if subnet not in before:
            made = backend.create_network_interface(backend.get_subnet(subnet), random_private_ip())
            endpoint.network_interface_ids.append(made.id)


def _guard(backend: Any, endpoint: Any) -> None:
    """Its network interfaces are in its security groups."""
    groups = [backend.get_security_group_from_id(one) for one in endpoint.security_group_ids]
    for eni in endpoint.network_interface_ids:
        backend.enis[eni]._group_set = groups
        backend.enis[eni].description = f"VPC Endpoint Interface {endpoint.id}"
