"""A closer look at the best candidates of retrieval: pairs of rows through a task that matches, and recall after it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from composer.evaluation.scored_samples import ScoredSample, read_answers
from composer.evaluation.scoring import BoundMetric, Score
from composer.graph import CheckedEvaluation, CheckedMetric, CheckedTask
from composer.graph.checked import endpoints_of
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.rows import run_rows
from composer.rows.column_map import Columns
from composer.rows.row import GivenRow, RowSource

if TYPE_CHECKING:
    from composer.execution import Model
    from composer.rows.rows_run import Watching

__all__ = ["Reranking", "reranked_scores"]

PAIRS = "pairs-{}.jsonl"
AT_ONCE = 512
"""Queries whose scores of all candidates are held at once."""
BEYOND = -1.0e30
"""The score of what is right and not among the best: below any other."""

Vectors = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Reranking:
    """Which task looks at pairs, and at how many of each query."""

    task: str
    """A task of the same document that takes the inputs of both sides, such as a picture and a caption."""
    output: str | None = None
    """Its output that says how well they match; the only one where left out."""
    column: int = -1
    """Of an output with several numbers for each pair, which one says that they match."""
    top: Annotated[int, Field(ge=1)] = 16
    """Candidates of each query that are looked at; the others stay behind them."""
    add: bool = False
    """Whether the similarity of the vectors is added to what the closer look says."""


@dataclass(frozen=True)
class _Side:
    """One of the two vectors of all samples; samples of one name with one vector are one."""

    vectors: Vectors
    """Of each, of length one."""
    samples: list[int]
    """The first sample of each."""
    names: list[str]

    @classmethod
    def of(cls, samples: Sequence[ScoredSample], place: int) -> _Side:
        found: dict[tuple[str, bytes], int] = {}
        vectors, names = [], []
        for number, sample in enumerate(samples):
            vector = np.asarray(sample.prediction[place], dtype=np.float64)
            name = str(number if sample.reference is None else sample.reference)
            if found.setdefault((name, vector.tobytes()), number) == number:
                vectors.append(vector / (np.linalg.norm(vector) or 1.0))
                names.append(name)
        return cls(np.stack(vectors), list(found.values()), names)


class _Pairs:
    """Each query beside its best candidates, as rows of the task that matches."""

    columns = None
    names_files = False

    def __init__(
        self,
        source: RowSource,
        rows: Mapping[int, Mapping[str, object]],
        sides: tuple[_Side, _Side],
        numbers: Sequence[int],
        best: Places,
        inputs: tuple[dict[str, str], dict[str, str]],
    ) -> None:
        self.name, self.folder = f"pairs of {source.name}", source.folder
        self._source = source
        self._rows, self._sides, self._numbers, self._best, self._inputs = rows, sides, numbers, best, inputs

    def survey(self) -> tuple[int, str]:
        made_of = hashlib.sha256(self._best.tobytes())
        made_of.update(self._source.survey()[1].encode())
        return self._best.size, made_of.hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        top = self._best.shape[1]
        for number in range(skipped, self._best.size):
            query, place = divmod(number, top)
            values: dict[str, object] = {}
            chosen = (query, int(self._best[query, place]))
            for side, inputs, index in zip(self._sides, self._inputs, chosen, strict=True):
                row = self._rows[self._numbers[side.samples[index]]]
                values |= {name: row[column] for name, column in inputs.items() if column in row}
            yield GivenRow(number + 1, values)


def reranked_scores(
    model: Model,
    task: str,
    source: RowSource,
    samples: Sequence[ScoredSample],
    evaluation: CheckedEvaluation,
    reranking: Reranking,
    folder: Path,
    *,
    columns: Mapping[str, Columns],
    reading: Mapping[str, Any],
    watching: Watching | None,
    drawn: Mapping[str, Any],
) -> list[Score]:
    """Every recall of an evaluation after the closer look, as `NAME reranked`.

    Raises InputError for a task that is not there or does not take what both vectors were made of, and for an
    evaluation that does not compare two vectors.
    """
    metrics = [
        each
        for each in evaluation.metrics.values()
        if {"k", "direction"} <= type(each.config).model_fields.keys()
    ]
    if len(evaluation.outputs) != 2 or not metrics:
        raise InputError(
            f"task `{task}` compares no two vectors by a recall, so there is nothing to look at more closely"
        )
    inputs = _inputs_of(model, task, evaluation.outputs, reranking, columns)
    output = _output_of(model, reranking)
    rows = {row.number: row.values for row in source.rows() if not row.fault}
    numbers = [sample.row for sample in samples]
    found: list[Score] = []
    for direction, order in (("forward", (0, 1)), ("backward", (1, 0))):
        chosen = [each for each in metrics if getattr(each.config, "direction", "") == direction]
        if not chosen:
            continue
        sides = (_Side.of(samples, order[0]), _Side.of(samples, order[1]))
        top = min(reranking.top, len(sides[1].names))
        _hold_top(chosen, top, len(sides[1].names))
        alike, best = _best(sides, top)
        pairs = _Pairs(source, rows, sides, numbers, best, (inputs[order[0]], inputs[order[1]]))
        path = folder / PAIRS.format(direction)
        run_rows(model, reranking.task, pairs, path, only=(output,), watching=watching, **reading)
        closer = _closer(path, output, reranking.column, best.shape)
        given = _pairs_of(sides, best, closer + alike if reranking.add else closer)
        for each in chosen:
            name = f"{each.name} reranked"
            bound = BoundMetric(
                CheckedMetric(name, each.metric, each.config), f"{each.metric.title} ({name})"
            )
            found.append(_without_samples(bound.score(given, **drawn)))
    return found


def _hold_top(metrics: Sequence[CheckedMetric], top: int, candidates: int) -> None:
    most = max(getattr(each.config, "k", 1) for each in metrics)
    if most >= candidates:
        raise InputError(
            f"the best {most} of {candidates} candidates always hold the right one: ask for fewer, or give more samples"
        )
    if top < min(most, candidates):
        raise InputError(
            f"the best {top} candidates are looked at, and a recall asks for {most}: ask for more (top=)"
        )


def _inputs_of(
    model: Model, task: str, outputs: Sequence[str], reranking: Reranking, columns: Mapping[str, Columns]
) -> tuple[dict[str, str], dict[str, str]]:
    """The inputs of the task that matches which each vector was made of, with their columns."""
    tasks = model.report.tasks
    if reranking.task not in model.tasks:
        raise unknown("task", reranking.task, model.tasks, model.report.name)
    wanted = [name for name, item in tasks[reranking.task].inputs.items() if not item.training]
    sides = []
    for output in outputs:
        made_of = _made_of(tasks[task], output)
        found = {name: columns.get(name, name) for name in wanted if name in made_of}
        sides.append({name: column for name, column in found.items() if isinstance(column, str)})
    left = [name for name in wanted if not any(name in side for side in sides)]
    if left or not all(sides):
        why = f"its input `{left[0]}` is none of task `{task}`" if left else "it takes one side alone"
        raise InputError(f"task `{reranking.task}` cannot look at pairs of task `{task}`: {why}")
    return sides[0], sides[1]


def _made_of(task: CheckedTask, output: str) -> set[str]:
    """The inputs that an output depends on."""
    waiting, seen = [task.outputs[output][0]], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        node = task.nodes.get(name)
        for wired in () if node is None else node.sources.values():
            waiting += [source for source, _ in endpoints_of(wired)]
    return seen & task.inputs.keys()


def _output_of(model: Model, reranking: Reranking) -> str:
    known = list(model.ports(reranking.task).outputs)
    if reranking.output is None and len(known) == 1:
        return known[0]
    if reranking.output not in known:
        raise unknown("output", reranking.output or "", known, f"task `{reranking.task}`")
    return reranking.output


def _best(sides: tuple[_Side, _Side], top: int) -> tuple[Vectors, Places]:
    """The cosines and the numbers of the best candidates of each query, best first: [Q, top]."""
    queries, candidates = (side.vectors for side in sides)
    values, places = [], []
    for start in range(0, len(queries), AT_ONCE):
        scores = queries[start : start + AT_ONCE] @ candidates.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        places.append(order)
        values.append(np.take_along_axis(scores, order, axis=1))
    return np.concatenate(values), np.concatenate(places).astype(np.int64)


def _closer(path: Path, output: str, column: int, shape: tuple[int, ...]) -> Vectors:
    """What the closer look says of every pair. Raises InputError for a pair that failed."""
    found = []
    for answer in read_answers(path, (output,), None):
        if answer.error:
            raise InputError(f"a pair cannot be looked at: {answer.error}")
        numbers = np.atleast_1d(np.asarray(answer.prediction, dtype=np.float64))
        if numbers.ndim != 1 or not -numbers.size <= column < numbers.size:
            raise InputError(f"output `{output}` has no number {column} for a pair")
        found.append(float(numbers[column]))
    return np.asarray(found).reshape(shape)


def _pairs_of(sides: tuple[_Side, _Side], best: Places, scores: Vectors) -> tuple[list[object], list[object]]:
    """Predictions and references of a metric over scores: those of the best, and one for what is right beyond them."""
    names = np.asarray(sides[1].names, dtype=object)
    predictions: list[object] = []
    references: list[object] = []
    for query, name in enumerate(sides[0].names):
        right = np.flatnonzero(names[best[query]] == name).tolist()
        predictions.append(np.append(scores[query], BEYOND))
        references.append(right or [best.shape[1]])
    return predictions, references


def _without_samples(score: Score) -> Score:
    """The score alone: it has a number for each query, and a report's samples are rows."""
    return replace(score, samples=())
