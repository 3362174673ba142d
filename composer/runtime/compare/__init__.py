"""Comparing a model with tensors recorded from another implementation: the tool of everybody who ports a model."""

from composer.runtime.compare.case import Case, load_case
from composer.runtime.compare.comparing import Comparison, Row, compare_case

__all__ = ["Case", "Comparison", "Row", "compare_case", "load_case"]
