"""One node of a task as a graph of torch operations, traced on tensors without data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import flop_counter

from composer_compile.errors import CompileError
from composer_compile.patches import as_while_exporting, torch_alone
from composer_compile.tensors.leaves import named_leaves, rebuild

__all__ = ["Traced", "trace"]


@dataclass(frozen=True)
class Traced:
    """A call's graph, and what it gives (tensors without data)."""

    graph: fx.GraphModule
    result: Any


def trace(
    call: Callable[..., Any], keywords: Mapping[str, Any], decompositions: Mapping[Any, Callable[..., Any]]
) -> Traced:
    """Trace `call(**keywords)`. The modules behind it and the tensors in `keywords` stand on the meta device.

    Raises:
        CompileError: what the call does depends on the data of its inputs.
    """
    leaves = [tensor for _, tensor in named_leaves(dict(keywords), "input")]

    def flat(*tensors: Tensor) -> list[Tensor]:
        feed = iter(tensors)
        return [
            tensor
            for _, tensor in named_leaves(call(**rebuild(dict(keywords), lambda: next(feed))), "output")
        ]

    try:
        with torch_alone(), torch.no_grad(), as_while_exporting():
            graph = make_fx(
                functionalize(
                    flat, remove="mutations"
                ),  # as in an exported program, where nothing is changed in place
                decomposition_table=dict(decompositions),
                tracing_mode="fake",
                _allow_non_fake_inputs=True,
            )(*leaves)
            graph.graph.eliminate_dead_code()  # as in an exported program
            result = call(**keywords)
    except CompileError:
        raise
    except Exception as error:  # a module is foreign code, run on tensors without data
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CompileError(f"what it does depends on the data of its inputs: {reason}") from error
    return Traced(graph, result)


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors in an argument or a result of an operation."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in tensors_of(item)]
    return []


def floating_operations(node: fx.Node) -> int:
    """Multiplications and additions of a call, by torch's own formulas; 0 for operations that only move or map data."""
    packet = getattr(node.target, "overloadpacket", None)
    formula = flop_counter.flop_registry.get(packet)
    if formula is None:
        return 0
    args = fx.node.map_arg(node.args, lambda each: each.meta.get("val", each))
    keywords = fx.node.map_arg(node.kwargs, lambda each: each.meta.get("val", each))
    return int(formula(*args, **keywords, out_val=node.meta["val"]))


def moved_bytes(node: fx.Node) -> int:
    """Bytes that a call reads and writes."""
    read = [each.meta["val"] for each in node.all_input_nodes if "val" in each.meta]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors_of([*read, node.meta.get("val")]))
