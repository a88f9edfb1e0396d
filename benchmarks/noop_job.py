"""A job that does nothing, so that what is left is what a trial costs."""

import awsrun


def train(trial: awsrun.Trial, x: float = 0.0) -> dict[str, float]:
    return {"y": x}


if __name__ == "__main__":
    awsrun.main(train, metric="y", mode="max")
