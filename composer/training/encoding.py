"""Samples to host ports; where one of them cannot be encoded, the error names it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from composer.execution.host_inputs import HostInputs
from composer.problems import ComposerError, InputError

__all__ = ["encode"]


def encode(
    inputs: HostInputs,
    name: str,
    values: Sequence[object],
    title: Callable[[int], str],
    others: Callable[[str], Sequence[object]] = lambda name: (),
) -> dict[str, Any]:
    """The host ports of an input for a batch of values; `title(i)` is what messages call the i-th.

    `others` gives the values that the same samples have of another input.

    Raises InputError that names the value which cannot be encoded, or does not go with the others.
    """
    try:
        counts = inputs.counts(name, others)
        return inputs.encode(name, values, counts)
    except ComposerError as error:
        if inputs.inputs[name].modality.follows is not None:
            raise InputError(f"{title(0)} and the {len(values) - 1} after it: {error}") from error
        raise _blamed(inputs, name, values, title, error) from error


def _blamed(
    inputs: HostInputs, name: str, values: Sequence[object], title: Callable[[int], str], error: ComposerError
) -> ComposerError:
    """The error with the sample that is at fault: alone it fails too, or it has another shape than most."""
    shapes = []
    for index, value in enumerate(values):
        try:
            shapes.append(_shapes(inputs.encode(name, [value])))
        except ComposerError as alone:
            return InputError(f"{title(index)}: {alone}")
    usual = Counter(shapes).most_common(1)[0][0] if shapes else ()
    for index, shape in enumerate(shapes):
        if shape != usual:
            others = " and ".join(map(str, usual))
            return InputError(
                f"{title(index)} has the shape {' and '.join(map(str, shape))} for input `{name}`, and the others of "
                f"its batch have {others}: samples of one batch have one shape"
            )
    return InputError(f"{title(0)} and the {len(values) - 1} after it: {error}")


def _shapes(value: Any) -> tuple[object, ...]:
    """Shapes without the batch, of arrays in records and maps."""
    if isinstance(value, dict):
        return tuple(shape for item in value.values() for shape in _shapes(item))
    if isinstance(value, tuple):
        return tuple(shape for item in value for shape in _shapes(item))
    return () if value is None else (tuple(np.shape(value)[1:]),)
