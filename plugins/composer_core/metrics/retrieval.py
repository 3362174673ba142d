"""Metrics of retrieval: where what is right stands among all candidates, from two embeddings or rows of scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composer.problems import InputError
from composer_core.metric_types import RankConfig, RecallConfig
from composer_core.metrics.given import number

__all__ = ["median_rank", "ranks", "ranks_of_embeddings", "recall_at_k", "sample"]

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def sample() -> tuple[list[Any], list[Any]]:
    """Three pairs of embeddings, of which the last two are mixed up one way."""
    rows = [([1.0, 0.0], [1.0, 0.1]), ([0.0, 1.0], [0.9, 1.0]), ([0.7, 0.7], [0.2, 1.0])]
    return [tuple(np.array(each) for each in row) for row in rows], ["a", "b", "c"]


def recall_at_k(predictions: Sequence[Any], references: Sequence[Any], config: RecallConfig) -> float:
    """Share of queries that have what is right among the best `k` candidates."""
    return float((_ranks(predictions, references, config) <= config.k).mean())


def median_rank(predictions: Sequence[Any], references: Sequence[Any], config: RankConfig) -> float:
    """The median place of what is right, from 1 on."""
    return float(np.median(_ranks(predictions, references, config)))


def ranks(scores: Matrix, right: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The place (from 1) of the best right candidate of each query, scores[Q, C] and right[Q, C].

    A wrong candidate with the same score stands before it: equal scores do not pass for a find.
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((scores >= best) & ~right).sum(axis=1)


def ranks_of_embeddings(
    queries: Matrix, candidates: Matrix, names: Sequence[Any]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The places for pairs of embeddings[N, D] by their cosines; pairs of one name belong together.

    Of queries with one name and the same embedding, such as a picture beside each of its captions, one counts; so it is
    of candidates.
    """
    asked, offered = _distinct(queries, names), _distinct(candidates, names)
    scores = _unit(queries[asked]) @ _unit(candidates[offered]).T
    keys = np.array([str(name) for name in names], dtype=object)
    return ranks(scores, keys[asked][:, None] == keys[offered][None, :])


def _distinct(rows: Matrix, names: Sequence[Any]) -> list[int]:
    """The first of those with one name and one embedding, by their numbers."""
    first: dict[tuple[str, bytes], int] = {}
    for index, (row, name) in enumerate(zip(rows, names, strict=True)):
        first.setdefault((str(name), row.tobytes()), index)
    return list(first.values())


def _unit(rows: Matrix) -> Matrix:
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(sizes == 0, 1.0, sizes)


def _ranks(
    predictions: Sequence[Any], references: Sequence[Any], config: RankConfig
) -> np.ndarray[Any, np.dtype[np.int64]]:
    if not isinstance(predictions[0], tuple):
        return np.array([_rank_of(p, r) for p, r in zip(predictions, references, strict=True)])
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
    found = ranks_of_embeddings(queries, candidates, names)
    return found


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
