"""The operations of a plugin's own that an exported program calls."""

from __future__ import annotations

import torch
from torch import fx
from torch.export import ExportedProgram

__all__ = ["plugin_operations"]

TORCHS = frozenset(
    {
        *(
            "aten",
            "prim",
            "prims",
            "rngprims",
            "debugprims",
            "quantized",
            "quantized_decomposed",
            "mkl",
            "mkldnn",
        ),
        *("onednn", "inductor", "higher_order", "_c10d_functional", "c10d_functional", "profiler", "sparse"),
    }
)
"""Namespaces whose operations come with torch."""


def plugin_operations(exported: ExportedProgram) -> tuple[str, ...]:
    """The operations, such as `plugin::op`, that a program calls and that torch does not bring."""
    graphs = [part for part in exported.graph_module.modules() if isinstance(part, fx.GraphModule)]
    called = {node.target for part in graphs for node in part.graph.nodes if node.op == "call_function"}
    names = {each._schema.name for each in called if isinstance(each, torch._ops.OpOverload)}
    return tuple(sorted(name for name in names if name.partition("::")[0] not in TORCHS))
