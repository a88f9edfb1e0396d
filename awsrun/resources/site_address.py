"""Where the website of a bucket is."""

from __future__ import annotations

from awsrun.resources.ours import partition

# https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints: all others have a dot.
DASHED = frozenset({
    "ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "eu-west-1", "sa-east-1", "us-east-1", "us-gov-west-1",
    "us-west-1", "us-west-2",
})  # fmt: skip


def address(bucket: str, region: str, sites: str = "") -> str:
    """The URL of a bucket's first page, in whichever of AWS's two forms its region has.

    Args:
        sites: where an embedded cloud shows websites; empty for AWS.
    """
    if sites:
        return f"{sites}/{bucket}/"
    domain = "amazonaws.com.cn" if partition(region) == "aws-cn" else "amazonaws.com"
    return f"http://{bucket}.s3-website{'-' if region in DASHED else '.'}{region}.{domain}/"
