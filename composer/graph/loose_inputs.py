"""Inputs of pieces that a use may leave out (`?`) or give a list to (`*`), read where one value must stand."""

from __future__ import annotations

from composer.problems import Place, Problem
from composer.types import Port

__all__ = ["loose_input"]


def loose_input(message: str, name: str, declared: Port, place: Place) -> Problem:
    """C232: what stands at `place` needs exactly one value, and the input `name` is declared otherwise."""
    mark, taker = ("*", "a list") if declared.many else ("?", "what may be left out")
    helps = (
        f'write `{name}: "{declared.type}"`, without `{mark}`, so that each use gives one value',
        f"or read it where {taker} is taken: `composer plugins show ID` marks such inputs with `{mark}`",
    )
    return Problem("C232", "error", message, place, helps=helps)
