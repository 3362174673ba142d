"""Well-known methods on the same splits as the experiments, by scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["fashion_pixels", "movies_words"]

ROWS = 10_000


def movies_words(data: Path) -> float:
    """Accuracy of words and pairs of words (TF-IDF) with a logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    parts = {}
    for split in ("train", "test"):
        rows = [json.loads(line) for line in (data / f"movies-{split}.jsonl").read_text().splitlines()]
        parts[split] = [row["sentence"] for row in rows], [row["mood"] for row in rows]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    model.fit(*parts["train"])
    return float(model.score(*parts["test"]))


def fashion_pixels(data: Path) -> float:
    """Accuracy of pixels with a logistic regression, on every sixth row of training."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=200)
    model.fit(*_pictures(data / "fashion" / "train", most=ROWS))
    return float(model.score(*_pictures(data / "fashion" / "test")))


def _pictures(folder: Path, most: int | None = None) -> tuple[np.ndarray, list[str]]:
    paths = sorted(folder.glob("*/*.png"), key=lambda path: path.name)
    chosen = paths if most is None else paths[:: len(paths) // most]
    pixels = np.stack([np.asarray(Image.open(path)).reshape(-1) for path in chosen])
    return pixels / 255.0, [path.parent.name for path in chosen]
