"""Question answering: which part of a text answers a question.  By default DistilBERT, as trained on SQuAD.

    python jobs/qa.py --context "He was born in Ulm." --question "Where was he born?"    # one, here
    awsrun submit jobs/qa.py --inputs questions.jsonl                                    # many: {context, question}
    awsrun results last --csv                                                            # their answers

Inputs are JSON, JSONL or CSV, the texts of any length.  A worker loads the model once and answers its questions in
blocks.  ``model`` is a name on the Hugging Face hub, or a folder; `apps/qa/train_small.py` makes a small one without
the hub.
"""

from __future__ import annotations

import functools
from typing import Any

from spans import Reader

import awsrun

MODEL = "distilbert/distilbert-base-cased-distilled-squad"


def answer(
    trial: awsrun.Trial,
    context: str,
    question: str,
    model: str = MODEL,
    n_best: int = 3,
    longest: int = 30,
    stride: int = 128,
    batch: int = 16,
    always: bool = False,
) -> dict[str, Any]:
    """Answer one question.

    Args:
        n_best: how many answers to give.
        longest: of an answer, in tokens.
        stride: tokens that two windows on a long text share.
        batch: windows on texts in a forward pass.
        always: name the best span even where it is likelier that the text does not say.

    Returns:
        answer ("" if the text does not say), its score, start and end in the context's characters, the probability of
        no_answer, and the n_best.
    """
    settings = {
        "model": model,
        "n_best": n_best,
        "longest": longest,
        "stride": stride,
        "batch": batch,
        "always": always,
    }
    return answer_all(trial, [{"context": context, "question": question, **settings}])[0]


def answer_all(trial: awsrun.Trial, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer many: those with the same settings together."""
    together: dict[tuple[Any, ...], list[int]] = {}
    for i, row in enumerate(rows):
        settings = tuple(row[name] for name in ("model", "n_best", "longest", "stride", "batch"))
        together.setdefault(settings, []).append(i)
    results: list[dict[str, Any]] = [{} for _ in rows]
    for (model, *others), places in together.items():
        answers = load(model).answer([(rows[i]["question"], rows[i]["context"]) for i in places], *others)
        for i, found in zip(places, answers, strict=True):
            results[i] = found.told(rows[i]["context"], rows[i]["always"])
    return results


@functools.cache
def load(model: str) -> Reader:
    """The model, once in this process."""
    reader = Reader.load(model)
    print(f"loaded {model} in {reader.seconds:.1f} s", flush=True)
    return reader


if __name__ == "__main__":
    awsrun.main(answer, metric="score", mode="max", batch=answer_all)
