"""Checking: from a resolved document to typed task graphs. Imports no torch."""

from composer.graph.checking import check, check_resolved, library_of
from composer.graph.model import (
    Checked,
    CheckedInput,
    CheckedModule,
    CheckedNode,
    CheckedSearch,
    CheckedTask,
    Decoding,
    Endpoint,
    Report,
)
from composer.graph.ranges import (
    BATCH,
    FreeDim,
    Range,
    beyond_limits,
    free_dim,
    free_dims,
    is_batch,
    parse_range,
)

__all__ = [
    "BATCH",
    "Checked",
    "CheckedInput",
    "CheckedModule",
    "CheckedNode",
    "CheckedSearch",
    "CheckedTask",
    "Decoding",
    "Endpoint",
    "FreeDim",
    "Range",
    "Report",
    "beyond_limits",
    "check",
    "check_resolved",
    "free_dim",
    "free_dims",
    "is_batch",
    "library_of",
    "parse_range",
]
