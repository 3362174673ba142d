"""What a task gave as predictions: one for each sample, as every metric is given them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from composer.problems import InputError

__all__ = ["as_prediction", "as_references", "predictions_of", "rows_of"]


def predictions_of(
    outputs: Mapping[str, object], scored: Sequence[str], count: int, task: str
) -> list[object]:
    """The predictions of a batch; of several outputs that are scored together, a tuple with a value of each.

    Raises InputError for an output that is not there, or has not one row for each of `count` samples.
    """
    columns = []
    for name in scored:
        if name not in outputs:
            raise InputError(f"task `{task}` has no output `{name}` to score (outputs: {', '.join(outputs)})")
        rows = rows_of(outputs[name])
        if len(rows) != count:
            raise InputError(
                f"output `{name}` of task `{task}` has {len(rows)} rows for {count} samples: only an output with one "
                "row per sample can be scored"
            )
        columns.append(rows)
    return list(columns[0]) if len(columns) == 1 else list(zip(*columns, strict=True))


def rows_of(value: Any) -> list[object]:
    """One prediction per sample: texts of a list, rows of a tensor, records of a record's rows."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        columns = [None if field is None else rows_of(field) for field in value]
        count = next(len(column) for column in columns if column is not None)
        record: Any = type(value)
        return [record(*[None if c is None else c[i] for c in columns]) for i in range(count)]
    if not getattr(value, "ndim", 1):
        return []
    return [as_prediction(row) for row in value]


def as_references(
    references: Sequence[object], predictions: Sequence[object], classes: Sequence[str]
) -> list[object]:
    """References as predictions say classes: by number where those are numbers, by name where they are names.

    What is not one of the classes stays as it is: a metric says what is wrong with it.
    """
    if not classes:
        return list(references)
    numbers = {name: number for number, name in enumerate(classes)}
    return [
        _class_as(reference, prediction, classes, numbers)
        for reference, prediction in zip(references, predictions, strict=True)
    ]


def _class_as(reference: Any, prediction: Any, classes: Sequence[str], numbers: Mapping[str, int]) -> object:
    named = isinstance(prediction, str) or (
        isinstance(prediction, (list, tuple))
        and bool(prediction)
        and isinstance(prediction[0], dict)
        and "name" in prediction[0]
    )
    if not named:
        return numbers.get(reference.strip(), reference) if isinstance(reference, str) else reference
    is_number = not isinstance(reference, (str, bool)) and np.ndim(reference) == 0 and reference is not None
    return classes[int(reference)] if is_number and 0 <= int(reference) < len(classes) else reference


def as_prediction(value: Any) -> object:
    """A value of one sample as metrics take it: a tensor as an array of the processor, everything else as it is."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        record: Any = type(value)
        return record(*[None if field is None else as_prediction(field) for field in value])
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        return np.asarray(value.float() if value.is_floating_point() else value)
    return value
