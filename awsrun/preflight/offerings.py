"""Whether the region has the machines that a spec names at all: newer types come to few regions first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from awsrun.aws.clients import Cloud
from awsrun.preflight.check import Check, Finding
from awsrun.preflight.need import Pool
from awsrun.prices.table import BUNDLES, shipped

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
        .paginate(LocationType="region", Filters=[{"Name": "instance-type", "Values": patterns}])
    )
    there = {str(one["InstanceType"]) for page in pages for one in page["InstanceTypeOfferings"]}
    there |= {type.partition(".")[0] for type in there} | BUNDLES.keys()
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
    if not any(missing.values()):
        yield Finding("ok", "offerings", f"{cloud.region} offers {', '.join(named)}")
