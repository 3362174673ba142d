"""What a task gave for a sample, and what it is compared with, as every metric is given them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composer.types.class_numbers import ClassNumbers

__all__ = ["as_prediction", "as_references", "class_of"]


def as_references(
    references: Sequence[object], predictions: Sequence[object], classes: Sequence[str]
) -> list[object]:
    """References as predictions say classes: by number where those are numbers, by name where they are names. Which
    class a reference tells is read as training reads it.

    What is not one of the classes stays as it is: a metric says what is wrong with it.
    """
    if not classes:
        return list(references)
    numbers = ClassNumbers(classes)
    return [
        _class_as(reference, prediction, classes, numbers)
        for reference, prediction in zip(references, predictions, strict=True)
    ]


def class_of(reference: Any, classes: Sequence[str], numbers: ClassNumbers) -> int | None:
    """The number of the class that a reference tells; None of what tells none."""
    value = reference.item() if getattr(reference, "ndim", None) == 0 else reference
    value = value.strip() if isinstance(value, str) else value
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    number = numbers.number(value)
    return number if number is not None and 0 <= number < len(classes) else None


def _class_as(reference: Any, prediction: Any, classes: Sequence[str], numbers: ClassNumbers) -> object:
    number = class_of(reference, classes, numbers)
    if number is None:
        return reference
    named = isinstance(prediction, str) or (
        isinstance(prediction, (list, tuple))
        and bool(prediction)
        and isinstance(prediction[0], dict)
        and "name" in prediction[0]
    )
    return classes[number] if named else number


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
