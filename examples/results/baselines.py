"""Well-known methods on the same splits as the experiments, by scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["movies_words"]


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
