"""Write many items into a DynamoDB table, 25 a call.

    python examples/bulk_write.py 1000

DynamoDB may leave items of a batch undone when it is busy (UnprocessedItems); boto3's batch writer sends those again.
"""

from __future__ import annotations

import argparse
import time

from items import open_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1000, help="how many (1000)")
    count = parser.parse_args().count
    table = open_table()

    began = time.monotonic()
    with table.batch_writer() as batch:
        for number in range(count):
            batch.put_item(Item={"id": f"person-{number:06}", "age": number % 100, "name": f"Person {number}"})
    seconds = time.monotonic() - began
    print(f"{count} items in {seconds:.1f} s ({count / seconds:.0f} a second)")


if __name__ == "__main__":
    main()
