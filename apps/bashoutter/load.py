"""Load for Bashoutter: posts many haiku at once, and says how fast they were taken and whether each is there once.

    python apps/bashoutter/load.py post 300                 # 20 at a time
    python apps/bashoutter/load.py post 1000 -c 50 --chart load.png
    python apps/bashoutter/load.py clear                    # deletes all haiku

The API is that of the stack `bashoutter` (awsrun apply specs/bashoutter.yaml), or --url.  No request is sent twice, so
that what is counted as an error may still have been taken; it is then said to be there all the same.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 60.0  # seconds for one answer


@dataclass(frozen=True)
class Sent:
    """One request.

    Attributes:
        began, took: seconds, the first since the load began.
        failed: what went wrong; empty for nothing.
    """

    began: float
    took: float
    failed: str


class Api:
    """Bashoutter's API.  Each thread has a connection of its own, kept open."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._host, self._port, self._path = where.hostname or "", where.port, where.path.rstrip("/")
        self._make = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        self._own = threading.local()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """What the API answers.

        Raises:
            OSError, http.client.HTTPException: there was no answer.
            RuntimeError: the answer is an error; the text says which.
        """
        connection = self._connection()
        try:
            connection.request(method, self._path + path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        if answer.status >= 400:
            raise RuntimeError(f"{answer.status} {answer.reason}: {said[:200].decode(errors='replace')}")
        return json.loads(said) if said else None

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._own, "connection"):
            self._own.connection = self._make(self._host, self._port, timeout=PATIENCE)
        connection: http.client.HTTPConnection = self._own.connection
        return connection


def fire(count: int, at_once: int, one: Callable[[int], Any]) -> list[Sent]:
    """Call ``one`` with 0 to ``count`` - 1, so many at once."""
    start = time.monotonic()

    def timed(number: int) -> Sent:
        began, failed = time.monotonic(), ""
        try:
            one(number)
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failed = str(error) or type(error).__name__
        return Sent(began - start, time.monotonic() - began, failed)

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(timed, range(count)))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of ``values`` that is no less than so many percent of them."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def post(api: Api, count: int, at_once: int, chart: Path | None) -> int:
    """Post ``count`` haiku and look for each; the exit code."""
    mark = uuid.uuid4().hex[:8]
    sent = fire(count, at_once, lambda number: api.call("POST", "/haiku", haiku(mark, number)))
    seconds = max(one.began + one.took for one in sent)
    errors = Counter(one.failed for one in sent if one.failed)
    taken = [one.took for one in sent if not one.failed]
    print(f"{len(taken)} of {count} taken in {seconds:.1f} s: {len(taken) / seconds:.0f} a second, {at_once} at once")
    if taken:
        figures = (f"p{percent} {1000 * percentile(taken, percent):.0f} ms" for percent in (50, 95, 99))
        print(f"latency: {', '.join(figures)}, slowest {1000 * max(taken):.0f} ms")
    for text, times in errors.most_common():
        print(f"error, {times} times: {text}")
    good = {number for number, one in enumerate(sent) if not one.failed}
    right = check(api, mark, good)
    if chart is not None:
        draw(sent, chart)
    return 0 if right and not errors else 1


def haiku(mark: str, number: int) -> dict[str, str]:
    """One that can be told from all others."""
    return {
        "username": f"load {mark}",
        "first": "one among many",
        "second": f"number {number} crosses the wire",
        "third": "and is counted once",
    }


def check(api: Api, mark: str, good: set[int]) -> bool:
    """Whether each haiku that was taken is there once."""
    mine = [one for one in api.call("GET", "/haiku") if one["username"] == f"load {mark}"]
    found = Counter(int(one["second"].split()[1]) for one in mine)
    lost, doubled, late = good - found.keys(), [n for n, times in found.items() if times > 1], found.keys() - good
    print(
        f"checked: {len(lost)} lost, {len(doubled)} doubled"
        + (f", {len(late)} there in spite of an error" * bool(late))
    )
    return not lost and not doubled


def clear(api: Api, at_once: int) -> int:
    """Delete all haiku; the exit code."""
    count, errors = 0, 0
    while listed := api.call("GET", "/haiku"):  # an answer may not have room for all
        sent = fire(len(listed), at_once, lambda number: api.call("DELETE", f"/haiku/{listed[number]['item_id']}"))
        errors = sum(bool(one.failed) for one in sent)
        count += len(sent) - errors
        if errors == len(sent):
            break
    print(f"{count} deleted" + (f", {errors} not: {sent[-1].failed}" if errors else ""))
    return 1 if errors else 0


def draw(sent: Sequence[Sent], path: Path) -> None:
    """Each request's latency over time, and how they are spread."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (over_time, spread) = pyplot.subplots(1, 2, figsize=(10, 3.6), width_ratios=(2, 1), sharey=True)
    for failed, colour, label in ((False, "#26221c", "taken"), (True, "#b8351d", "failed")):
        some = [one for one in sent if bool(one.failed) == failed]
        if some:
            over_time.scatter(
                [one.began for one in some], [1000 * one.took for one in some], s=9, color=colour, label=label
            )
    spread.hist([1000 * one.took for one in sent], bins=40, orientation="horizontal", color="#b8351d")
    over_time.set(xlabel="seconds since the first request", ylabel="latency in ms", title="Latency of each request")
    spread.set(xlabel="requests", title="Spread")
    over_time.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


def url_of(stack: str) -> str:
    """Where the stack's API is, which awsrun knows."""
    asked = subprocess.run(["awsrun", "outputs", stack, "--json"], capture_output=True, text=True)
    if asked.returncode:
        sys.exit(asked.stderr.strip())
    return str(json.loads(asked.stdout)["api"]["url"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of the API, with its stage; that of the stack bashoutter unless given")
    commands = parser.add_subparsers(dest="command", required=True)
    posting = commands.add_parser("post", help="post haiku and check them")
    posting.add_argument("count", type=int, nargs="?", default=300, help="how many (300)")
    posting.add_argument("--chart", type=Path, help="a picture of the latencies (PNG, SVG, PDF)")
    clearing = commands.add_parser("clear", help="delete all haiku")
    for one in (posting, clearing):
        one.add_argument("-c", "--concurrency", type=int, default=20, help="requests at once (20)")
    given = parser.parse_args()
    api = Api(given.url or url_of("bashoutter"))
    if given.command == "clear":
        return clear(api, given.concurrency)
    return post(api, max(1, given.count), given.concurrency, given.chart)


if __name__ == "__main__":
    sys.exit(main())
