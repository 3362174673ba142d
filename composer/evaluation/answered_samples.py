"""Samples through a task, with the answers in memory: what training scores on the way and at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from composer.evaluation.dataset_rows import DatasetRows
from composer.evaluation.predicting import as_prediction
from composer.evaluation.scored_samples import ScoredSample
from composer.execution import Answering
from composer.graph import CheckedEvaluation
from composer.problems import InputError
from composer.rows import answer_rows

__all__ = ["answered_samples"]


def answered_samples(
    model: Answering,
    task: str,
    rows: DatasetRows,
    evaluation: CheckedEvaluation,
    *,
    columns: Mapping[str, str],
    batch_size: int | None = None,
    title: Callable[[int], str] = "sample {}".format,
) -> list[ScoredSample]:
    """The answers to samples, in their order. `columns` is the field that each input reads, `title` what messages call
    the sample of a number.

    Raises InputError for the first sample that cannot be answered.
    """
    reference = evaluation.reference
    found = []
    for answer in answer_rows(
        model,
        task,
        rows,
        columns=columns,
        keep=() if reference is None else (reference,),
        batch_size=batch_size,
    ):
        number = rows.numbers[answer.row - 1]
        if answer.error is not None:
            raise InputError(f"{title(number)}: {answer.reason}") from answer.error
        values = [as_prediction(answer.outputs[name]) for name in evaluation.outputs]
        expected = None if reference is None else answer.kept[reference]
        found.append(ScoredSample(number, None, values[0] if len(values) == 1 else values, expected))
    return found
