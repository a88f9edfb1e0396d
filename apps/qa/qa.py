"""Ask what a text says, on the stack of specs/qa.yaml: the questions wait in its table, Fargate tasks answer them.

    python apps/qa/qa.py ask "Where was he born?" --context "He was born in Ulm."
    python apps/qa/qa.py ask "Who wrote it?" --file letter.txt            # or --file -: standard input
    python apps/qa/qa.py many questions.jsonl --tasks 4                   # JSON, JSONL or CSV: {question, context}
    python apps/qa/qa.py list --limit 20                                  # --json, --csv: all there is of each
    python apps/qa/qa.py resume                                           # answer what was left unanswered
    python apps/qa/qa.py clear

Each task loads the model once, and answers its share.  The model is one of the Hugging Face hub, or a folder:
--model $(python apps/qa/train_small.py) for one that needs no hub.  QA_MODEL is the default of --model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from printing import Line, listed, row, say, show
from reading import Mistake, questions_of, text_of
from store import Question, Store
from tasks import Tasks

import awsrun
from awsrun.aws.errors import AwsrunError

MODEL = os.environ.get("QA_MODEL") or "distilbert/distilbert-base-cased-distilled-squad"
MANY = 20  # questions that are worth a task of their own


def main() -> int:
    given = parser().parse_args()
    try:
        outputs = awsrun.outputs(given.stack)
        if lacking := {"answers", "network", "tasks", "ask"} - set(outputs):
            raise Mistake(
                f"the stack {given.stack} is not that of specs/qa.yaml: it has no {', '.join(sorted(lacking))}"
            )
        session = awsrun.session()
        store = Store(session.resource("dynamodb").Table(outputs["answers"]["name"]))
        return int(given.does(given, store, Tasks(session, outputs)))
    except (AwsrunError, Mistake, RuntimeError) as error:
        say(str(error))
    except ClientError as error:
        say(f"AWS refuses: {error}")
    return 1


def ask(given: argparse.Namespace, store: Store, tasks: Tasks) -> int:
    """One question."""
    context = given.context if given.context is not None else text_of(given.file)
    ids = store.ask([Question(given.question, context)])
    code = run(store, tasks, ids, 1, given)
    (item,) = store.get(ids)
    if given.json:
        print(json.dumps(row({**item, "context": context}), ensure_ascii=False, indent=2))
    elif "answered_at" in item:
        show(item, context)
    return code


def many(given: argparse.Namespace, store: Store, tasks: Tasks) -> int:
    """All the questions of a file."""
    questions = questions_of(given.input)
    ids = store.ask(questions)
    say(f"{len(ids):,} question{'s' * (len(ids) > 1)}")
    code = run(store, tasks, ids, given.tasks or min(10, -(-len(ids) // MANY)), given)
    items = [{**item, "context": asked.context} for item, asked in zip(store.get(ids), questions, strict=True)]
    listed(items, given)
    return code


def resume(given: argparse.Namespace, store: Store, tasks: Tasks) -> int:
    """Those questions again whose task was lost."""
    ids = [item["item_id"] for item in store.every() if "answered_at" not in item]
    if not ids:
        say("every question has its answer")
        return 0
    return run(store, tasks, ids, given.tasks or min(10, -(-len(ids) // MANY)), given)


def list_all(given: argparse.Namespace, store: Store, tasks: Tasks) -> int:
    """What was asked, the newest first."""
    items = store.every()
    shown = items[: given.limit] if given.limit else items
    listed(shown, given)
    if len(shown) < len(items):
        say(f"and {len(items) - len(shown):,} older ones: --limit 0 shows all")
    return 0


def clear(given: argparse.Namespace, store: Store, tasks: Tasks) -> int:
    """Forget everything."""
    print(f"{store.clear():,} questions deleted")
    return 0


def run(store: Store, tasks: Tasks, ids: Sequence[str], count: int, given: argparse.Namespace) -> int:
    """Have the questions answered, and say how it goes; 1 if some are not."""
    began = time.monotonic()
    code = store.code()
    for share in store.share(ids, count):
        tasks.start(code, share, given.model)
    line, done = Line(), set[str]()
    going = True
    while going and len(done) < len(ids):
        going = tasks.look()
        done |= store.answered([key for key in ids if key not in done])
        line.show(f"{tasks.said()}; {len(done):,} of {len(ids):,} answered")
        if going and len(done) < len(ids):
            time.sleep(max(given.poll, len(ids) / 1000))
    line.end()
    if len(done) == len(ids):
        say(f"answered in {time.monotonic() - began:.0f} s")
        return 0
    for failure in tasks.failures():
        say(failure)
    left = len(ids) - len(done)
    say(f"{left:,} question{'s have' if left > 1 else ' has'} no answer; to try again: python apps/qa/qa.py resume")
    return 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--stack", default="qa", help="of specs/qa.yaml (default: qa)")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, does: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=does.__doc__)
        added.set_defaults(does=does, csv=False)
        if name != "clear":
            added.add_argument("--json", action="store_true", help="one JSON document on standard output")
        if name in ("many", "list"):
            added.add_argument("--csv", action="store_true", help="CSV on standard output")
        if name in ("ask", "many", "resume"):
            added.add_argument("--model", default=MODEL, help=f"on the hub, or a folder (default: {MODEL})")
            added.add_argument("--poll", type=float, default=2.0, help=argparse.SUPPRESS)
        if name in ("many", "resume"):
            added.add_argument(
                "--tasks", type=int, help=f"how many at once (default: one per {MANY} questions, 10 at most)"
            )
        return added

    one = command("ask", ask)
    one.add_argument("question")
    text = one.add_mutually_exclusive_group(required=True)
    text.add_argument("--context", help="the text that answers it")
    text.add_argument("--file", type=Path, help="a file with that text; - is standard input")
    command("many", many).add_argument("input", type=Path, help="JSON, JSONL or CSV: question and context")
    command("list", list_all).add_argument("--limit", type=int, default=100, help="at most so many (100; 0: all)")
    command("resume", resume)
    command("clear", clear)
    return made


if __name__ == "__main__":
    sys.exit(main())
