"""What stays in float32 in a program of lower precision: a pass over the exported graph that writes the casts.

TensorRT is strongly typed: an operation runs in the number format of its tensors. A program arrives cast to float16 or
bfloat16; the operations of the keep-list get their inputs cast to float32 and their result cast back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from composer_compile.backends.tensorrt.rewriting import ATTENTION, in_float32, is_low, write_out_attention

__all__ = ["KEPT", "apply_keep_list"]

aten = torch.ops.aten

KEPT = ("norms", "softmax", "attention", "logits")
"""The keep-list. `norms`: layer, group and RMS norms. `softmax`: softmax where the model writes it.

`attention`: the scores of an attention and their softmax, not its product with the values; it is no
single operation then. `logits`: the last matrix product before an output called `logits` or `scores`.
"""

OPERATIONS = {
    "norms": {aten.layer_norm.default, aten.group_norm.default, aten.rms_norm.default},
    "softmax": {
        aten.softmax.int,
        aten._softmax.default,
        aten.log_softmax.int,
        aten._log_softmax.default,
        aten.logsumexp.default,
    },
}
PRODUCTS = {aten.linear.default, aten.addmm.default, aten.matmul.default, aten.mm.default, aten.bmm.default}
RESHAPING = {
    aten.view.default,
    aten.reshape.default,
    aten.unflatten.int,
    aten.flatten.using_ints,
    aten.transpose.int,
    aten.permute.default,
    aten.slice.Tensor,
    aten.select.int,
    aten.squeeze.dim,
    aten.unsqueeze.default,
    aten.contiguous.default,
}


def apply_keep_list(exported: ExportedProgram, keep: Collection[str], ranked: Sequence[bool]) -> None:
    """Write the casts into the graph, in place; `ranked` says which results, in order, hold scores."""
    graph = exported.graph_module.graph
    kept: set[Any] = set().union(*(OPERATIONS.get(name, set()) for name in keep))
    logits = _products_before(graph, ranked) if "logits" in keep else set()
    for node in list(graph.nodes):
        if node.op != "call_function" or not is_low(node):
            continue
        if node.target is ATTENTION and "attention" in keep:
            write_out_attention(node)
        elif node.target in kept or node in logits:
            in_float32(node)
    graph.lint()
    exported.graph_module.recompile()


def _products_before(graph: fx.Graph, ranked: Sequence[bool]) -> set[fx.Node]:
    """The matrix products that give the results which hold scores."""
    found = set()
    results: Any = next(node for node in graph.nodes if node.op == "output").args[0]
    for holds_scores, result in zip(ranked, results, strict=False):
        source = result
        while isinstance(source, fx.Node) and source.target in RESHAPING:
            source = source.args[0]
        if holds_scores and isinstance(source, fx.Node) and source.target in PRODUCTS:
            found.add(source)
    return found
