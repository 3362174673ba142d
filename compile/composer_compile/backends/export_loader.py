"""Loading programs of the backend `export`: torch.export programs, run by torch's own kernels on any device."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.export.passes import move_to_device_pass

from composer.execution import linear
from composer.language import collector_paused
from composer_compile.artifact.operations import unknown_operation, unregistered
from composer_compile.backends.contract import LoadedProgram
from composer_compile.backends.pt2 import check_archive
from composer_compile.errors import ArtifactError
from composer_compile.patches import remembered_type_hints, torch_alone

__all__ = ["ExportLoader", "given_inputs", "loaded_program"]


class ExportLoader:
    """Loading puts the shared weights into the graph of a program."""

    def check_installed(self) -> None:
        """torch is all it takes."""

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        made, here = made_with.get("torch", ""), torch.__version__
        if _minor(here) < _minor(made):
            return f"its programs need torch {made} or later and this is torch {here}"
        return None

    def load(
        self,
        file: Callable[[], Path],
        content: memoryview,
        weights: Sequence[Tensor | None],
        device: torch.device,
    ) -> LoadedProgram:
        return loaded_program(bytes(content), weights, device)


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


def given_inputs(exported: ExportedProgram) -> list[fx.Node]:
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
    fixed.update(zip(given_inputs(exported), weights, strict=False))
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
