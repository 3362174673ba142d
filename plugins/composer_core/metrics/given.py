"""What metrics are given, read: the class of a prediction, the number of a reference. A wrong value is one error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Union

import numpy as np

from composer.problems import InputError

__all__ = [
    "Label",
    "best_class",
    "class_scores",
    "labels",
    "number",
    "reference_class",
    "texts_of",
    "written_list",
]

Label = Union[int, str]


def class_scores(prediction: Any) -> np.ndarray[Any, Any] | None:
    """The scores of every class; None for a prediction that is a class itself."""
    if isinstance(prediction, (str, bytes)) or np.ndim(prediction) != 1 or _is_ranking(prediction):
        return None
    return np.asarray(prediction)


def best_class(prediction: Any) -> Label:
    """The class of a prediction: the largest of its scores (the first of equals), the first of a ranking, or itself."""
    if _is_ranking(prediction):
        return ranked(prediction)[0]
    scores = class_scores(prediction)
    if scores is not None:
        return int(scores.argmax())
    return prediction.strip() if isinstance(prediction, str) else reference_class(prediction, "a prediction")


def ranked(prediction: Sequence[Any]) -> list[Label]:
    """The classes of a ranking, best first: by their names where they have some."""
    return [entry["name"] if "name" in entry else int(entry["class"]) for entry in prediction]


def _is_ranking(prediction: Any) -> bool:
    return isinstance(prediction, (list, tuple)) and bool(prediction) and isinstance(prediction[0], dict)


def reference_class(reference: Any, what: str = "the reference") -> Label:
    """The number or the name of a class. A text of digits, as tables hold it, is a number where numbers are wanted."""
    if isinstance(reference, str):
        return reference.strip()
    value = np.asarray(reference)
    if value.size == 1 and (
        value.dtype.kind in "iub" or (value.dtype.kind == "f" and float(value.item()).is_integer())
    ):
        return int(value.item())
    raise InputError(f"{what} {_shown(reference)} is not a class: a whole number or a name is expected")


def labels(predictions: Sequence[Any], references: Sequence[Any]) -> tuple[list[Label], list[Label]]:
    """The predicted and the right class of every sample, both as numbers or both as names."""
    found = [best_class(each) for each in predictions]
    right = [reference_class(each) for each in references]
    if found and not isinstance(found[0], str):
        right = [_as_number(each) for each in right]
    elif found:
        right = [str(each) for each in right]
    return found, right


def _as_number(label: Label) -> int:
    if isinstance(label, int):
        return label
    try:
        return int(label)
    except ValueError:
        raise InputError(
            f"the reference {label!r} is the name of a class, and the output gives the numbers of classes: give the "
            "numbers, or let the task show names (`core.argmax` with `names`)"
        ) from None


def number(value: Any, what: str = "the reference") -> float:
    """One real number. A text, as tables hold numbers, is read."""
    try:
        found = np.asarray(float(value) if isinstance(value, str) else value, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.asarray(np.nan)
    if value is None or not np.isfinite(found).all():
        raise InputError(f"{what} {_shown(value)} is not a number")
    if found.size != 1:
        raise InputError(f"{what} has {found.size} numbers, and one is expected for each sample")
    return float(found.reshape(()))


def texts_of(reference: Any) -> list[str]:
    """The texts that are right: one, or several in a list. A table without lists (CSV) writes one as JSON does."""
    reference = written_list(reference)
    several = isinstance(reference, (list, tuple, np.ndarray))
    found = [str(each) for each in reference] if several else [str(reference)]
    if not found:
        raise InputError("a reference is an empty list: name at least one right text for each sample")
    return found


def written_list(text: Any) -> Any:
    """The list of texts that a text writes as JSON; anything else as it is."""
    if not isinstance(text, str) or text.lstrip()[:1] != "[":
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    is_list = isinstance(found, list) and bool(found) and all(isinstance(each, str) for each in found)
    return found if is_list else text


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
