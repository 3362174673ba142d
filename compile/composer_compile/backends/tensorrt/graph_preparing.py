"""What the library's converters do not take, written so that they do. Seen with Torch-TensorRT 2.14."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from composer_compile.backends.tensorrt.rewriting import ATTENTION, is_low, write_out_attention, writer

__all__ = ["name_results", "prepare_graph", "write_out_attentions"]

aten = torch.ops.aten
COPIES = {aten.clone.default, aten.contiguous.default, aten.alias.default, aten.detach.default}


def prepare_graph(exported: ExportedProgram) -> None:
    """Prepare an exported graph for the library, in place; its results stay the same."""
    _write_out_fixed_queries(exported)
    _select_written_rows(exported.graph_module.graph)
    _drop_copies(exported.graph_module.graph)
    exported.graph_module.graph.lint()
    exported.graph_module.recompile()


def write_out_attentions(exported: ExportedProgram) -> None:
    """Write out every attention of lower precision, in place, for a library that makes of it what it cannot convert.

    In float32 it stays, and so with torch: TensorRT-RTX 1.4, which such a library has, crashes on a step of a search
    whose attention is written out in float32 throughout.
    """
    graph = exported.graph_module.graph
    for node in list(graph.nodes):
        if node.target is ATTENTION and is_low(node):
            write_out_attention(node)
    graph.lint()
    exported.graph_module.recompile()


def name_results(exported: ExportedProgram) -> None:
    """Let the signature name what gives the results now: a program is saved by it."""
    results: Any = next(node for node in exported.graph.nodes if node.op == "output").args[0]
    for spec, result in zip(exported.graph_signature.output_specs, results, strict=True):
        if isinstance(result, fx.Node):
            spec.arg = replace(spec.arg, name=result.name)


def _write_out_fixed_queries(exported: ExportedProgram) -> None:
    """An attention whose query is the same for every request.

    The library folds such a query into a constant, which its converter for attention does not take.
    """
    graph = exported.graph_module.graph
    inputs = set(exported.graph_signature.user_inputs)
    fixed: set[fx.Node] = set()
    node = next(iter(graph.nodes))
    while node.op != "output":
        # What an attention was written out as comes before the node that follows it, and is met next.
        before = node.prev
        if node.op == "placeholder":
            fixed |= set() if node.name in inputs else {node}
        elif node.target is ATTENTION and node.args[0] in fixed:
            write_out_attention(node)
            node = before
        elif all(each in fixed for each in node.all_input_nodes):
            fixed.add(node)
        node = node.next


def _select_written_rows(graph: fx.Graph) -> None:
    """Writing one row into a cache: the converter takes it at fixed sizes only; a choice between rows says the same."""
    for node in list(graph.nodes):
        if node.op != "call_function" or node.target is not aten.index_copy.default:
            continue
        target, axis, position, source = node.args
        shape = target.meta["val"].shape
        axis = axis % len(shape)
        if position.meta["val"].numel() != 1 or not isinstance(shape[axis], int):
            continue
        write = writer(node)
        rows = write(aten.arange.default, shape[axis], device=target.meta["val"].device)
        chosen = write(aten.eq.Tensor, rows, position)
        chosen = write(aten.view.default, chosen, [-1, *[1] * (len(shape) - axis - 1)])
        chosen = write(aten.to.dtype, chosen, target.meta["val"].dtype)
        kept = write(aten.mul.Tensor, target, write(aten.rsub.Scalar, chosen, 1))
        node.replace_all_uses_with(write(aten.add.Tensor, kept, write(aten.mul.Tensor, source, chosen)))
        graph.erase_node(node)


def _drop_copies(graph: fx.Graph) -> None:
    """Copies mean nothing in a graph that changes no tensor.

    For the library a copy is its source; where both are results, the engine has one result less than the graph reads.
    One that lies in memory in another way is only left out as a result: a view may need it.
    """
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target in COPIES:
            source = node.args[0]
            whole = _strides(source) == _strides(node)
            node.replace_all_uses_with(source, lambda user, whole=whole: whole or user.op == "output")
            if not node.users:
                graph.erase_node(node)


def _strides(node: fx.Node) -> list[str]:
    """As text: sizes that are free are compared without asking what they are."""
    return [str(stride) for stride in node.meta["val"].stride()]
