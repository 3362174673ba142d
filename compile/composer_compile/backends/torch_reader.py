"""Programs as torch itself reads them: slow, complete, and what every other form of a program is held against."""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.export.passes import move_to_device_pass

from composer.language import collector_paused
from composer_compile.backends.graph_check import check_graphs
from composer_compile.errors import ArtifactError
from composer_compile.patches import remembered_type_hints, torch_alone

__all__ = ["given_inputs", "module_of", "read_by_torch"]


def read_by_torch(content: bytes, device: torch.device) -> ExportedProgram:
    """The program of a file that `check_archive` has seen, on a device. Raises ArtifactError as `check_graphs`."""
    check_graphs(content)
    with torch_alone(), remembered_type_hints(), collector_paused():
        exported = torch.export.load(io.BytesIO(content))
        return exported if device.type == "cpu" else move_to_device_pass(exported, device)


def given_inputs(exported: ExportedProgram) -> list[fx.Node]:
    """The inputs of the graph that a caller gives, in order."""
    given = {
        spec.arg.name for spec in exported.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT
    }
    return [node for node in exported.graph.nodes if node.op == "placeholder" and node.name in given]


def module_of(exported: ExportedProgram, weights: Sequence[Tensor | None]) -> fx.GraphModule:
    """The program as a graph that holds its weights and constants, and takes and gives flat tensors."""
    module: fx.GraphModule = exported.graph_module
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
    return module
