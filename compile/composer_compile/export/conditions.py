"""Conditions on sizes that torch leaves in a program, as it cannot prove them: tried at every size, then taken out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import torch
from torch.export import ExportedProgram

from composer.problems.first_line import first_line
from composer_compile.tensors.specs import TensorSpec

__all__ = ["ConditionError", "prove_conditions", "reason_of"]

MOST = 20_000
"""At so many sizes a condition is tried at most; one takes some 20 µs."""


GUARD = re.compile(r"satisfy the generated guard (.+?)\.?$", re.MULTILINE)
SIZE = re.compile(r"L\['tensors'\]\[(\d+)\]\.size\(\)\[(\d+)\]")


class ConditionError(Exception):
    """A condition does not hold at every size of the ranges, or there are too many sizes to know."""


def prove_conditions(exported: ExportedProgram, inputs: Sequence[TensorSpec]) -> None:
    """Try what the program asserts of sizes at every size that its ranges hold, and drop the assertions.

    `inputs` are the last that it takes; their dims give the names that are told.

    Raises:
        ConditionError: one is false at a size, or cannot be tried at all of them.
    """
    graph = exported.graph_module.graph
    names = _names(exported, inputs)
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten._assert_scalar.default):
        condition = node.args[0]
        value = condition.meta["val"] if isinstance(condition, torch.fx.Node) else condition
        if isinstance(value, torch.SymBool):
            _prove(value.node.expr, exported.range_constraints, names)
        elif not value:
            raise ConditionError("a condition on its sizes never holds")
        graph.erase_node(node)
    graph.eliminate_dead_code()
    exported.graph_module.recompile()


def reason_of(error: Exception, inputs: Sequence[TensorSpec]) -> str:
    """Why torch refused, on one line: the first condition on sizes in its page of advice, or else its first line."""
    guard = GUARD.search(str(error))
    if guard is not None:
        return f"not every size in its ranges satisfies {SIZE.sub(lambda m: _told(m, inputs), guard[1])}"
    return first_line(error)


def _told(match: re.Match[str], inputs: Sequence[TensorSpec]) -> str:
    tensor, axis = int(match[1]), int(match[2])
    return str(inputs[tensor].dims[axis]) if tensor < len(inputs) else match[0]


def _prove(expression: Any, ranges: Mapping[Any, Any], names: Mapping[Any, str]) -> None:
    from torch.utils._sympy.interp import sympy_interp
    from torch.utils._sympy.reference import PythonReferenceAnalysis

    symbols = sorted(expression.free_symbols, key=str)
    told = expression.xreplace({symbol: _symbol(symbol, names) for symbol in symbols})
    ends = [(ranges[symbol].lower, ranges[symbol].upper) for symbol in symbols]
    if not all(high.is_Integer for _, high in ends) or prod(int(h - low + 1) for low, h in ends) > MOST:
        raise ConditionError(f"torch cannot prove that {told} at every size")
    for sizes in product(*(range(int(low), int(high) + 1) for low, high in ends)):
        if not sympy_interp(PythonReferenceAnalysis, dict(zip(symbols, sizes, strict=True)), expression):
            at = ", ".join(f"{names.get(s, s)}={size}" for s, size in zip(symbols, sizes, strict=True))
            raise ConditionError(f"it takes for granted that {told}, which is not so at {at}")


def _symbol(symbol: Any, names: Mapping[Any, str]) -> Any:
    return type(symbol)(names.get(symbol, str(symbol)), integer=True, positive=True)


def _names(exported: ExportedProgram, inputs: Sequence[TensorSpec]) -> dict[Any, str]:
    """The free dimension that a symbol of the program is, where an input has it as a size."""
    taken = set(exported.graph_signature.user_inputs)
    nodes = [n for n in exported.graph_module.graph.find_nodes(op="placeholder") if n.name in taken]
    found: dict[Any, str] = {}
    for node, spec in zip(nodes[-len(inputs) :], inputs, strict=True):
        for size, dim in zip(node.meta["val"].shape, spec.dims, strict=True):
            if isinstance(size, torch.SymInt) and dim.is_symbol:
                found.setdefault(size.node.expr, dim.symbols[0])
    return found
