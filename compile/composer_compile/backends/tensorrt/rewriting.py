"""Writing operations of an exported graph anew: in float32, or an attention as what it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch._dispatch.python import enable_python_dispatcher

__all__ = ["ATTENTION", "LOW", "in_float32", "is_low", "write_out_attention", "writer"]

aten = torch.ops.aten
ATTENTION = aten.scaled_dot_product_attention.default
LOW = (torch.float16, torch.bfloat16)


def is_low(node: fx.Node) -> bool:
    """Whether a call gives one tensor of a lower precision."""
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.dtype in LOW


def in_float32(node: fx.Node) -> None:
    """Give a call its inputs in float32, and cast its result back."""
    write = writer(node)
    dtype = node.meta["val"].dtype

    def raised(each: fx.Node) -> fx.Node:
        return write(aten.to.dtype, each, torch.float32) if is_low(each) else each

    args, keywords = fx.node.map_arg((node.args, dict(node.kwargs)), raised)
    result = write(node.target, *args, **keywords)
    node.replace_all_uses_with(write(aten.to.dtype, result, dtype))
    node.graph.erase_node(node)


def write_out_attention(node: fx.Node) -> None:
    """An attention as what it is made of: scores and softmax in float32, the product with the values in its own format.

    TensorRT-RTX 1.6.1 crashes on a step of a search whose scores are computed in float16 and cast afterwards.
    """
    write = writer(node)
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    query, key, value = given["query"], given["key"], given["value"]
    dtype = query.meta["val"].dtype
    if given.get("enable_gqa"):
        repeats = query.meta["val"].shape[-3] // key.meta["val"].shape[-3]
        key, value = (write(aten.repeat_interleave.self_int, each, repeats, -3) for each in (key, value))
    scale = given.get("scale")
    query, key = (write(aten.to.dtype, each, torch.float32) for each in (query, key))
    scaled = write(aten.mul.Tensor, query, query.meta["val"].shape[-1] ** -0.5 if scale is None else scale)
    scores = write(aten.matmul.default, scaled, write(aten.transpose.int, key, -2, -1))
    scores = _masked(write, scores, query, key, given)
    weights = write(aten.to.dtype, write(aten.softmax.int, scores, -1), dtype)
    node.replace_all_uses_with(write(aten.matmul.default, weights, value))
    node.graph.erase_node(node)


def _masked(
    write: Callable[..., fx.Node], scores: fx.Node, query: fx.Node, key: fx.Node, given: dict[str, Any]
) -> fx.Node:
    mask = given.get("attn_mask")
    if given.get("is_causal"):
        sizes = [write(aten.sym_size.int, each, each.meta["val"].ndim - 2) for each in (query, key)]
        device = query.meta["val"].device
        mask = write(aten.tril.default, write(aten.ones.default, sizes, dtype=torch.bool, device=device))
    if mask is None:
        return scores
    if mask.meta["val"].dtype == torch.bool:
        hidden = write(aten.logical_not.default, mask)
        return write(aten.masked_fill.Scalar, scores, hidden, float("-inf"))
    return write(aten.add.Tensor, scores, write(aten.to.dtype, mask, torch.float32))


def writer(node: fx.Node) -> Callable[..., fx.Node]:
    """Writes calls before `node`, with the values that the exporter would note."""
    mode = node.meta["val"].fake_mode

    def write(target: Any, *args: Any, **keywords: Any) -> fx.Node:
        with node.graph.inserting_before(node):
            made = node.graph.call_function(target, args, keywords)
        values = fx.node.map_arg((args, keywords), lambda each: each.meta["val"])
        # Without torch's decompositions in Python, matmul and its like fix free sizes (seen in torch 2.11).
        with mode, enable_python_dispatcher(), torch.no_grad():
            made.meta["val"] = target(*values[0], **values[1])
        if "nn_module_stack" in node.meta:
            made.meta["nn_module_stack"] = dict(node.meta["nn_module_stack"])
        return made

    return write
