"""Extractive question answering: the span of a text that answers a question, by any model of transformers'
AutoModelForQuestionAnswering.

A text longer than the model takes is read through windows that overlap.  Each span counts in one window only, the one
that shows more around it, by its odds against "no answer" there.  So scores are probabilities over the whole text: all
spans and "no answer" sum to 1.
Spans are of whole words.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer
from transformers.utils import logging

WINDOW = 384  # tokens, question included: what models are trained with on SQuAD
LONGEST_QUESTION = 128  # tokens; what is above is not read


@dataclass(frozen=True, order=True)
class Span:
    """A part of a text.

    Attributes:
        score: its probability.
        start, end: in characters of the text, Python's way: ``text[start:end]``.
    """

    score: float
    start: int
    end: int


@dataclass(frozen=True)
class Answer:
    """What a text says to a question.

    Attributes:
        best: the likeliest spans, best first; none only for an empty text.
        no_answer: the probability that the text does not say.
    """

    best: tuple[Span, ...]
    no_answer: float

    def told(self, text: str, always: bool = False) -> dict[str, Any]:
        """As plain values: answer, score, start and end of the best span, no_answer, and n_best, a list of such spans.

        Where it is likelier that the text does not say, answer is "", and start and end are -1.

        Args:
            always: name the best span all the same.
        """
        best = [
            {"answer": text[one.start : one.end], "score": round(one.score, 6), "start": one.start, "end": one.end}
            for one in self.best
        ]
        nothing = {"answer": "", "score": round(self.no_answer, 6), "start": -1, "end": -1}
        first = best[0] if best and (always or self.best[0].score >= self.no_answer) else nothing
        return {**first, "no_answer": round(self.no_answer, 6), "n_best": best}


@dataclass
class _Question:
    """What the windows read so far say: logarithms of odds against "no answer", not yet probabilities."""

    spans: dict[tuple[int, int], float] = field(default_factory=dict)
    total: float = -math.inf  # of all spans together


@dataclass(frozen=True)
class _Window:
    """A question with a part of its text, as tokens.

    Attributes:
        question: the number of its question.
        ids: everything that the model takes, a list for each name.
        offsets: (start, end) in the text of each token, None for those that are not of the text.
        words: the number of each token's word, None for those that are not of the text.
        first, last: the tokens in which its own spans begin; others begin in the window before or behind.
    """

    question: int
    ids: dict[str, list[int]]
    offsets: list[tuple[int, int] | None]
    words: list[int | None]
    first: int
    last: int


class Reader:
    """A loaded model.

    Attributes:
        name: of the model; ``seconds``: how long it took to load.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str = "", seconds: float = 0.0) -> None:
        self.name, self.seconds = name, seconds
        self.model, self.tokenizer = model.eval(), tokenizer
        positions = getattr(model.config, "max_position_embeddings", None) or WINDOW
        self._window = min(WINDOW, positions, tokenizer.model_max_length)

    @classmethod
    def load(cls, name: str) -> Reader:
        """Load a model: the name of one on the Hugging Face hub, or a folder.

        Raises:
            OSError: there is none, or the hub cannot be reached.
        """
        began = time.monotonic()
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True)
            model = AutoModelForQuestionAnswering.from_pretrained(name).to(device)
        except (OSError, ValueError) as error:
            where = "not a folder here, and not found on the hub" if not Path(name).is_dir() else "in that folder"
            raise OSError(
                f"cannot load the model {name!r} ({where}): {str(error).splitlines()[0]}\n"
                "Without the hub, train a small one (python apps/qa/train_small.py) and name its folder."
            ) from error
        return cls(model, tokenizer, name, time.monotonic() - began)

    def answer(
        self,
        questions: Sequence[tuple[str, str]],
        n_best: int = 3,
        longest: int = 30,
        stride: int = 128,
        batch: int = 16,
    ) -> list[Answer]:
        """Answer (question, text) pairs.

        Args:
            n_best: how many spans of each.
            longest: of a span, in tokens.
            stride: tokens that a window shares with the next one.
            batch: windows in a forward pass.
        """
        found = [_Question() for _ in questions]
        windows = [
            window
            for i, (question, text) in enumerate(questions)
            for window in self._windows(i, question, text, stride)
        ]
        windows.sort(key=lambda window: len(window.offsets))  # little padding: windows of a batch are of one length
        for at in range(0, len(windows), batch):
            self._read(windows[at : at + batch], found, n_best, longest)
        return [_answer(one, text, n_best) for one, (_, text) in zip(found, questions, strict=True)]

    def _windows(self, number: int, question: str, text: str, stride: int) -> Iterator[_Window]:
        """The text in windows, the last ones as long as they need to be."""
        if not text.strip():
            return
        limit = min(LONGEST_QUESTION, self._window // 2)
        offsets = self.tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        if len(offsets) > limit:
            question = question[: offsets[limit - 1][1]]
        made = self.tokenizer(
            question,
            text,
            truncation="only_second",
            max_length=self._window,
            stride=min(stride, self._window // 4),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        names = [name for name in self.tokenizer.model_input_names if name in made]
        count = len(made["input_ids"])
        places = [[i for i, of in enumerate(made.sequence_ids(w)) if of == 1] for w in range(count)]
        spans = [made["offset_mapping"][w] for w in range(count)]
        begins = [spans[w][places[w][0]][0] if places[w] else len(text) for w in range(count)]
        low = 0
        for w in range(count):
            if not places[w]:
                continue
            high = len(text)
            if w + 1 < count:  # in the middle of what this window shares with the next one, that takes over
                shared = [i for i in places[w] if spans[w][i][0] >= begins[w + 1]]
                high = spans[w][shared[len(shared) // 2]][0] if shared else begins[w + 1]
            own = [i for i in places[w] if low <= spans[w][i][0] < high or (w + 1 == count and spans[w][i][0] >= low)]
            low = high
            inside = set(places[w])
            yield _Window(
                number,
                {name: made[name][w] for name in names},
                [tuple(span) if i in inside else None for i, span in enumerate(spans[w])],
                [word if i in inside else None for i, word in enumerate(made.word_ids(w))],
                own[0] if own else 0,
                own[-1] if own else -1,
            )

    @torch.inference_mode()
    def _read(self, windows: Sequence[_Window], found: Sequence[_Question], n_best: int, longest: int) -> None:
        """One forward pass; what it says goes to the windows' questions."""
        padded = self.tokenizer.pad(
            {name: [w.ids[name] for w in windows] for name in windows[0].ids}, return_tensors="pt"
        )
        said = self.model(**padded.to(self.model.device))
        starts, ends = said.start_logits.float().cpu(), said.end_logits.float().cpu()
        for i, window in enumerate(windows):
            nothing = self._nothing(window)
            starts[i] -= starts[i, nothing].clone()
            ends[i] -= ends[i, nothing].clone()
            self._spans(window, starts[i], ends[i], found[window.question], n_best, longest)

    def _nothing(self, window: _Window) -> int:
        """The token that a model points at where there is no answer."""
        ids = window.ids["input_ids"]
        return ids.index(self.tokenizer.cls_token_id) if self.tokenizer.cls_token_id in ids else 0

    def _spans(
        self, window: _Window, starts: torch.Tensor, ends: torch.Tensor, one: _Question, n_best: int, longest: int
    ) -> None:
        """Add the window's own spans to its question's."""
        if window.last < window.first:
            return
        words = window.words
        end = max(i for i, word in enumerate(words) if word is not None) + 1
        at = torch.arange(window.first, window.last + 1).unsqueeze(1) + torch.arange(longest)  # start x length
        begins = [words[i] != words[i - 1] for i in range(window.first, window.last + 1)]
        closes = torch.tensor([i + 1 >= end or words[i] != words[i + 1] for i in range(end)])
        whole = torch.tensor(begins).unsqueeze(1) & closes[at.clamp(max=end - 1)] & (at < end)
        logits = starts[window.first : window.last + 1].unsqueeze(1) + ends[at.clamp(max=end - 1)]
        logits.masked_fill_(~whole, -math.inf)
        one.total = float(torch.logaddexp(torch.tensor(one.total), torch.logsumexp(logits.flatten(), 0)))
        best = logits.flatten().topk(min(4 * n_best, logits.numel()))  # some may be the same but for blanks
        for value, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            if value == -math.inf:
                break
            first, length = divmod(place, longest)
            begin, finish = window.offsets[window.first + first], window.offsets[window.first + first + length]
            if begin and finish:
                key = begin[0], finish[1]
                one.spans[key] = max(value, one.spans.get(key, -math.inf))


def _answer(one: _Question, text: str, n_best: int) -> Answer:
    if not one.spans:
        return Answer((), 1.0)
    whole = max(one.total, 0.0) + math.log1p(math.exp(-abs(one.total)))  # log(1 + odds)
    best: dict[tuple[int, int], float] = {}
    for (start, end), logit in heapq.nlargest(4 * n_best, one.spans.items(), key=lambda item: item[1]):
        part = text[start:end]
        start, end = start + len(part) - len(part.lstrip()), end - (len(part) - len(part.rstrip()))
        if start < end:
            best.setdefault((start, end), math.exp(logit - whole))
    spans = (Span(score, start, end) for (start, end), score in list(best.items())[:n_best])
    return Answer(tuple(spans), math.exp(-whole))
