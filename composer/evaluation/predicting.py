"""What a task gave for a sample, and what it is compared with, as every metric is given them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["as_prediction", "as_references"]


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
    """A value of one sample as JSON would have it, and a metric takes it: a tensor as an array of the processor, of a
    record a map with its fields, everything else as it is.
    """
    if hasattr(value, "_asdict"):
        return {name: as_prediction(field) for name, field in value._asdict().items()}
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        return np.asarray(value.float() if value.is_floating_point() else value)
    return value
