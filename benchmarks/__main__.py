"""Runs benchmarks by name and prints each one's figures as a Markdown table."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("startup", "submit", "apply", "noop", "mnist", "search", "pruning")


def main(chosen: list[str]) -> None:
    for name in chosen or NAMES:
        module = import_module(f"benchmarks.{name}")
        print(f"\n## {name}\n\n{(module.__doc__ or '').strip()}\n", flush=True)
        rows: list[dict[str, object]] = module.measure()
        print("| " + " | ".join(rows[0]) + " |")
        print("|" + " --- |" * len(rows[0]))
        for row in rows:
            print("| " + " | ".join(map(str, row.values())) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
