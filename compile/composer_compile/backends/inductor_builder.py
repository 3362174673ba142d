"""Building AOTInductor libraries, for the processor or GPU at hand, with the weights outside."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from composer.execution import prefers_onednn
from composer_compile.artifact.weights import WeightStore
from composer_compile.backends.contract import Compiled, Support, refuse_options
from composer_compile.backends.inductor_loader import needed_by, opened, workshop
from composer_compile.errors import BackendError, CompileError
from composer_compile.export.exporter import export_stage, state_of
from composer_compile.export.plugin_operations import plugin_operations
from composer_compile.options import BuildOptions
from composer_compile.tensors.points import PointSizes, inputs_of, number, symbols
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant

__all__ = ["InductorBuilder"]

CONFIG = {
    "aot_inductor.package_constants_in_so": False,
    # A free dimension is 2 or more to the exporter, and 1 was compared (see `size_one`).
    "aot_inductor.check_lowerbound": False,
}
"""How libraries are built."""


class InductorBuilder:
    """One library per program."""

    per_module = False

    def check_options(self, options: BuildOptions, device: torch.device | None) -> None:
        refuse_options(options, "inductor")

    def made_with(self, device: torch.device, options: BuildOptions) -> dict[str, str]:
        return needed_by(device)

    def compile(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        if shutil.which("g++") is None and shutil.which("clang++") is None:
            raise BackendError(
                "the backend inductor needs a C++ compiler to build its libraries: install g++"
            )
        with workshop() as folder, folder.part() as own:
            from torch._inductor import aoti_compile_and_package

            exported = export_stage(spec, variant, lifted=False)
            operations = plugin_operations(exported)
            _use_onednn(exported, spec, variant)
            path = str(own / "program.pt2")
            try:
                aoti_compile_and_package(exported, package_path=path, inductor_configs=CONFIG)
                names = sorted(opened(path, -1).get_constant_fqns())
                content = Path(path).read_bytes()
            except Exception as error:  # the compiler raises many kinds of errors
                fault = folder.fault()
                if fault is not None:
                    raise fault from error
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise CompileError(f"stage {spec.name} cannot be built by inductor ({reason})") from error
        held: dict[str, Any] = {**exported.constants, **state_of(spec.module)}
        return Compiled(content, ".pt2", tuple(store.key(held[name], name) for name in names), operations)

    def decompositions(self) -> Mapping[Any, Callable[..., Any]]:
        from torch._inductor.decomposition import select_decomp_table

        found: Mapping[Any, Callable[..., Any]] = select_decomp_table()
        return found

    def support(self, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        from torch._inductor.lowering import fallbacks, lowerings

        left = Support(supported=False, reason="inductor has no kernel of its own for it and calls torch's")
        return {
            node: Support(supported=True)
            if (node.target in lowerings and node.target not in fallbacks) or callable_in_python(node)
            else left
            for node in graph.graph.nodes
            if node.op == "call_function"
        }


def _use_onednn(exported: ExportedProgram, spec: ProgramSpec, variant: Variant) -> None:
    """Send large linear maps where a live model on this processor sends them; inductor would call MKL for all."""
    known = symbols(zip(inputs_of(exported), spec.inputs, strict=True), PointSizes.of(variant).best)
    for node in exported.graph.find_nodes(op="call_function", target=torch.ops.aten.linear.default):
        values, weight, *bias = node.args
        given, fixed = values.meta["val"], weight.meta["val"]
        try:
            count = prod(number(size, known) for size in given.shape) * fixed.shape[0]
        except (TypeError, ValueError):  # a size that depends on data
            continue
        is_plain = given.device.type == "cpu" and given.dtype == fixed.dtype == torch.float32
        if is_plain and prefers_onednn(count):
            node.target = torch.ops.mkldnn._linear_pointwise.default
            node.args = (values, weight, *(bias or [None]), "none", [], "")
    exported.graph_module.recompile()


def callable_in_python(node: fx.Node) -> bool:
    """Whether a call takes a tuple apart or reckons with sizes, which costs nothing."""
    return not isinstance(node.target, torch._ops.OpOverload)
