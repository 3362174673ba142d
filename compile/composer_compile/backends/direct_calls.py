"""The calls of a graph by the doors that eager code takes: the same kernels, with less work on the host for each.

`torch.ops.aten.add.Tensor(...)` matches every argument with a schema while it runs, which takes longer than a small
kernel; `torch.add(...)` was generated from the schemas. An overload below has one meaning by its door, with arguments
as graphs give them: those of the schema in their order, and what the schema wants by name by name. Tests hold that for
each of them. What is not named here is called as it stands.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

__all__ = ["FUNCTIONS", "METHODS", "NEURAL", "call_directly", "without_idle_calls"]

FUNCTIONS = frozenset(
    (
        # arithmetic
        *("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "rsub.Scalar", "addcmul.default"),
        *("neg.default",),
        *("pow.Tensor_Scalar", "rsqrt.default", "sqrt.default", "exp.default", "log.default", "abs.default"),
        *("sin.default", "cos.default", "sigmoid.default", "tanh.default", "relu.default", "erf.default"),
        *("minimum.default", "maximum.default", "clamp.default"),
        # products
        *("matmul.default", "mm.default", "bmm.default", "addmm.default", "baddbmm.default"),
        *("conv1d.default", "conv2d.default", "conv3d.default"),
        # norms and sums
        *("layer_norm.default", "group_norm.default", "rms_norm.default", "softmax.int", "log_softmax.int"),
        *("mean.dim", "sum.dim_IntList", "cumsum.default", "argmax.default"),
        # forms
        *(
            "t.default",
            "transpose.int",
            "permute.default",
            "unsqueeze.default",
            "squeeze.dim",
            "select.int",
            "unbind.int",
        ),
        *("unflatten.int", "flatten.using_ints", "cat.default", "stack.default", "chunk.default"),
        # reading by place
        *("embedding.default", "index_select.default", "index_copy.default", "gather.default"),
        # conditions
        *("eq.Scalar", "ne.Scalar", "le.Scalar", "lt.Scalar", "ge.Scalar", "gt.Scalar"),
        *("eq.Tensor", "ne.Tensor", "le.Tensor", "lt.Tensor", "ge.Tensor", "gt.Tensor"),
        *("logical_not.default", "logical_and.default", "logical_or.default", "bitwise_not.default"),
        *("bitwise_and.Tensor", "bitwise_or.Tensor", "where.self", "masked_fill.Scalar"),
    )
)
"""Functions of `torch`."""
NEURAL = frozenset(
    (
        *("linear.default", "gelu.default", "silu.default", "scaled_dot_product_attention.default"),
        *("pad.default", "softplus.default", "leaky_relu.default"),
    )
)
"""Functions behind `torch.nn.functional`."""
METHODS = frozenset(
    (
        *("view.default", "reshape.default", "expand.default", "expand_as.default", "contiguous.default"),
        *("to.dtype", "type_as.default", "repeat.default", "clone.default"),
        *("add_.Tensor", "sub_.Tensor", "mul_.Tensor", "div_.Tensor", "addcmul_.default"),
        *("sigmoid_.default", "masked_fill_.Scalar"),
    )
)
"""Methods of a tensor."""
ATEN = "aten::"
FIRST, LAST = 0, (1 << 63) - 1
"""Where a slice of everything begins and ends."""
SIZE, SLICE = torch.ops.aten.sym_size.int, torch.ops.aten.slice.Tensor


def call_directly(graph: fx.Graph) -> None:
    """Let every call that has such a door take it, in place."""
    for node in graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        if node.target is SIZE:
            node.op, node.target = "call_method", "size"
            continue
        if node.target is SLICE:
            _slice_directly(node)
            continue
        named = {argument.name for argument in node.target._schema.arguments if argument.kwarg_only}
        if not named.issuperset(node.kwargs):
            continue
        name = _short(node.target)
        label = name.partition(".")[0]
        if name in FUNCTIONS:
            node.target = getattr(torch, label)
        elif name in NEURAL:
            node.target = getattr(torch._C._nn, label)
        elif name in METHODS and node.args and isinstance(node.args[0], fx.Node):
            node.op, node.target = "call_method", label


def _slice_directly(node: fx.Node) -> None:
    """`x[:, start:end]`, where every element of that part is taken."""
    given = _given(node)
    if given["step"] == 1 and given["dim"] >= 0:
        whole = (slice(None),) * given["dim"]
        node.target, node.kwargs = operator.getitem, {}
        node.args = (given["self"], (*whole, slice(given["start"], given["end"])))


def without_idle_calls(graph: fx.Graph) -> None:
    """Take out, in place, what gives back its input as it is, and what only states what the graph was traced with."""
    for node in graph.nodes:
        if node.op == "call_function" and (idle := IDLE.get(node.target)) is not None and idle(node):
            if node.users:
                node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)


def _short(target: torch._ops.OpOverload) -> str:
    """`aten::add` and its overload `Tensor` → `add.Tensor`; "" for an operation that is not one of `aten`."""
    name = target._schema.name
    return f"{name.removeprefix(ATEN)}.{target._overloadname}" if name.startswith(ATEN) else ""


def _given(node: fx.Node) -> dict[str, Any]:
    """The arguments by their names in the schema, its defaults included."""
    arguments = node.target._schema.arguments  # type: ignore[union-attr] # an overload
    found = {each.name: each.default_value for each in arguments if each.has_default_value()}
    return {
        **found,
        **{each.name: value for each, value in zip(arguments, node.args, strict=False)},
        **node.kwargs,
    }


def _takes_everything(node: fx.Node) -> bool:
    given = _given(node)
    start, end = given["start"], given["end"]
    whole = start in (None, FIRST) and (end is None or (type(end) is int and end == LAST))
    return whole and given["step"] == 1


def _always(node: fx.Node) -> bool:
    return True


IDLE: dict[Any, Callable[[fx.Node], bool]] = {
    SLICE: _takes_everything,
    torch.ops.aten.dropout.default: lambda node: _given(node)["train"] is False,
    torch.ops.aten.alias.default: _always,
    torch.ops.aten.detach.default: _always,
    torch.ops.aten._assert_tensor_metadata.default: _always,
}
"""Operations that may be taken out, and when."""
