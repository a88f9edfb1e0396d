"""The caller's own public address, for rules that let in nobody else."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError

_HERE = ("127.0.0.1", "localhost", "::1")
ECHO = "https://checkip.amazonaws.com"  # AWS's own service that answers with the caller's address


def my_address(cloud: Cloud) -> str:
    """The caller's address as a CIDR of one address; loopback where the cloud is on this machine.

    Raises:
        AwsrunError: the address cannot be found out.
    """
    if cloud.context.name == "local" or urlsplit(cloud.endpoint_url or "").hostname in _HERE:
        return "127.0.0.1/32"
    import urllib.request  # few specs ask, and it takes a while to import

    try:
        with urllib.request.urlopen(ECHO, timeout=10) as answer:
            address = ip_address(answer.read(64).decode().strip())
    except (OSError, ValueError) as error:
        raise AwsrunError(
            "cannot find out this machine's public address",
            f"{ECHO}: {error}",
            "write it into the spec: from: A.B.C.D/32",
        ) from error
    return f"{address}/{address.max_prefixlen}"
