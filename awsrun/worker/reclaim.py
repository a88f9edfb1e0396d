"""On Batch's machines: EC2 takes a spot machine back, and says so in its metadata two minutes before.

Jobs are not told.  SIGTERM comes with the machine's shutdown alone, seconds before the end: ECS looks for the notice
only where it is set up to, and then stops the tasks of services and no others
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-instance-draining.html).  So each worker looks by
itself, as often as EC2 advises
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html), and gives its trial back
while there is time to keep what was done.  On Fargate SIGTERM comes with the notice.
"""

from __future__ import annotations

import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException

from awsrun.worker.heartbeat import Notice
from awsrun.worker.regular import Regular

METADATA = "http://169.254.169.254"
ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"  # of metadata elsewhere, as boto3 has it
EVERY = 5.0  # seconds between two looks
PATIENCE = 3  # looks in a row without an answer, after which there are no metadata
GRACE = 80.0  # seconds that a trial has to leave a checkpoint, which is to be uploaded in the two minutes, too
LEFT = 100.0  # seconds for which the bucket is asked again, if it does not take that
STAY = 180.0  # seconds within which the machine is gone
_LASTS = 60  # seconds for which a token is good: each look asks for one


class Reclaim(Regular):
    """Tells the supervisor once, if its machine is taken back.

    Attributes:
        came: whether it is.

    Args:
        endpoint: URL of the machine's metadata.
    """

    def __init__(self, tell: Callable[[Notice], None], endpoint: str = METADATA, every: float = EVERY) -> None:
        super().__init__("reclaim")
        self._tell, self._endpoint, self._every = tell, endpoint.rstrip("/"), every
        self._unanswered = 0
        self.came = False

    @classmethod
    def here(cls, tell: Callable[[Notice], None], env: Mapping[str, str]) -> Reclaim | None:
        """For a worker with this environment; None where it is on no machine of Batch's."""
        if not env.get("AWS_BATCH_JOB_ID") or env.get("AWS_EXECUTION_ENV") == "AWS_ECS_FARGATE":
            return None
        if ENDPOINT in env:
            return cls(tell, env[ENDPOINT])
        return None if env.get("AWS_ENDPOINT_URL") else cls(tell)

    def stay(self) -> None:
        """Wait for the end of the machine: a worker that left it would be started on it once more, which counts."""
        if not self.came:
            return
        gone = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: gone.set())
        print("[awsrun] waiting for the machine's end", flush=True)
        gone.wait(STAY)

    def _pause(self) -> float:
        return self._every

    def _turn(self) -> bool:
        try:
            notice = self._look()
            self._unanswered = 0
        except (OSError, HTTPException):
            self._unanswered += 1
            return self._unanswered < PATIENCE
        if notice:
            self.came = True
            self._tell(Notice("reclaimed", why=f"EC2 takes this spot machine back ({notice})"))
        return not notice

    def _look(self) -> str:
        """What the metadata say, ``""`` where they say nothing.  All requests need a token, which IMDSv2 gives out."""
        lasts = {"X-aws-ec2-metadata-token-ttl-seconds": str(_LASTS)}
        token = self._ask("/latest/api/token", "PUT", lasts)
        try:
            return self._ask("/latest/meta-data/spot/instance-action", "GET", {"X-aws-ec2-metadata-token": token})
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return ""

    def _ask(self, path: str, method: str, headers: Mapping[str, str]) -> str:
        request = urllib.request.Request(self._endpoint + path, method=method, headers=dict(headers))
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # metadata are behind no proxy
        with direct.open(request, timeout=2) as answer:
            return str(answer.read().decode(errors="replace"))
