"""What stays with torch: its operations by document node, and its parts as exported programs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram

from composer_compile.errors import CompileError
from composer_compile.export.exporter import Lifted, forget_sources, state_of
from composer_compile.stages.modules import StageModule
from composer_compile.tensors.points import number
from composer_compile.tensors.specs import ProgramSpec

__all__ = ["EngineSegment", "Fallback", "example", "export_segment", "fallbacks_in", "owners_of"]


@dataclass(frozen=True)
class Fallback:
    """Calls of one torch operation that no engine runs."""

    target: str
    count: int
    nodes: tuple[str, ...]
    """The document's nodes that they may come from."""

    def __str__(self) -> str:
        return f"{self.target} x {self.count} (in {', '.join(self.nodes)})"


@dataclass(frozen=True)
class EngineSegment:
    """A part that stays with torch, with the state that it takes first."""

    exported: ExportedProgram
    state: Mapping[str, Tensor]


def owners_of(exported: ExportedProgram, spec: ProgramSpec) -> dict[str, tuple[str, ...]]:
    """The document's nodes by the path of every module that operations of a stage come from."""
    if not isinstance(spec.module, StageModule):
        return {}
    stacks = [node.meta.get("nn_module_stack") or {} for node in exported.graph.nodes]
    paths = {str(path) for stack in stacks for path, _ in stack.values()}
    return {path: nodes for path in sorted(paths) if (nodes := spec.module.nodes_of(path))}


def fallbacks_in(
    graphs: Sequence[fx.GraphModule],
    spec: ProgramSpec,
    exported: ExportedProgram,
    owners: Mapping[str, tuple[str, ...]],
) -> tuple[Fallback, ...]:
    """The operations in graphs that stay with torch; `exported` is what the library was given."""
    stacks = {node.name: node.meta.get("nn_module_stack") for node in exported.graph.nodes}
    counts: dict[str, int] = {}
    nodes: dict[str, set[str]] = {}
    for graph in graphs:
        for node in graph.graph.nodes:
            if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
                target = str(node.target)
                counts[target] = counts.get(target, 0) + 1
                nodes.setdefault(target, set()).update(_nodes_of(node, stacks, owners) or spec.nodes)
    return tuple(Fallback(target, count, tuple(sorted(nodes[target]))) for target, count in counts.items())


def _nodes_of(
    node: fx.Node, stacks: Mapping[str, Any], owners: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """The document's nodes behind a call: lowering may lose its module, and notes what it was made from."""
    known = [node.meta.get("nn_module_stack"), *(stacks.get(name) for name in _origins(node))]
    for stack in known:
        for path, _ in reversed(list((stack or {}).values())):
            if str(path) in owners:
                return owners[str(path)]
    return ()


def _origins(node: fx.Node) -> list[str]:
    names = [node.name]
    sources = list(node.meta.get("from_node") or ())
    while sources:
        source = sources.pop()
        names.append(source.name)
        sources.extend(source.from_node or ())
    return names


def export_segment(module: nn.Module, values: Sequence[Any], sizes: Mapping[Any, int]) -> EngineSegment:
    """A part as a program that takes its state first. `values` are its inputs without data, `sizes` their symbols'."""
    state = state_of(module)
    lifted = Lifted(module, list(state)).eval()
    given = [example(value, sizes) for value in values]
    shapes = [
        {axis: Dim.AUTO for axis, size in enumerate(value.shape) if not isinstance(size, int)} or None
        if isinstance(value, Tensor)
        else Dim.AUTO
        for value in values
    ]
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.export.export(
                lifted, (list(state.values()), given), dynamic_shapes=([None] * len(state), shapes)
            )
    except Exception as error:  # torch.export raises many kinds of errors
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CompileError(f"what falls back to torch cannot be exported: {reason}") from error
    forget_sources(exported)
    return EngineSegment(exported, state)


def example(value: Any, sizes: Mapping[Any, int]) -> Any:
    """A value with data in the place of one without."""
    if not isinstance(value, Tensor):
        return number(value, sizes)
    shape = [number(size, sizes) for size in value.shape]
    return torch.ones(shape, dtype=value.dtype, device=value.device)
