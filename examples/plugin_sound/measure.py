"""Measure the spoken digits on voices that were never heard, beside a baseline: prints the table of the tutorial.

composer train spoken-digits --out runs/digits
python measure.py runs/digits.safetensors
python measure.py runs/digits.safetensors --page ../../docs/plugins/sound.md    # writes it there, too
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from composer_sound.configs import SoundConfig, SpokenConfig
from composer_sound.listening import SoundProcessor
from composer_sound.spoken import VOICES, SpokenDigits

HEAD = "| spoken digits,"


def baseline(takes: int) -> float:
    """Logistic regression on the mean and the deviation of each band, fitted on the voices of `train`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data, processor = SpokenDigits(SpokenConfig(takes=takes)), SoundProcessor(SoundConfig())

    def features(split: str) -> tuple[np.ndarray, np.ndarray]:
        samples = data.samples(split)
        rows = []
        for sample in samples:
            bands = np.asarray(processor.encode([sample["recording"]])["mel"].values)[0]
            rows.append(np.concatenate((bands.mean(axis=0), bands.std(axis=0))))
        return np.stack(rows), np.array([int(sample["class"]) for sample in samples])

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(*features("train"))
    return float(model.score(*features("test")))


def table(weights: str) -> list[str]:
    """The lines of the table, of the record beside the weights and of the baseline."""
    record = json.loads(Path(weights).with_suffix(".json").read_text(encoding="utf-8"))
    takes = record["recipe"]["tasks"]["hear"].get("with", {}).get("takes", SpokenConfig().takes)
    found = record["scores"]["test"]["hear"]
    count = found["samples"]
    rows = {
        "chance": 0.1,
        "logistic regression on the mean and deviation of each band": baseline(takes),
        "`hear` of `spoken-digits`": found["accuracy"],
    }
    for task, what in (("see", "pictures of unseen writers"), ("read", "words")):
        rows[f"`{task}`, through the same layers: {what}"] = record["scores"]["test"][task]["accuracy"]
    return [
        f"{HEAD} {count} recordings of {len(VOICES['test'])} unseen voices | right |",
        "| --- | --- |",
        *(f"| {what} | {100 * score:.1f} % |" for what, score in rows.items()),
    ]


def write(page: Path, lines: list[str]) -> None:
    """Put the table in the place of the one that a page has."""
    old = page.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(old) if line.startswith(HEAD))
    end = next(number for number in range(start, len(old)) if not old[number].startswith("|"))
    page.write_text("\n".join([*old[:start], *lines, *old[end:]]) + "\n", encoding="utf-8")


def main(weights: str, page: str | None) -> None:
    lines = table(weights)
    print("\n".join(lines))
    if page is not None:
        write(Path(page), lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--page", help="a page with such a table, which is replaced")
    given = parser.parse_args()
    main(given.weights, given.page)
