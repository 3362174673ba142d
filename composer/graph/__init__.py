"""Checking: from a resolved document to typed task graphs. Imports no torch."""

from composer.graph.checking import check, check_resolved
from composer.graph.model import (
    CheckedInput,
    CheckedModule,
    CheckedNode,
    CheckedTask,
    Endpoint,
    Report,
)
from composer.graph.ranges import Range, parse_range

__all__ = [
    "CheckedInput",
    "CheckedModule",
    "CheckedNode",
    "CheckedTask",
    "Endpoint",
    "Range",
    "Report",
    "check",
    "check_resolved",
    "parse_range",
]
