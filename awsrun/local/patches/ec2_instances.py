"""EC2's instances: their interfaces, addresses and images are as on AWS, where moto 5.2 leaves things out."""

from __future__ import annotations

import functools
from datetime import datetime, timezone
from types import ModuleType
from typing import Any

_DLAMI_OWNER = "898082745236"
# As published in October 2026: https://docs.aws.amazon.com/dlami/latest/devguide/appendix-ami-release-notes.html.  Of
# older versions newer builds come out, so the newest version is not the last one built.
_DLAMI = (
    ("x86_64", "Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.13 (Amazon Linux 2023) 20261003"),
    ("x86_64", "Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.11 (Amazon Linux 2023) 20261009"),
    ("arm64", "Deep Learning ARM64 AMI OSS Nvidia Driver GPU PyTorch 2.11 (Amazon Linux 2023) 20261009"),
    ("arm64", "Deep Learning ARM64 AMI OSS Nvidia Driver GPU PyTorch 2.10 (Amazon Linux 2023) 20261009"),
)
_GIB, _DLAMI_GIB = 8, 75  # of Amazon Linux 2023's disk, and of the Deep Learning AMIs'


def images(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.amis``: Deep Learning AMIs with PyTorch in every region, and the size of disks."""
    backend, ami = module.AmiBackend, module.Ami
    load, mappings = backend._load_amis, ami.block_device_mappings.fget

    @functools.wraps(load)
    def load_amis(self: Any) -> None:
        load(self)
        for number, (architecture, name) in enumerate(_DLAMI, 1):
            built = datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=timezone.utc)
            id = f"ami-0d1a{number:02d}{_digest(self.region_name)}"
            self.amis[id] = ami(
                self,
                id,
                name=name,
                description="Supported EC2 instances: G4dn, G5, G6, P4, P5",
                owner_id=_DLAMI_OWNER,
                owner_alias="amazon",
                public=True,
                virtualization_type="hvm",
                architecture=architecture,
                creation_date=built,
                hypervisor="xen",
                root_device_type="ebs",
                root_device_name="/dev/xvda",
            )

    def block_device_mappings(self: Any) -> list[dict[str, Any]]:
        size = _DLAMI_GIB if self.owner_id == _DLAMI_OWNER else _GIB
        return [{**one, "Ebs": {**one["Ebs"], "VolumeSize": size}} for one in mappings(self)]

    backend._load_amis = load_amis
    ami.block_device_mappings = property(block_device_mappings)


def _digest(region: str) -> str:
    import hashlib

    return hashlib.sha256(region.encode()).hexdigest()[:11]


def interfaces_that_go_with_it(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.instances``: a terminated instance lets go of its addresses and interfaces.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html: what RunInstances itself made goes,
    unless the call said otherwise.
    """
    instance = module.Instance
    prepare, terminate = instance.prep_nics, instance.terminate

    @functools.wraps(prepare)
    def prep_nics(self: Any, nic_spec: list[dict[str, Any]], *args: Any, **more: Any) -> None:
        given = {int(one["DeviceIndex"]) for one in nic_spec if one.get("NetworkInterfaceId")}
        kept = {int(one["DeviceIndex"]) for one in nic_spec if one.get("DeleteOnTermination") is False}
        prepare(self, nic_spec, *args, **more)
        for index, interface in self.nics.items():
            interface.delete_on_termination = index not in given | kept

    @functools.wraps(terminate)
    def terminated(self: Any) -> Any:
        backend = self.ec2_backend
        for address in backend.addresses:
            if address.instance is self or (address.eni is not None and address.eni.instance is self):
                backend.disassociate_address(association_id=address.association_id)
        for interface in self.nics.values():  # one that a client detached and deleted is not there any more
            interface.delete_on_termination = interface.delete_on_termination and interface.id in backend.enis
        before = terminate(self)
        for interface in list(self.nics.values()):
            if interface.id in backend.enis:
                self.detach_eni(interface)
        return before

    instance.prep_nics, instance.terminate = prep_nics, terminated


def tagged_interfaces(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.instances``: RunInstances tags the interfaces that it makes, as it does volumes."""
    run = module.InstanceBackend.run_instances

    @functools.wraps(run)
    def run_instances(self: Any, *args: Any, **more: Any) -> Any:
        tags = dict(more.get("tags", {}).get("network-interface", {}))
        made = run(self, *args, **more)
        for interface in (nic for instance in made.instances for nic in instance.nics.values()):
            interface.add_tags(tags)
        return made

    module.InstanceBackend.run_instances = run_instances


def fixed_addresses(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.elastic_network_interfaces``: an Elastic IP stays while its instance is stopped, and is
    told from an address of AWS's own.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceNetworkInterfaceAssociation.html
    """
    interface = module.NetworkInterface
    stop, start, association = interface.stop, interface.start, interface.association.fget

    def fixed(self: Any) -> bool:
        return any(one.public_ip == self.public_ip for one in self.ec2_backend.addresses)

    @functools.wraps(stop)
    def stopped(self: Any) -> None:
        if not fixed(self):
            stop(self)

    @functools.wraps(start)
    def started(self: Any) -> None:
        if not fixed(self):
            start(self)

    def owned(self: Any) -> dict[str, Any]:
        found: dict[str, Any] = association(self)
        return {**found, "ipOwnerId": "amazon"} if found and not fixed(self) else found

    interface.stop, interface.start, interface.association = stopped, started, property(owned)


def moved_addresses(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.elastic_ip_addresses``: an address that is associated anew leaves where it was, and an
    instance of the same address keeps it."""
    backend = module.ElasticAddressBackend
    associate = backend.associate_address

    @functools.wraps(associate)
    def associate_address(
        self: Any,
        instance: Any = None,
        eni: Any = None,
        address: str | None = None,
        allocation_id: str | None = None,
        reassociate: bool = False,
    ) -> Any:
        wanted = eni or (instance.nics[0] if instance is not None else None)
        for one in self.addresses:
            named = one.public_ip == address if address else one.allocation_id == allocation_id
            if named and one.eni is not None and one.eni is not wanted and reassociate:
                self.disassociate_address(association_id=one.association_id)
        return associate(self, instance, eni, address, allocation_id, reassociate)

    backend.associate_address = associate_address


def replaced_profiles(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.iam_instance_profile``: an instance shows the profile that replaced its first one."""
    backend = module.IamInstanceProfileAssociationBackend
    substitute = backend.replace_iam_instance_profile_association

    @functools.wraps(substitute)
    def replace_iam_instance_profile_association(self: Any, association_id: str, *args: Any, **more: Any) -> Any:
        made = substitute(self, association_id, *args, **more)
        shown = {"Arn": made.iam_instance_profile.arn, "Id": association_id}
        self.modify_instance_attribute(made.instance.id, "iam_instance_profile", shown)
        return made

    backend.replace_iam_instance_profile_association = replace_iam_instance_profile_association
