"""The conformance kit: proof that a plugin keeps its promises. Imports torch: what only declares must not import it."""

from composer.conformance.kit import check_plugin
from composer.conformance.report import ConformanceError, ConformanceReport, Outcome, Result

__all__ = ["ConformanceError", "ConformanceReport", "Outcome", "Result", "check_plugin"]
