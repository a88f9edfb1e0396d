"""Find the items of a DynamoDB table whose attribute is under, over or equal to a value.

    python examples/search.py age under 2
    python examples/search.py name is "Person 7"

The whole table is read and paid for, whatever is found: fine for a look, but what is searched often wants a key or an
index.
"""

from __future__ import annotations

import argparse
import json

from boto3.dynamodb.conditions import Attr
from items import every, open_table, value

RELATIONS = {"under": Attr.lt, "over": Attr.gt, "is": Attr.eq}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attribute")
    parser.add_argument("relation", choices=RELATIONS)
    parser.add_argument("value")
    given = parser.parse_args()

    condition = RELATIONS[given.relation](Attr(given.attribute), value(given.value))
    count = 0
    for item in every(open_table(), FilterExpression=condition):
        print(json.dumps(item, default=str))
        count += 1
    print(f"{count} found")


if __name__ == "__main__":
    main()
