"""Metrics of captions by the definitions of the COCO caption evaluation, over words as `caption_words` cuts them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from composer_core.metric_types import BleuConfig, CiderConfig
from composer_core.metrics.caption_words import caption_words
from composer_core.metrics.given import texts_of

__all__ = ["bleu", "bleu_of_counts", "cider", "rouge_l", "sample"]

Grams = Counter[tuple[str, ...]]
LONGEST = 4
"""Words of the longest n-grams of CIDEr."""
SIGMA = 6.0
"""Spread of CIDEr-D's penalty for another length."""
BETA = 1.2
"""How much more recall counts than precision in ROUGE-L, as the COCO evaluation sets it."""


def sample() -> tuple[list[Any], list[Any]]:
    """Three captions with two references each, the last of them wrong."""
    references = [
        ["a man rides a wave", "a surfer on a wave in the sea"],
        ["two dogs play in the snow", "two brown dogs run through snow"],
        ["a bowl of soup", "soup in a white bowl on a table"],
    ]
    return ["a man rides a big wave", "two dogs run in the snow", "a train at a station"], references


def bleu(predictions: Sequence[Any], references: Sequence[Any], config: BleuConfig) -> list[list[float]]:
    """Of each caption: n-grams that are right and all n-grams, for each n, its words, and those of the reference that
    is nearest in length.

    Papineni and others: BLEU, a method for automatic evaluation of machine translation, 2002.
    """
    return [_counts(p, texts_of(r), config.n) for p, r in zip(predictions, references, strict=True)]


def _counts(prediction: Any, references: list[str], n: int) -> list[float]:
    words, right = caption_words(str(prediction)), [caption_words(each) for each in references]
    correct, all_ = [], []
    for size in range(1, n + 1):
        most: Grams = Counter()
        for each in right:
            most |= _grams(each, size)
        correct.append(float((_grams(words, size) & most).total()))
        all_.append(float(max(0, len(words) - size + 1)))
    nearest = min((abs(len(each) - len(words)), len(each)) for each in right)[1]
    return [*correct, *all_, float(len(words)), float(nearest)]


def bleu_of_counts(rows: Any, config: BleuConfig) -> float:
    """BLEU from the counts of all captions: what is right by n, geometric mean, and a penalty for too few words."""
    counts = np.asarray(rows).mean(axis=0)
    n = config.n
    correct, all_, (words, nearest) = counts[:n], counts[n : 2 * n], counts[2 * n :]
    if not correct.all() or not words:
        return 0.0
    precision = math.exp(float(np.log(correct / all_).mean()))
    return precision * min(1.0, math.exp(1 - nearest / words))


def _grams(words: Sequence[str], size: int) -> Grams:
    return Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))


def rouge_l(predictions: Sequence[Any], references: Sequence[Any]) -> list[float]:
    """ROUGE-L: the longest words in common, in order, against the words of the caption and of the references.

    Lin: ROUGE, a package for automatic evaluation of summaries, 2004; the best precision and the best recall among the
    references are taken, as the COCO evaluation does it.
    """
    return [_rouge(str(p), texts_of(r)) for p, r in zip(predictions, references, strict=True)]


def _rouge(prediction: str, references: list[str]) -> float:
    words = caption_words(prediction)
    right = [caption_words(each) for each in references]
    common = [_in_common(words, each) for each in right]
    precision = max(common) / max(len(words), 1)
    recall = max(count / max(len(each), 1) for count, each in zip(common, right, strict=True))
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _in_common(one: Sequence[str], other: Sequence[str]) -> int:
    """How long the longest words in common are that stand in both in one order."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for index, each in enumerate(other, 1):
            here = row[index]
            row[index] = before + 1 if word == each else max(here, row[index - 1])
            before = here
    return row[-1]


def cider(predictions: Sequence[Any], references: Sequence[Any], config: CiderConfig) -> list[float]:
    """CIDEr-D, or CIDEr, of each caption, times 10: how alike the n-grams are, rare ones weighing more.

    What is rare is learnt from the references of all captions. Vedantam and others: CIDEr, consensus-based image
    description evaluation, 2015; the COCO evaluation and published tables call CIDEr-D by the name CIDEr.
    """
    right = [[_all_grams(each) for each in texts_of(reference)] for reference in references]
    found = Counter(gram for each in right for gram in set().union(*each))
    rarity = _Rarity(found, math.log(len(right)))
    penalised = config.variant == "cider-d"
    return [
        10.0 * _consensus(_all_grams(str(p)), each, rarity, penalised=penalised)
        for p, each in zip(predictions, right, strict=True)
    ]


def _all_grams(text: str) -> Grams:
    words = caption_words(text)
    found: Grams = Counter()
    for size in range(1, LONGEST + 1):
        found |= _grams(words, size)
    return found


class _Rarity:
    """How rare n-grams are among the references."""

    def __init__(self, found: Counter[tuple[str, ...]], all_: float) -> None:
        self._found, self._all = found, all_

    def vectors(self, grams: Grams) -> list[dict[tuple[str, ...], float]]:
        """By the size of the n-grams: counts times rarity."""
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(LONGEST)]
        for gram, count in grams.items():
            vectors[len(gram) - 1][gram] = count * (self._all - math.log(max(1, self._found[gram])))
        return vectors


def _consensus(grams: Grams, references: list[Grams], rarity: _Rarity, *, penalised: bool) -> float:
    """The mean likeness to the references over the sizes of n-grams."""
    own, length = rarity.vectors(grams), _bigrams(grams)
    total = 0.0
    for each in references:
        alike = [
            _alike(one, other, clipped=penalised)
            for one, other in zip(own, rarity.vectors(each), strict=True)
        ]
        penalty = math.exp(-((length - _bigrams(each)) ** 2) / (2 * SIGMA**2)) if penalised else 1.0
        total += penalty * sum(alike) / LONGEST
    return total / len(references)


def _bigrams(grams: Grams) -> int:
    """The length of a caption, as the published code takes it."""
    return sum(count for gram, count in grams.items() if len(gram) == 2)


def _alike(own: dict[tuple[str, ...], float], other: dict[tuple[str, ...], float], *, clipped: bool) -> float:
    """The cosine of two vectors; where it is clipped, no n-gram counts more often than the reference has it."""
    sizes = [math.sqrt(sum(value**2 for value in vector.values())) for vector in (own, other)]
    if not all(sizes):
        return 0.0
    shared = own.keys() & other.keys()
    return sum((min(own[g], other[g]) if clipped else own[g]) * other[g] for g in shared) / (
        sizes[0] * sizes[1]
    )
