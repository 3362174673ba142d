"""The operations that a program file calls: a plugin's own are known only where its code has registered them."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import IO

import torch
from torch import fx
from torch.export import ExportedProgram

from composer_compile.errors import ArtifactError

__all__ = ["is_registered", "plugin_operations", "unknown_operation", "unregistered"]

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
GRAPH = re.compile(r"/models/[^/]+\.json$")
CALLED = re.compile(rb'"(?:target|as_operator)":\s*"torch\.ops\.([\w.]+)"')


def unknown_operation(program: Path | IO[bytes]) -> str | None:
    """The first operation, such as `plugin::op`, that a torch.export program calls and nothing here has registered."""
    with zipfile.ZipFile(program) as archive:
        graphs = [archive.read(name) for name in archive.namelist() if GRAPH.search(name)]
    names = {found.decode() for graph in graphs for found in CALLED.findall(graph)}
    unknown = sorted(name for name in names if not _is_known(name))
    return "::".join(unknown[0].split(".")[:2]) if unknown else None


def plugin_operations(exported: ExportedProgram) -> tuple[str, ...]:
    """The operations, such as `plugin::op`, that a program calls and that torch does not bring."""
    graphs = [part for part in exported.graph_module.modules() if isinstance(part, fx.GraphModule)]
    called = {node.target for part in graphs for node in part.graph.nodes if node.op == "call_function"}
    names = {each._schema.name for each in called if isinstance(each, torch._ops.OpOverload)}
    return tuple(sorted(name for name in names if name.partition("::")[0] not in TORCHS))


def is_registered(operation: str) -> bool:
    """Whether this process knows an operation, such as `plugin::op`."""
    return _is_known(operation.replace("::", "."))


def unregistered(operation: str) -> ArtifactError:
    """One sentence for a program that cannot be loaded because it calls an operation that is unknown here."""
    return ArtifactError(
        f"a program of the artifact calls the operation {operation}, which nothing in this process has registered: "
        "install the plugin that brings it, and import its code that registers it before the artifact is loaded"
    )


def _is_known(name: str) -> bool:
    target = torch.ops
    for part in name.split("."):
        if not hasattr(target, part):
            return False
        target = getattr(target, part)
    return True
