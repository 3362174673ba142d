"""Steps that are repeated as often as an input is long, by `scan` of torch, as inductor builds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram

__all__ = ["name_sizes"]

SCAN = torch.ops.higher_order.scan


def name_sizes(exported: ExportedProgram) -> None:
    """Give every step, in place, the free sizes of an input that its results have; the numbers stay the same.

    Inductor makes room for all results of a step before the first. It knows the sizes that the step is given and no
    others: a length that is reckoned of an input's, as chunks of a recording, is a KeyError there (seen in torch 2.14).
    """
    sizes = dict(_sizes(exported))
    for node in exported.graph.find_nodes(op="call_function", target=SCAN):
        step, start, rows, others = node.args
        values = [each.meta["val"] for each in others if isinstance(each, fx.Node)]
        named = {value.node.expr for value in values if isinstance(value, torch.SymInt)}
        wanted = sorted((_free(node.meta["val"]) - named) & set(sizes), key=str)
        repeated = getattr(exported.graph_module, step.target)
        for symbol in wanted:
            source, axis = sizes[symbol]
            with exported.graph.inserting_before(node):
                size = exported.graph.call_function(torch.ops.aten.sym_size.int, (source, axis))
            size.meta["val"] = source.meta["val"].shape[axis]
            others = (*others, size)
            last = list(repeated.graph.find_nodes(op="placeholder"))[-1]
            with repeated.graph.inserting_after(last):
                repeated.graph.placeholder(f"named_{symbol}").meta["val"] = size.meta["val"]
        node.args = (step, start, rows, others)
        repeated.recompile()
    exported.graph_module.recompile()


def _sizes(exported: ExportedProgram) -> Iterable[tuple[Any, tuple[fx.Node, int]]]:
    """Every free size of an input, with the input and the axis that has it."""
    inputs = set(exported.graph_signature.user_inputs)
    for node in exported.graph.find_nodes(op="placeholder"):
        value = node.meta["val"]
        if node.name in inputs and isinstance(value, Tensor):
            for axis, size in enumerate(value.shape):
                if isinstance(size, torch.SymInt) and size.node.expr.is_symbol:
                    yield size.node.expr, (node, axis)


def _free(results: Iterable[Tensor]) -> set[Any]:
    """The symbols in the sizes and strides of results."""
    found: set[Any] = set()
    for each in results:
        for size in (*each.shape, *each.stride()):
            if isinstance(size, torch.SymInt):
                found |= size.node.expr.free_symbols
    return found
