"""The workspace of a node: how much memory its intermediate tensors need at once, by a walk over its graph."""

from __future__ import annotations

import operator

import torch
from torch import fx

from composer_compile.plan.trace import tensors_of

__all__ = ["workspace_bytes"]

UNMARKED_VIEWS = (torch.ops.aten._unsafe_view.default,)
"""Operations that hand on the memory of their first argument although their schema does not say so."""


def workspace_bytes(graph: fx.GraphModule) -> int:
    """The peak of the bytes that are alive at one moment, when the operations run in the order of the graph.

    Counted are the tensors that operations of the node make, from the one that makes it to the last that reads it,
    and the results of the node up to its end. Its inputs and its weights are not: others hold them. A view is no memory
    of its own. A backend that fuses operations needs less, and one that tries kernels with scratch memory needs more.
    """
    owners: dict[fx.Node, fx.Node] = {}
    last_use: dict[fx.Node, int] = {}
    nodes = list(graph.graph.nodes)
    for position, node in enumerate(nodes):
        owners[node] = owners[node.args[0]] if _hands_on(node) else node
        for each in (node, *node.all_input_nodes):
            last_use[owners[each]] = position
    ending: dict[int, list[fx.Node]] = {}
    for owner, position in last_use.items():
        ending.setdefault(position, []).append(owner)
    live = peak = 0
    for position, node in enumerate(nodes):
        live += _own_bytes(node) if owners[node] is node else 0
        peak = max(peak, live)
        live -= sum(_own_bytes(owner) for owner in ending.get(position, ()))
    return peak


def _own_bytes(node: fx.Node) -> int:
    """Bytes of what an operation makes; inputs, weights and the graph's output make nothing."""
    if node.op != "call_function":
        return 0
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(node.meta.get("val")))


def _hands_on(node: fx.Node) -> bool:
    """Whether a call gives (a part of) its first argument: views, operations in place, one item of several outputs."""
    if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
        return False
    if node.target is operator.getitem or node.target in UNMARKED_VIEWS:
        return True
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(given.alias_info is not None for given in schema.returns)
