"""Rows in, rows out: many rows of a file through one task of a model or an artifact."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.rows.row import RowAnswer, RowError
    from composer.rows.rows_run import RowsSummary, answer_rows, run_rows

__all__ = ["RowAnswer", "RowError", "RowsSummary", "answer_rows", "run_rows"]


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for: who only reads rows needs no torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "row" if name in ("RowAnswer", "RowError") else "rows_run"
    return getattr(import_module(f"composer.rows.{home}"), name)
