"""Call a Lambda function many times at once, each time with another event.

    python examples/invoke_many.py 100
    python examples/invoke_many.py 100 --async

The function is `hello` of the stack `serverless`.  With --async Lambda takes the events and runs them later, again up
to twice where they fail; what failed three times goes to the queue `failed`.  (The same event many times, with
latencies: awsrun invoke hello -n 100.)
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.config import Config

import awsrun

AT_ONCE = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=100, help="how many (100)")
    parser.add_argument("--async", action="store_true", dest="asynchronous", help="do not wait for answers")
    given = parser.parse_args()

    # Sent once: what got no answer may have been taken, and would run twice.
    settings = Config(max_pool_connections=AT_ONCE, read_timeout=60, retries={"total_max_attempts": 1})
    functions = awsrun.session().client("lambda", config=settings)
    name = awsrun.outputs("serverless")["hello"]["name"]

    def call(number: int) -> Any:
        answer = functions.invoke(
            FunctionName=name,
            InvocationType="Event" if given.asynchronous else "RequestResponse",
            Payload=json.dumps({"name": f"Person {number}"}),
        )
        if given.asynchronous:
            return answer["StatusCode"] == 202
        said = json.load(answer["Payload"])
        return None if "FunctionError" in answer else said["greeting"]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(call, range(given.count)))
    good = [one for one in answers if one]
    print(f"{len(good)} of {given.count} {'taken' if given.asynchronous else 'answered'}")
    if good and not given.asynchronous:
        print(f"the last: {good[-1]}")


if __name__ == "__main__":
    main()
