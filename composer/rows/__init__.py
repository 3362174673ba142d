"""Rows in, rows out: many rows of a file through one task of a model or an artifact."""

from composer.rows.row import RowAnswer, RowError
from composer.rows.rows_run import RowsSummary, answer_rows, run_rows

__all__ = ["RowAnswer", "RowError", "RowsSummary", "answer_rows", "run_rows"]
