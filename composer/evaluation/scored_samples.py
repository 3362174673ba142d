"""The samples of an evaluation with their predictions: read from answers, kept as lines, read again to be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from composer.evaluation.predicting import as_references, class_of
from composer.files import replace_file
from composer.problems import InputError
from composer.problems.render.machine import json_text
from composer.rows.plain_values import not_finite, plain
from composer.types.class_numbers import ClassNumbers

__all__ = [
    "ScoredSample",
    "hold_finite",
    "pairs_of",
    "read_answers",
    "read_samples",
    "samples_digest",
    "write_samples",
]


@dataclass(frozen=True)
class ScoredSample:
    """One row: what the task said of it, what was expected, and how good that is; or why there is nothing."""

    row: int
    id: object = None
    prediction: Any = None
    reference: Any = None
    error: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What messages call it: ``row 3 `q17` ``."""
        return f"row {self.row}" + ("" if self.id is None else f" `{self.id}`")

    def as_json(self) -> dict[str, object]:
        told: dict[str, object] = {"row": self.row}
        if self.id is not None:
            told["id"] = plain(self.id)
        if self.error:
            return {**told, "error": self.error}
        return {
            **told, "prediction": self.prediction, "reference": self.reference, "scores": dict(self.scores)
        }  # fmt: skip


def read_answers(
    path: Path, outputs: Sequence[str], column: str | None, classes: Sequence[str] = ()
) -> Iterator[ScoredSample]:
    """The samples of a file of answers, as JSON holds their values. A row without a reference has failed; so has one
    with an empty text for it, which is an empty cell of a table, unless its output is a text that is none of `classes`,
    and one whose reference is one value and no class where there are classes.
    """
    numbers = ClassNumbers(classes)
    for told in _lines(path):
        row, id_ = told["row"], told.get("id")
        if "error" in told:
            yield ScoredSample(row, id_, error=told["error"]["reason"])
            continue
        values = [told["outputs"][name] for name in outputs]
        reference = None if column is None else told.get("kept", {}).get(column)
        empty = reference == "" and (bool(classes) or not isinstance(values[0], str))
        if column is not None and (reference is None or empty):
            yield ScoredSample(row, id_, error=f"it has no reference in its column `{column}`")
            continue
        if (
            classes
            and isinstance(reference, (str, int, float))
            and class_of(reference, classes, numbers) is None
        ):
            fault = f"{reference!r} in its column `{column}` is not one of the {len(classes)} classes"
            yield ScoredSample(row, id_, error=fault)
            continue
        yield ScoredSample(row, id_, values[0] if len(values) == 1 else values, reference)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    found = json.loads(line)
                    if not isinstance(found, dict) or not isinstance(found.get("row"), int):
                        raise ValueError("not a row")
                except (ValueError, RecursionError):
                    raise InputError(
                        f"{path} is damaged: line {number} is not a row that an evaluation wrote; evaluate again with "
                        "--overwrite"
                    ) from None
                yield found
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def write_samples(path: Path, samples: Sequence[ScoredSample]) -> str:
    """Write a line for each sample, whole or not at all. Returns the SHA-256 of the file."""
    content = b"".join(json_text(each.as_json(), indent=None).encode("ascii") + b"\n" for each in samples)
    replace_file(path, lambda file: file.write(content))
    return hashlib.sha256(content).hexdigest()


def read_samples(path: Path) -> list[ScoredSample]:
    """The samples that `write_samples` wrote. Raises InputError for a file that is damaged or not there."""
    try:
        return [
            ScoredSample(
                told["row"],
                told.get("id"),
                told.get("prediction"),
                told.get("reference"),
                told.get("error", ""),
                told.get("scores", {}),
            )
            for told in _lines(path)
        ]
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is damaged: evaluate again with --overwrite") from None


def samples_digest(samples: Sequence[ScoredSample]) -> str:
    """What tells the data from other data: the names and the references of all samples."""
    digest = hashlib.sha256()
    for each in samples:
        told = [each.row, plain(each.id), None if each.error else each.reference]
        digest.update(json_text(told, indent=None).encode() + b"\n")
    return digest.hexdigest()


def pairs_of(
    samples: Sequence[ScoredSample],
    outputs: Sequence[str],
    kinds: Mapping[str, str],
    texts: Sequence[str],
    classes: Sequence[str] = (),
) -> tuple[list[object], list[object]]:
    """Predictions and references as metrics take them: numbers as arrays; outputs of a kind in `texts` as they are."""
    predictions = []
    for each in samples:
        values = [each.prediction] if len(outputs) == 1 else each.prediction
        found = tuple(
            value if kinds[name] in texts else _array(value)
            for name, value in zip(outputs, values, strict=True)
        )
        predictions.append(found[0] if len(found) == 1 else found)
    return predictions, as_references([each.reference for each in samples], predictions, classes)


def _array(value: Any) -> Any:
    """Numbers as an array, with twice the precision where they are no integers; of a record, which JSON has as a map,
    each field that it has. A number that JSON lacks is NaN.
    """
    if isinstance(value, dict):
        return {name: None if item is None else _array(item) for name, item in value.items()}
    found = np.asarray(value)
    exact = found.dtype == object or np.issubdtype(found.dtype, np.floating)
    return np.asarray(value, dtype=np.float64) if exact else found


def hold_finite(
    samples: Sequence[ScoredSample], predictions: Sequence[object], outputs: Sequence[str]
) -> None:
    """Raise InputError where numbers of predictions are NaN or infinite, with the first sample of which they are."""
    broken = [
        sample
        for sample, prediction in zip(samples, predictions, strict=True)
        if not_finite(plain(prediction))[0]
    ]
    if broken:
        shown = " and ".join(f"`{name}`" for name in outputs)
        raise InputError(
            f"output {shown} is not finite (NaN or infinite) for {len(broken):,} of {len(samples):,} samples, first "
            f"for {broken[0].title}: look at the weights, and at the precision"
        )
