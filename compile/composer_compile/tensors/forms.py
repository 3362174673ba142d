"""Sizes that depend on free dimensions, such as `question.length + 197`: written, and found from samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from composer.types import Dim

__all__ = ["form_from_quotient", "form_from_samples", "write_form"]


def write_form(form: Dim) -> int | str:
    """A number as it is, anything else as text that `parse_form` reads back."""
    return form.constant if form.is_number else str(form)


def form_from_samples(
    base: Mapping[str, int], at_base: int, bumped: Mapping[str, int], steps: Mapping[str, int]
) -> Dim:
    """The linear form with value `at_base` at `base`, and `bumped[name]` where that dimension is a step larger."""
    slopes = ((name, (value - at_base) // steps[name]) for name, value in bumped.items())
    growing = sum((Dim.of(name).scaled(slope) for name, slope in slopes), Dim())
    return growing + Dim(at_base - growing.at(base))


def form_from_quotient(quotient: Dim, samples: Sequence[tuple[Mapping[str, int], int]]) -> Dim | None:
    """The multiple of a quotient, plus a number, that has the sampled sizes at both ends; None where there is none."""
    known = [(quotient.at(sizes), size) for sizes, size in samples if sizes.keys() >= {*quotient.symbols}]
    if not known:
        return None
    (first, at_first), (last, at_last) = min(known), max(known)
    if first == last or (at_last - at_first) % (last - first):
        return None
    factor = (at_last - at_first) // (last - first)
    return quotient.scaled(factor) + Dim(at_first - factor * first)
