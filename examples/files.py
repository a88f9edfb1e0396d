"""Files in an S3 bucket: upload, list and download.

    python examples/files.py upload README.md
    python examples/files.py upload README.md --key docs/readme
    python examples/files.py list docs/
    python examples/files.py download docs/readme --to /tmp/readme

The bucket is `files` of the stack `serverless`.  boto3 sends large files in parts, side by side.
"""

from __future__ import annotations

import argparse
from pathlib import Path, PurePosixPath
from typing import Any

import awsrun


def open_bucket(stack: str = "serverless", name: str = "files") -> Any:
    """A bucket of a stack, on the cloud that awsrun talks to."""
    return awsrun.session().resource("s3").Bucket(awsrun.outputs(stack)[name]["name"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    upload = commands.add_parser("upload")
    upload.add_argument("file", type=Path)
    upload.add_argument("--key", help="what it is called there (the file's name)")
    commands.add_parser("list").add_argument("prefix", nargs="?", default="")
    download = commands.add_parser("download")
    download.add_argument("key")
    download.add_argument("--to", type=Path, help="where to put it (the key's last part, here)")
    given = parser.parse_args()
    bucket = open_bucket()

    if given.command == "upload":
        key = given.key or given.file.name
        bucket.upload_file(str(given.file), key)
        print(f"{given.file} is s3://{bucket.name}/{key}")
    elif given.command == "list":
        for one in bucket.objects.filter(Prefix=given.prefix):
            print(f"{one.size:12,}  {one.last_modified:%Y-%m-%d %H:%M:%S}  {one.key}")
    else:
        target = given.to or Path(PurePosixPath(given.key).name)
        bucket.download_file(given.key, str(target))
        print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
