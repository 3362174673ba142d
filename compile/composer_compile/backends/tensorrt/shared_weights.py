"""Weights that engines take as inputs, so that an artifact holds each once, however many engines read it.

Large tables are shared: those of matrix products, embeddings and plane convolutions. Everything else stays inside the
engine as a constant: biases and norms, which are small and many; what the library must know when it builds, such as
the scales of a quantisation; and what an operation reads whose converter wants constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from composer_compile.tensors.points import inputs_of

__all__ = ["request_inputs", "share_weights", "shareable", "shared_inputs"]

aten = torch.ops.aten
SMALLEST = 4096
"""Elements; a smaller tensor costs an engine less inside than a binding."""
TAKES: dict[Any, tuple[int, ...]] = {
    aten.linear.default: (1,),
    aten.matmul.default: (0, 1),
    aten.mm.default: (0, 1),
    aten.bmm.default: (0, 1),
    aten.addmm.default: (1, 2),
    aten.embedding.default: (0,),
    aten.conv2d.default: (1,),
    aten.convolution.default: (1,),  # what a plan's trace calls each of them
}
"""Operation → the arguments that the library takes from an input as well as from a constant."""
PASSED_ON = {
    aten.t.default,
    aten.transpose.int,
    aten.permute.default,
    aten.to.dtype,
    aten._to_copy.default,
    aten.detach.default,
}
"""What a table may go through on its way."""
GROUPS = {aten.conv2d.default: 6, aten.convolution.default: 8}
"""Where a convolution says its groups."""


def share_weights(exported: ExportedProgram) -> dict[str, Tensor]:
    """Make the large tables inputs of an exported stage, before those of a request, in place; they by name, in order.

    The program holds the rest. A table that has a use which wants a constant stays inside.
    """
    specs = exported.graph_signature.input_specs
    nodes = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    shared = {}
    for spec in specs:
        if spec.kind not in (InputKind.PARAMETER, InputKind.BUFFER) or spec.target is None:
            continue
        tensor = exported.state_dict.get(spec.target)
        if tensor is not None and _is_large(tensor) and _is_taken(nodes[spec.arg.name]):
            shared[spec.target] = exported.state_dict.pop(spec.target).detach()
            spec.kind, spec.target, spec.persistent = InputKind.USER_INPUT, None, None
    _drop_other_names(exported, shared)
    _call_flat(exported)
    return shared


def shareable(tensors: Mapping[fx.Node, Tensor]) -> set[fx.Node]:
    """Those of the tensors that a traced graph reads which engines would take as inputs: a node for each use."""
    inside = {id(tensor) for node, tensor in tensors.items() if not (_is_large(tensor) and _is_taken(node))}
    return {node for node, tensor in tensors.items() if id(tensor) not in inside}


def _drop_other_names(exported: ExportedProgram, shared: Mapping[str, Tensor]) -> None:
    """Tied weights: the graph reads one of the names, and the others would be saved with the program."""
    addresses = {tensor.data_ptr() for tensor in shared.values()}
    other = {name for name, tensor in exported.state_dict.items() if tensor.data_ptr() in addresses}
    specs = exported.graph_signature.input_specs
    unread = {spec.arg.name for spec in specs if spec.target in other}
    for node in exported.graph.find_nodes(op="placeholder"):
        if node.name in unread and not node.users:
            exported.graph.erase_node(node)
            specs[:] = [spec for spec in specs if spec.arg.name != node.name]
    for name in other - {spec.target for spec in specs}:
        del exported.state_dict[name]


def shared_inputs(exported: ExportedProgram, inputs: Sequence[Any]) -> list[fx.Node]:
    """The nodes of the shared weights; `inputs` are those of a request."""
    return _split(exported, inputs)[0]


def request_inputs(exported: ExportedProgram, inputs: Sequence[Any]) -> list[fx.Node]:
    """The nodes of what a request brings."""
    return _split(exported, inputs)[1]


def _split(exported: ExportedProgram, inputs: Sequence[Any]) -> tuple[list[fx.Node], list[fx.Node]]:
    nodes = inputs_of(exported)
    count = len(nodes) - len(inputs)
    return nodes[:count], nodes[count:]


def _is_large(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() >= SMALLEST


def _is_taken(node: fx.Node) -> bool:
    """Whether everything that reads a value takes it from an input."""
    return bool(node.users) and all(_takes(user, node) for user in node.users)


def _takes(user: fx.Node, node: fx.Node) -> bool:
    if user.target in PASSED_ON:
        return _is_taken(user)
    positions = TAKES.get(user.target, ())
    read = [position for position, argument in enumerate(user.args) if argument is node]
    if user.target in GROUPS and _argument(user, GROUPS[user.target], 1) != 1:
        return False  # seen: kernels of groups are taken from constants alone
    if user.target is aten.convolution.default and (node.meta["val"].dim() != 4 or user.args[6]):
        return False  # of a plane, and not transposed
    return bool(read) and set(read) <= set(positions) and node not in user.kwargs.values()


def _argument(node: fx.Node, position: int, otherwise: Any) -> Any:
    return node.args[position] if len(node.args) > position else otherwise


def _call_flat(exported: ExportedProgram) -> None:
    """Let the program say that it is called with one tensor after the other."""
    count = len(exported.graph_signature.user_inputs)
    signature: Any = exported.module_call_graph[0].signature
    signature.in_spec = pytree.tree_structure((tuple(range(count)), {}))
    signature.forward_arg_names = None
    exported.example_inputs = None
