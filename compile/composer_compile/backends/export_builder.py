"""Building programs of the backend `export`: torch.export programs, run by torch's own kernels on any device."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.passes import move_to_device_pass

from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.contract import Compiled, Support, refuse_options
from composer_compile.backends.short_form_writing import with_short_form
from composer_compile.backends.torch_reader import given_inputs
from composer_compile.export.exporter import export_stage, state_of
from composer_compile.export.plugin_operations import plugin_operations
from composer_compile.options import BuildOptions
from composer_compile.patches import torch_alone
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant

__all__ = ["ExportBuilder", "packed_program"]


class ExportBuilder:
    """Programs are saved without their weights, which are inputs."""

    per_module = False

    def check_options(self, options: BuildOptions, device: torch.device | None) -> None:
        refuse_options(options, "export")

    def made_with(self, device: torch.device, options: BuildOptions) -> dict[str, str]:
        return {"torch": torch.__version__.split("+")[0]}

    def compile(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        exported = export_stage(spec, variant, lifted=True)
        operations = plugin_operations(exported)
        content, keys = packed_program(exported, list(state_of(spec.module).items()), store)
        return Compiled(content, ".pt2", keys, operations)

    def decompositions(self) -> Mapping[Any, Callable[..., Any]]:
        return {}

    def support(self, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        return {node: Support(supported=True) for node in graph.graph.nodes if node.op == "call_function"}


def packed_program(
    exported: ExportedProgram, state: Sequence[tuple[str, Tensor]], store: WeightStore
) -> tuple[bytes, tuple[str | None, ...]]:
    """The file of a program whose first inputs are its state, and the keys of what it reads of that state.

    The file has the program twice: as torch writes it, and in the short form that is loaded where torch is the same.
    """
    taken = given_inputs(exported)[: len(state)]
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
    return with_short_form(buffer.getvalue()), keys


def _devices(exported: ExportedProgram) -> set[str]:
    """Kinds of devices that its inputs and constants are on."""
    values = [node.meta.get("val") for node in exported.graph.find_nodes(op="placeholder")]
    return {value.device.type for value in values if isinstance(value, Tensor)}
