"""Whether the region, and the zones that a stack is in, have the machines that its spec names: newer types, and those
with GPUs, come to few regions first, and to some of their zones only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from awsrun.aws.clients import Cloud
from awsrun.preflight.check import Check, Finding
from awsrun.preflight.need import Pool
from awsrun.prices.table import BUNDLES, shipped

MOST_ZONES = 4  # that a VPC has subnets in
_MOST = 10.0  # seconds


def offerings(cloud: Cloud, pools: Sequence[Pool]) -> Check:
    """Whether some machine of each of ``pools`` is offered."""
    return Check("offerings", _MOST, lambda: _look(cloud, pools), "ec2:DescribeInstanceTypeOfferings")


def _look(cloud: Cloud, pools: Sequence[Pool]) -> Iterator[Finding]:
    named = sorted({type for pool in pools for type in pool.types if type not in BUNDLES})
    if not named:
        return
    # A family by its name and by the sizes that are known: emulators do not understand the wildcard.
    sizes = {one.type for type in named for one in shipped(cloud.region).matching(type)}
    patterns = sorted(sizes | {type if "." in type else f"{type}.*" for type in named})
    pages = (
        cloud.read("ec2")
        .get_paginator("describe_instance_type_offerings")
        .paginate(LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": patterns}])
    )
    where: dict[str, set[str]] = {}
    for offered in (one for page in pages for one in page["InstanceTypeOfferings"]):
        type = str(offered["InstanceType"])
        for name in (type, type.partition(".")[0]):
            where.setdefault(name, set()).add(str(offered["Location"]))
    there = where.keys() | BUNDLES.keys()
    missing = {pool.name: [type for type in pool.types if type not in there] for pool in pools}
    for pool in pools:
        if not missing[pool.name]:
            continue
        what = f"{cloud.region} does not offer {', '.join(missing[pool.name])}, which {pool.name} names"
        if set(pool.types) <= set(missing[pool.name]):
            hint = "in the spec: other instance_types; or: awsrun use aws --region REGION"
            why = "EC2 will not start it" if pool.server else "its jobs will stay RUNNABLE for ever"
            yield Finding("error", "offerings", what, why, hint)
        else:
            hint = "in the spec: take it out of instance_types"
            yield Finding("warning", "offerings", what, "Batch will refuse the environment, or use the others", hint)
    elsewhere = [finding for pool in pools if not missing[pool.name] for finding in _zones(cloud, pool, where)]
    yield from elsewhere
    if not any(missing.values()) and not elsewhere:
        yield Finding("ok", "offerings", f"{cloud.region} offers {', '.join(named)}")


def _zones(cloud: Cloud, pool: Pool, where: Mapping[str, set[str]]) -> Iterator[Finding]:
    """What is wrong where the region has the machines of a pool, and the zones that it is in do not."""
    from awsrun.resources.vpc_parts import zones  # a plan waits for what this imports

    if not pool.types or BUNDLES.keys() & set(pool.types):
        return
    known = zones(cloud)
    own = [known[number] for number in pool.zones if number < len(known)]
    fitting = sorted(set().union(*(where.get(type, set()) for type in pool.types)) & set(known))
    if not own or set(own) & set(fitting):
        return
    lack = "does" if len(own) == 1 else "do"
    what = f"{', '.join(own)} {lack} not offer {', '.join(pool.types)}, which {pool.name} names"
    why = "EC2 will not start it" if pool.server else "its jobs will stay RUNNABLE for ever"
    number = known.index(fitting[0]) if fitting else MOST_ZONES
    place = f"subnet: public-{number}, with max_azs: {number + 1}" if pool.server else f"max_azs: {number + 1}"
    hint = f"{fitting[0]} does; in the spec: {place}" if number < MOST_ZONES else "in the spec: other instance_types"
    yield Finding("error", "offerings", what, why, hint)
