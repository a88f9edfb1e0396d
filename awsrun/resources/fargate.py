"""The sizes in which Fargate comes."""

from __future__ import annotations

# vCPUs -> (least, most, step) MiB of memory; 0.25 vCPU is offered with 512, 1024 and 2048.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
_SIZES = {
    0.5: (1024, 4096, 1024),
    1.0: (2048, 8192, 1024),
    2.0: (4096, 16384, 1024),
    4.0: (8192, 30720, 1024),
    8.0: (16384, 61440, 4096),
    16.0: (32768, 122880, 8192),
}
SIZES: dict[float, tuple[int, ...]] = {
    0.25: (512, 1024, 2048),
    **{vcpus: tuple(range(least, most + 1, step)) for vcpus, (least, most, step) in _SIZES.items()},
}


def check_size(vcpus: float, memory_mib: int) -> None:
    """Nothing, where Fargate offers this much memory with these vCPUs.

    Raises:
        ValueError: it does not; names the nearest that it offers.
    """
    offered = SIZES.get(vcpus)
    if offered is None:
        raise ValueError(f"Fargate has no {vcpus:g} vCPUs: take one of {', '.join(f'{size:g}' for size in SIZES)}")
    if memory_mib not in offered:
        enough = [size for size in offered if size >= memory_mib] or [offered[-1]]
        raise ValueError(
            f"Fargate has no {memory_mib} MiB with {vcpus:g} vCPUs: the nearest is {enough[0]} "
            f"(offered: {offered[0]} to {offered[-1]})"
        )
