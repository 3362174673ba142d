"""Checking: from a resolved document to typed task graphs. Imports no torch."""

from composer.graph.checked import (
    Checked,
    CheckedInput,
    CheckedModule,
    CheckedNode,
    CheckedSearch,
    CheckedTask,
    Decoding,
    Endpoint,
    Read,
    Report,
    Wired,
    endpoints_of,
)
from composer.graph.checking import check, check_resolved, library_of
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
    "Read",
    "Report",
    "Wired",
    "beyond_limits",
    "check",
    "check_resolved",
    "endpoints_of",
    "free_dim",
    "free_dims",
    "is_batch",
    "library_of",
    "parse_range",
]
