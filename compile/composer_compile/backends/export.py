"""The backend `export`: torch.export programs, run by torch's own kernels on any device."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.export.passes import move_to_device_pass

from composer.execution import linear
from composer.language import collector_paused
from composer_compile.artifact.weights import WeightStore
from composer_compile.backends.contract import Compiled, LoadedProgram, Support, refuse_options
from composer_compile.backends.operations import plugin_operations, unknown_operation, unregistered
from composer_compile.backends.pt2 import check_archive
from composer_compile.errors import ArtifactError
from composer_compile.export.exporter import export_stage, state_of
from composer_compile.options import BuildOptions
from composer_compile.patches import remembered_type_hints, torch_alone
from composer_compile.tensors.specs import StageSpec
from composer_compile.tensors.variants import Variant

__all__ = ["ExportBackend", "loaded_program", "packed_program"]


class ExportBackend:
    """Programs are saved without their weights, which are inputs; loading puts the shared weights into the graph."""

    per_module = False

    def check_installed(self) -> None:
        """torch is all it takes."""

    def check_options(self, options: BuildOptions, device: torch.device | None) -> None:
        refuse_options(options, "export")

    def made_with(self, device: torch.device, options: BuildOptions) -> dict[str, str]:
        return {"torch": torch.__version__.split("+")[0]}

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        made, here = made_with.get("torch", ""), torch.__version__
        if _minor(here) < _minor(made):
            return f"its programs need torch {made} or later and this is torch {here}"
        return None

    def compile(
        self, spec: StageSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        exported = export_stage(spec, variant, lifted=True)
        operations = plugin_operations(exported)
        content, keys = packed_program(exported, list(state_of(spec.module).items()), store)
        return Compiled(content, ".pt2", keys, operations)

    def load(
        self,
        file: Callable[[], Path],
        content: memoryview,
        weights: Sequence[Tensor | None],
        device: torch.device,
    ) -> LoadedProgram:
        return loaded_program(bytes(content), weights, device)

    def decompositions(self) -> Mapping[Any, Callable[..., Any]]:
        return {}

    def support(self, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        return {node: Support(supported=True) for node in graph.graph.nodes if node.op == "call_function"}


def packed_program(
    exported: ExportedProgram, state: Sequence[tuple[str, Tensor]], store: WeightStore
) -> tuple[bytes, tuple[str | None, ...]]:
    """The file of a program whose first inputs are its state, and the keys of what it reads of that state."""
    taken = _placeholders(exported)[: len(state)]
    keys = tuple(
        store.key(tensor, name) if node.users else None
        for (name, tensor), node in zip(state, taken, strict=True)
    )
    # The example inputs hold the weights, and would be pickled.
    exported.example_inputs = None
    buffer = io.BytesIO()
    with torch_alone():
        if _devices(exported) - {"cpu"}:  # so that it loads where that device is not
            exported = move_to_device_pass(exported, "cpu")
        torch.export.save(exported, buffer)
    return buffer.getvalue(), keys


def loaded_program(content: bytes, weights: Sequence[Tensor | None], device: torch.device) -> LoadedProgram:
    """The program of a file that `packed_program` gave, with its weights in place. Raises ArtifactError."""
    check_archive(content)
    unknown = unknown_operation(io.BytesIO(content))
    if unknown is not None:
        raise unregistered(unknown)
    with torch_alone(), remembered_type_hints(), collector_paused():
        exported = torch.export.load(io.BytesIO(content))
        if device.type != "cpu":
            exported = move_to_device_pass(exported, device)
        return _with_weights(exported, weights)


def _devices(exported: ExportedProgram) -> set[str]:
    """Kinds of devices that its inputs and constants are on."""
    values = [node.meta.get("val") for node in exported.graph.find_nodes(op="placeholder")]
    return {value.device.type for value in values if isinstance(value, Tensor)}


def _placeholders(exported: ExportedProgram) -> list[fx.Node]:
    """The inputs of the graph that a caller gives, in order."""
    given = {
        spec.arg.name for spec in exported.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT
    }
    return [node for node in exported.graph.nodes if node.op == "placeholder" and node.name in given]


def _with_weights(exported: ExportedProgram, weights: Sequence[Tensor | None]) -> LoadedProgram:
    """The program as a graph that holds its weights and constants, and takes and gives flat tensors."""
    module = exported.graph_module
    graph = module.graph
    constants = exported.graph_signature.inputs_to_lifted_tensor_constants
    fixed: dict[fx.Node, Tensor | None] = {
        node: exported.constants[constants[node.name]]
        for node in graph.nodes
        if node.op == "placeholder" and node.name in constants
    }
    fixed.update(zip(_placeholders(exported), weights, strict=False))
    for number, (node, tensor) in enumerate(fixed.items()):
        if node.users:
            if tensor is None:
                raise ArtifactError(
                    f"a program reads a weight ({node.name}) that its manifest entry does not give"
                )
            name = f"weight_{number}"
            module.register_buffer(name, tensor, persistent=False)
            with graph.inserting_before(node):
                node.replace_all_uses_with(graph.get_attr(name))
        graph.erase_node(node)
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.linear.default):
        node.target = linear  # as the live model's: the fastest library of this processor
    graph.lint()
    module.recompile()
    return _without_graph(module)


def _without_graph(module: fx.GraphModule) -> LoadedProgram:
    """The generated function and what it reads: the graph that it was made from is large, and nothing needs it now."""
    held = nn.Module()
    for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
        held.register_buffer(name, buffer, persistent=False)
    for name, child in module.named_children():
        held.add_module(name, child)
    forward = type(module).forward

    def run(*tensors: Tensor) -> Sequence[Tensor]:
        result: Sequence[Tensor] = forward(held, *tensors)
        return result

    return run


def _minor(version: str) -> tuple[int, int]:
    parts = version.split("+", maxsplit=1)[0].split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return (0, 0)
