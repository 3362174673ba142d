"""Sizes that depend on free dimensions, such as `question.length + 197`: written, read and evaluated."""

from __future__ import annotations

from collections.abc import Mapping

from composer.types import Dim

__all__ = ["evaluate", "form_from_samples", "read_form", "write_form"]


def write_form(form: Dim) -> int | str:
    """A number as it is, anything else as text that `read_form` reads back."""
    return form.constant if form.is_number else str(form)


def read_form(value: int | str) -> Dim:
    """Read `3`, `batch` or `2*question.length + 197`; raises ValueError that quotes what is no such form.

    Names of free dimensions hold dots and hyphens, which `parse_dim` does not take.
    """
    if isinstance(value, int):
        return Dim(value)
    result = Dim()
    for part in value.replace(" - ", " + -").split(" + "):
        sign, body = (-1, part[1:]) if part.startswith("-") else (1, part)
        factor, star, name = body.partition("*")
        if star and factor.isdigit() and name and "*" not in name:
            result += Dim(0, ((name, sign * int(factor)),))
        elif body.isdigit():
            result += Dim(sign * int(body))
        elif body and not star and " " not in body:
            result += Dim(0, ((body, sign),))
        else:
            raise ValueError(f"{value!r} is no size")
    return result


def evaluate(form: Dim, sizes: Mapping[str, int]) -> int:
    """The number that a form gives; raises KeyError for a free dimension without a size."""
    return form.constant + sum(factor * sizes[name] for name, factor in form.terms)


def form_from_samples(
    base: Mapping[str, int], at_base: int, bumped: Mapping[str, int], steps: Mapping[str, int]
) -> Dim:
    """The linear form with value `at_base` at `base`, and `bumped[name]` where that dimension is a step larger."""
    terms = tuple(
        sorted((name, (value - at_base) // steps[name]) for name, value in bumped.items() if value != at_base)
    )
    return Dim(at_base - sum(factor * base[name] for name, factor in terms), terms)
