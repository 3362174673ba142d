"""Metrics of retrieval: where what is right stands among all candidates, from two embeddings or rows of scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composer.problems import InputError
from composer_core.metric_types import MeanRecallConfig, RankConfig, RecallConfig, hold_best
from composer_core.metrics.given import number

__all__ = [
    "mean_of_rows",
    "mean_recall",
    "median_of_rows",
    "rank_of_samples",
    "ranks",
    "ranks_of_embeddings",
    "recall_at_k",
    "recall_of_rows",
    "sample",
]

AT_ONCE = 512
"""Queries whose scores of all candidates are held at once."""

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def sample() -> tuple[list[Any], list[Any]]:
    """Three pairs of embeddings, of which the last two are mixed up one way."""
    rows = [([1.0, 0.0], [1.0, 0.1]), ([0.0, 1.0], [0.9, 1.0]), ([0.7, 0.7], [0.2, 1.0])]
    return [tuple(np.array(each) for each in row) for row in rows], ["a", "b", "c"]


def recall_at_k(
    predictions: Sequence[Any], references: Sequence[Any], config: RecallConfig
) -> list[tuple[float, float]]:
    """Of each sample: whether its query has what is right among the best `k` candidates, and what the query weighs."""
    for each in predictions:
        if not isinstance(each, tuple):
            hold_best(config.k, np.size(each), "candidates")
    places, weights = _places(predictions, references, config)
    return [(float(place <= config.k), weight) for place, weight in zip(places, weights, strict=True)]


def recall_of_rows(rows: Any, config: RecallConfig) -> float:
    """The share of queries that find what is right, each query counted once."""
    hits, weights = np.asarray(rows).T
    return float((hits * weights).sum() / weights.sum())


def mean_recall(
    predictions: Sequence[Any], references: Sequence[Any], config: MeanRecallConfig
) -> list[tuple[float, float, float, float]]:
    """Of each sample: the mean of its finds at each `k`, and what it weighs, one way and then the other."""
    rows = []
    for direction in ("forward", "backward"):
        places, weights = _places(predictions, references, RankConfig(direction=direction))
        found = np.mean([np.asarray(places) <= k for k in config.ks], axis=0)
        rows += [found, np.asarray(weights)]
    return [tuple(map(float, row)) for row in np.stack(rows, axis=1)]  # type: ignore[misc]


def mean_of_rows(rows: Any, config: MeanRecallConfig) -> float:
    """The mean of both ways, each query counted once."""
    found = np.asarray(rows)
    ways = [(found[:, n] * found[:, n + 1]).sum() / found[:, n + 1].sum() for n in (0, 2)]
    return float(np.mean(ways))


def rank_of_samples(
    predictions: Sequence[Any], references: Sequence[Any], config: RankConfig
) -> list[tuple[float, float]]:
    """Of each sample: the place of what is right for its query, from 1 on, and what the query weighs."""
    places, weights = _places(predictions, references, config)
    return [(float(place), weight) for place, weight in zip(places, weights, strict=True)]


def median_of_rows(rows: Any, config: RankConfig) -> float:
    """The median place, each query counted once; between the two middle ones where their number is even."""
    places, weights = np.asarray(rows).T
    order = np.argsort(places, kind="stable")
    places, reached = places[order], np.cumsum(weights[order])
    half = reached[-1] / 2
    low = places[np.searchsorted(reached, half - 1e-9)]
    high = places[min(np.searchsorted(reached, half + 1e-9), len(places) - 1)]
    return float((low + high) / 2)


def ranks(scores: Matrix, right: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The place (from 1) of the best right candidate of each query, scores[Q, C] and right[Q, C].

    A wrong candidate with the same score stands before it: equal scores do not pass for a find.
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((scores >= best) & ~right).sum(axis=1)


def ranks_of_embeddings(
    queries: Matrix, candidates: Matrix, names: Sequence[Any]
) -> tuple[list[int], list[float]]:
    """The place and the weight of every sample, for pairs of embeddings[N, D] by their cosines.

    Pairs of one name belong together. Queries with one name and the same embedding, such as a picture beside each of
    its captions, are one, and share its weight of 1; candidates of that sort are one candidate.
    """
    asked, query_of = _distinct(queries, names)
    offered, _ = _distinct(candidates, names)
    keys = np.array([str(name) for name in names], dtype=object)
    places: list[int] = []
    for start in range(0, len(asked), AT_ONCE):  # a matrix of all would not fit for large data
        part = asked[start : start + AT_ONCE]
        scores = _unit(queries[part]) @ _unit(candidates[offered]).T
        places += ranks(scores, keys[part][:, None] == keys[offered][None, :]).tolist()
    counts = np.bincount(query_of)
    return [places[query] for query in query_of], [1.0 / counts[query] for query in query_of]


def _distinct(rows: Matrix, names: Sequence[Any]) -> tuple[list[int], list[int]]:
    """The first of those with one name and one embedding, by their numbers; and of every row, which of these it is."""
    known: dict[tuple[str, bytes], int] = {}
    first: list[int] = []
    which = []
    for index, (row, name) in enumerate(zip(rows, names, strict=True)):
        key = str(name), row.tobytes()
        if key not in known:
            known[key] = len(first)
            first.append(index)
        which.append(known[key])
    return first, which


def _unit(rows: Matrix) -> Matrix:
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(sizes == 0, 1.0, sizes)


def _places(
    predictions: Sequence[Any], references: Sequence[Any], config: RankConfig
) -> tuple[list[int], list[float]]:
    """The place of what is right for every sample, and what it weighs."""
    if not isinstance(predictions[0], tuple):
        places = [_rank_of(p, r) for p, r in zip(predictions, references, strict=True)]
        return places, [1.0] * len(places)
    first, second = (
        np.stack([np.asarray(each[side], dtype=np.float64) for each in predictions]) for side in (0, 1)
    )
    if first.shape != second.shape or first.ndim != 2:
        raise InputError(
            f"the two outputs have embeddings of the shapes {list(first.shape[1:])} and {list(second.shape[1:])}: only "
            "vectors of one width can be compared"
        )
    names = [index if name is None else name for index, name in enumerate(references)]
    queries, candidates = (first, second) if config.direction == "forward" else (second, first)
    return ranks_of_embeddings(queries, candidates, names)


def _rank_of(prediction: Any, reference: Any) -> int:
    """The place of what is right in a row of scores, one for each candidate; several may be right."""
    scores = np.asarray(prediction, dtype=np.float64)
    several = isinstance(reference, (list, tuple, np.ndarray))
    right = [number(each) for each in (reference if several else [reference])]
    wrong = [each for each in right if not (each.is_integer() and 0 <= each < scores.size)]
    if scores.ndim != 1 or not right or wrong:
        shown = wrong[0] if wrong else reference
        raise InputError(f"the reference {shown!r} is not the number of one of {scores.size} candidates")
    marks = np.zeros(scores.size, dtype=bool)
    marks[[int(each) for each in right]] = True
    return int(ranks(scores[None], marks[None])[0])
