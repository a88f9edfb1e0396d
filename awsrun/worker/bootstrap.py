"""The container's command: one line of Python that needs nothing but boto3.

It downloads the run's archive, checks its SHA-256, unpacks it into a new folder and becomes ``python -m
awsrun.worker``.  The archive is a zip with ``awsrun/`` (this package's ``__init__.py`` and ``worker/``) and
``project/`` (the user's code).

Where many tasks start at once on one machine, ECS's agent may not hand out credentials for a while
(https://github.com/aws/amazon-ecs-agent/issues/2126), and botocore asks it three times in as many seconds; here it is
asked for a minute and more.  Where that, or S3, does not answer in the end, the exit code is not that of code which
would fail again: `AWAY`, after which Batch starts the worker once more.
"""

from __future__ import annotations

PROJECT = "project"
"""The folder of the archive that holds the user's code."""

AWAY = 75
"""Exit code where AWS does not answer: EX_TEMPFAIL of sysexits.h."""

ASKED = 60
"""How often ECS's agent is asked for credentials, once a second, until that counts as no answer."""

SCRIPT = (
    f"ASKED, AWAY = {ASKED}, {AWAY}"
    + """
import boto3, botocore.config, botocore.exceptions, botocore.utils
import hashlib, io, os, pathlib, sys, tempfile, zipfile
bucket, key, digest, region, *rest = sys.argv[1:]
silent = [getattr(botocore.exceptions, n) for n in ("HTTPClientError", "ConnectionError", "CredentialRetrievalError")]
botocore.utils.ContainerMetadataFetcher.RETRY_ATTEMPTS = ASKED
patient = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 10})
try:
    s3 = boto3.client("s3", region_name=region or None, config=patient)
    data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
except tuple(silent) as error:
    print(f"awsrun: the code of the run cannot be fetched now: {error}", flush=True)
    sys.exit(AWAY)
if hashlib.sha256(data).hexdigest() != digest:
    sys.exit(f"awsrun: s3://{bucket}/{key} is not the code that was submitted")
root = pathlib.Path(tempfile.mkdtemp(prefix="awsrun-")).resolve()
with zipfile.ZipFile(io.BytesIO(data)) as archive:
    for entry in archive.infolist():
        path = (root / entry.filename).resolve()
        if not path.is_relative_to(root):
            sys.exit(f"awsrun: {entry.filename!r} leaves the archive")
        archive.extract(entry, root)
        if entry.external_attr >> 16 & 0o100:
            path.chmod(0o755)
if region:
    os.environ.setdefault("AWS_DEFAULT_REGION", region)
os.chdir(root)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
os.execv(sys.executable, [sys.executable, "-m", "awsrun.worker", "--root", str(root), *rest])
""".rstrip()
)


def command(
    bucket: str, key: str, digest: str, run: str, table: str, region: str = "", slots: int = 0, python: str = "python3"
) -> list[str]:
    """What the container runs.

    Args:
        bucket, key: where the archive lies.
        digest: SHA-256 of the archive, in hex.
        table: the runs table.
        region: of bucket and table; empty means what the environment says.
        slots: added to the array index: a group of workers that is started later begins where the others end
            (``store.next_slot``).
        python: the interpreter's name in the image.
    """
    return [python, "-c", SCRIPT, bucket, key, digest, region, "--run", run, "--table", table, "--slots", str(slots)]
