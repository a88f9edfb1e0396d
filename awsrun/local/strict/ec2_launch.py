"""What EC2 does not start: moto takes images, keys and types that are not there.

Codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.  Disks smaller than the image:
https://github.com/hashicorp/terraform/issues/4864.  Spot instances: https://github.com/ansible/ansible/pull/63246.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from awsrun.local.strict.ec2_in_use import Refused

_MOST = 16384  # bytes of user data
_DEVICE = re.compile(r"BlockDeviceMapping\.(\d+)\.DeviceName")


def refused(backend: Any, form: Mapping[str, str]) -> Refused | None:
    """Why EC2 would not carry RunInstances out; None where it would."""
    return next((why for check in _CHECKS if (why := check(backend, form))), None)


def _image(backend: Any, form: Mapping[str, str]) -> Refused | None:
    id = form.get("ImageId")
    if id is None or id in backend.amis:  # a launch template's
        return None
    return ("InvalidAMIID.NotFound", f"The image id '[{id}]' does not exist")


def _type(backend: Any, form: Mapping[str, str]) -> Refused | None:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    type = form.get("InstanceType")
    if type is None or type in INSTANCE_TYPES:
        return None
    return ("InvalidParameterValue", f"Invalid value '{type}' for InstanceType.")


def _architecture(backend: Any, form: Mapping[str, str]) -> Refused | None:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    type, image = form.get("InstanceType"), backend.amis.get(form.get("ImageId", ""))
    if type is None or image is None:
        return None
    fits = INSTANCE_TYPES[type].get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if image.architecture in fits:
        return None
    said = f"The architecture '{', '.join(fits)}' of the specified instance type does not match the architecture "
    return ("InvalidParameterValue", f"{said}'{image.architecture}' of the specified AMI.")


def _key(backend: Any, form: Mapping[str, str]) -> Refused | None:
    name = form.get("KeyName")
    if name is None or name in backend.key_pairs:
        return None
    return ("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")


def _disk(backend: Any, form: Mapping[str, str]) -> Refused | None:
    image = backend.amis.get(form.get("ImageId", ""))
    least = {one["DeviceName"]: one["Ebs"]["VolumeSize"] for one in image.block_device_mappings} if image else {}
    for field, device in form.items():
        if found := _DEVICE.fullmatch(field):
            size = form.get(f"BlockDeviceMapping.{found.group(1)}.Ebs.VolumeSize")
            if size is not None and int(size) < least.get(device, 0):
                said = f"Volume of size {size}GB is smaller than snapshot"
                return ("InvalidBlockDeviceMapping", f"{said}, expect size >= {least[device]}GB")
    return None


def _spot(backend: Any, form: Mapping[str, str]) -> Refused | None:
    spot = form.get("InstanceMarketOptions.MarketType") == "spot"
    if not spot or form.get("InstanceInitiatedShutdownBehavior") != "stop":
        return None
    return (
        "InvalidParameterCombination",
        "instance_initiated_shutdown_behavior=stop is not supported for spot instances",
    )


def _user_data(backend: Any, form: Mapping[str, str]) -> Refused | None:
    if len(base64.b64decode(form.get("UserData", ""))) <= _MOST:
        return None
    return ("InvalidParameterValue", "User data is limited to 16384 bytes")


_CHECKS: tuple[Callable[[Any, Mapping[str, str]], Refused | None], ...] = (
    _image,
    _type,
    _architecture,
    _key,
    _disk,
    _spot,
    _user_data,
)
