"""How numbers and names look in pictures and tables: ``val_accuracy`` 0.9912 is 99.1 % validation accuracy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from awsrun.worker.protocol.runs import Run

INK = "#33658a"
MUTED = "#78868f"
MARK = "#e4572e"
COLOURS = (INK, MARK, "#4c956c", "#a06cd5", "#c99700", "#5c6b73")
_SHARES = re.compile(r"acc|precision|recall|f1|auc|share|rate$|exact_match", re.IGNORECASE)
_WORDS = {"val": "validation", "lr": "learning rate", "acc": "accuracy", "train": "training"}


@dataclass(frozen=True)
class Scale:
    """How a metric is written.

    Attributes:
        name: for titles; ``unit``: ``%`` or empty; ``factor``: what a raw value is multiplied by.
        decimals: of a value in a cell.
    """

    name: str
    unit: str
    factor: float
    decimals: int

    @property
    def label(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def cell(self, scaled: float) -> str:
        """A value that was multiplied by ``factor`` already."""
        return f"{scaled:.{self.decimals}f}" if self.decimals < 7 else f"{scaled:.2e}"

    def text(self, raw: float) -> str:
        """A raw value, with its unit."""
        return self.cell(raw * self.factor) + (f" {self.unit}" if self.unit else "")


def scale_of(metric: str, values: Iterable[float | None]) -> Scale:
    """How to write a metric that takes these values: shares between 0 and 1 are percentages with one decimal."""
    known = [abs(value) for value in values if value is not None and math.isfinite(value)]
    largest = max(known, default=0.0)
    if _SHARES.search(metric) and largest <= 1.0:
        return Scale(name_of(metric), "%", 100.0, 1)
    magnitude = math.floor(math.log10(largest)) if largest else 0
    return Scale(name_of(metric), "", 1.0, min(7, max(0, 2 - magnitude)))


def name_of(name: str) -> str:
    """``val_accuracy`` as ``validation accuracy``."""
    return " ".join(_WORDS.get(word, word) for word in name.split("_"))


def short(value: Any) -> str:
    """A parameter's value, as briefly as it can be told apart."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= 24 else text[:23] + "…"


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=160, layout="constrained", facecolor="white")


def frame(ax: Axes, x: str, y: str) -> None:
    """Labels and a quiet grid."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e3e6e8", linewidth=0.8)
    ax.set_axisbelow(True)


def finish(fig: Figure, run: Run, what: str, trials: int, more: str = "") -> Figure:
    """Title and the line below it that says where the picture comes from."""
    stem = run.job.rsplit("/", 1)[-1].removesuffix(".py")
    fixed = ", ".join(f"{name}={short(value)}" for name, value in run.fixed.items())
    count = more or f"{trials:,} of {run.total:,} trials" if trials != run.total else f"{trials:,} trials"
    detail = " · ".join(part for part in (run.run, more or count, fixed) if part)
    fig.suptitle(f"{stem}: {what}", fontsize=13, fontweight="bold", color="#20303a")
    fig.supxlabel(detail, fontsize=8, color=MUTED)
    return fig
