"""Comparing a model with tensors recorded from another implementation: the tool of everybody who ports a model."""

from composer.compare.case import Case, load_case
from composer.compare.comparing import compare_case
from composer.compare.rows import CaseComparison, Row

__all__ = ["Case", "CaseComparison", "Row", "compare_case", "load_case"]
