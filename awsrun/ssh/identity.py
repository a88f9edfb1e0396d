"""Which private key opens a server, and what to do where this machine does not have it."""

from __future__ import annotations

from pathlib import Path

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError
from awsrun.resources import key_files
from awsrun.resources.key_pair import KeyPair, KeyPairState
from awsrun.ssh.machine import Machine


def identity(cloud: Cloud, machine: Machine) -> Path | None:
    """The private key of the server's key pair; None where ``ssh`` has to find one by itself: a key of the user's own
    may be in an agent, or lie elsewhere on this machine.

    Raises:
        AwsrunError: awsrun made the key on another machine, or it is gone.
    """
    if not machine.key_pair:
        return None
    seen = KeyPair(cloud).read(machine.key_pair)
    state: KeyPairState | None = seen.state
    if state is None:
        raise AwsrunError(
            f"the key pair of {machine.name} ({machine.key_pair}) is not in AWS any more",
            "the server still takes its private key",
            f"if you have that: awsrun ssh {machine.name} -i FILE",
        )
    if not state.source.file:
        return None
    if seen.note:
        raise AwsrunError(
            f"cannot log in to {machine.name}: this machine does not have the key",
            seen.note,
            f"copy {state.source.file} from {state.source.host} to here (and the .pub beside it; chmod 400), or: "
            f"awsrun ssh {machine.name} -i FILE",
        )
    file = key_files.placed(state.source.file)
    return file if file.exists() else None
