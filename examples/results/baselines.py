"""Well-known methods on the same splits as the experiments, each by what their training split says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["box_constant", "captions_by_chance", "captions_by_rules", "fashion_pixels", "movies_words"]


def movies_words(data: Path) -> list[float]:
    """Accuracy of words and pairs of words (TF-IDF) with a logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    parts = {}
    for split in ("train", "test"):
        rows = _rows(data / f"movies-{split}.jsonl")
        parts[split] = [row["sentence"] for row in rows], [row["mood"] for row in rows]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    model.fit(*parts["train"])
    return [float(model.score(*parts["test"]))]


def fashion_pixels(data: Path, trained: int = 10_000) -> list[float]:
    """Accuracy of a logistic regression on the pixels of as many pictures, spread over the training split."""
    from sklearn.linear_model import LogisticRegression

    parts = {}
    for split in ("train", "test"):
        files = sorted((data / "fashion" / split).glob("*/*.png"))
        files = files[:: len(files) // trained] if split == "train" else files
        pixels = np.stack([np.asarray(Image.open(file)).ravel() for file in files]) / 255
        parts[split] = pixels, [file.parent.name for file in files]
    model = LogisticRegression(max_iter=100).fit(*parts["train"])
    return [float(model.score(*parts["test"]))]


def box_constant(data: Path) -> list[float]:
    """Share of the test boxes that overlap by half with the one box that most training boxes overlap with so."""
    boxes = {
        split: np.array([row["truth"] for row in _rows(data / "boxes" / f"{split}.jsonl")])
        for split in ("train", "test")
    }
    places, sizes = np.linspace(0, 0.75, 13), np.linspace(0.2, 0.5, 7)
    tried = np.array([(x, y, w, h) for x in places for y in places for w in sizes for h in sizes])
    found = [(overlaps(box, boxes["train"]) >= 0.5).mean() for box in tried]
    best = tried[int(np.argmax(found))]
    return [float((overlaps(best, boxes["test"]) >= 0.5).mean())]


def overlaps(one: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Intersection over union of a box and others[B, 4], all x, y, width, height."""
    least = np.maximum(one[:2], others[:, :2])
    most = np.minimum(one[:2] + one[2:], others[:, :2] + others[:, 2:])
    common = (most - least).clip(min=0).prod(axis=1)
    return common / (one[2:].prod() + others[:, 2:].prod(axis=1) - common)


def captions_by_chance(data: Path) -> list[float]:
    """Expected recall of candidates drawn without a look, as the metric counts it: one candidate for each caption, and
    one query; recall@1 and @5, either way.
    """
    counts = Counter(row["caption"] for row in _rows(data / "captions" / "test.jsonl"))
    total = sum(counts.values())
    found = [1 - float(np.mean([_none_of(n, total, k) for n in counts.values()])) for k in (1, 5)]
    return [1 / len(counts), 5 / len(counts), *found]


def _none_of(right: int, total: int, k: int) -> float:
    """The chance that none of `k` candidates, drawn without putting back, is a right one."""
    wrong = total - right
    return float(np.prod([(wrong - i) / (total - i) for i in range(k)]))


def captions_by_rules(data: Path) -> list[float]:
    """Recall of captions made by rules: the nearest mean colour of training, and the share of its box that a shape
    fills. Candidates with the caption that the rules make of a picture come first, then those with one word of it.
    """
    colours = _mean_colours(data)
    rows = _rows(data / "captions" / "test.jsonl")
    told = [_told(data / "captions" / row["image"], colours) for row in rows]
    truths = [tuple(row["caption"].split()[1:3]) for row in rows]
    captions = sorted(set(truths))
    alike = np.array(
        [[sum(a == b for a, b in zip(one, other, strict=True)) for other in captions] for one in told]
    )
    right = np.array([[one == other for other in captions] for one in truths])
    return [
        _recall(scores, marks, k) for scores, marks in ((alike, right), (alike.T, right.T)) for k in (1, 5)
    ]


def _recall(scores: NDArray[Any], right: NDArray[Any], k: int) -> float:
    """The share of queries with a right one among the best `k`; one that is wrong and as good stands before it."""
    best = np.where(right, scores, -1).max(axis=1, keepdims=True)
    return float((((scores >= best) & ~right).sum(axis=1) < k).mean())


def _mean_colours(data: Path) -> dict[str, NDArray[Any]]:
    seen: dict[str, list[NDArray[Any]]] = {}
    for row in _rows(data / "captions" / "train.jsonl"):
        pixels, inside = _shape(data / "captions" / row["image"])
        seen.setdefault(row["caption"].split()[1], []).append(pixels[inside].mean(axis=0))
    return {name: np.mean(each, axis=0) for name, each in seen.items()}


def _told(file: Path, colours: dict[str, NDArray[Any]]) -> tuple[str, str]:
    pixels, inside = _shape(file)
    mean = pixels[inside].mean(axis=0)
    colour = min(colours, key=lambda name: float(np.abs(colours[name] - mean).sum()))
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    filled = inside.sum() / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1))
    form = "rectangle" if filled > 0.9 else "circle" if filled > 0.65 else "triangle"
    return colour, form


def _shape(file: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """The pixels of a picture, and which of them differ from its ground, the colour of most of its border."""
    pixels = np.asarray(Image.open(file).convert("RGB")).astype(int)
    border = np.concatenate((pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    ground = np.median(border, axis=0)
    inside = np.abs(pixels - ground).sum(axis=2) > 30
    return pixels, inside


def _rows(file: Path) -> Sequence[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]
