"""Measure the spoken digits on voices that were never heard, beside a baseline: prints the table of the tutorial.

composer train spoken-digits --out runs/digits
python measure.py runs/digits.safetensors
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from composer_sound.configs import SoundConfig, SpokenConfig
from composer_sound.listening import SoundProcessor
from composer_sound.spoken import VOICES, SpokenDigits


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


def main(weights: str) -> None:
    record = json.loads(Path(weights).with_suffix(".json").read_text(encoding="utf-8"))
    takes = record["recipe"]["tasks"]["hear"].get("with", {}).get("takes", SpokenConfig().takes)
    found = record["scores"]["test"]["hear"]
    count = found["samples"]
    print(f"| spoken digits, {count} recordings of {len(VOICES['test'])} unseen voices | right |")
    print("| --- | --- |")
    print("| chance | 10.0 % |")
    print(
        f"| logistic regression on the mean and deviation of each band | {baseline(takes):.1%} |".replace(
            "%", " %"
        )
    )
    print(f"| `hear` of `spoken-digits` | {found['accuracy']:.1%} |".replace("%", " %"))
    for task, what in (("see", "pictures of unseen writers"), ("read", "words")):
        score = record["scores"]["test"][task]["accuracy"]
        print(f"| `{task}`, through the same layers: {what} | {score:.1%} |".replace("%", " %"))


if __name__ == "__main__":
    main(*sys.argv[1:])
