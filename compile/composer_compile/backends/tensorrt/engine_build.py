"""From a stage to engines: export, keep-list, Torch-TensorRT's own compiler, and what it left with torch."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram

from composer_compile.artifact.dtypes import DTYPES
from composer_compile.backends.tensorrt.cross_build import built_for
from composer_compile.backends.tensorrt.graph_preparing import (
    name_results,
    prepare_graph,
    write_out_attentions,
)
from composer_compile.backends.tensorrt.keep_list import apply_keep_list
from composer_compile.backends.tensorrt.profiles import profiled
from composer_compile.backends.tensorrt.segments import Fallback, fallbacks_in
from composer_compile.backends.tensorrt.shared_weights import share_weights, shared_inputs
from composer_compile.backends.tensorrt.taken_forms import TAKEN_FORMS
from composer_compile.backends.tensorrt.tensorrt_library import fitting, keeps_attention, library
from composer_compile.errors import CompileError
from composer_compile.export.exporter import export_stage
from composer_compile.tensors.points import PointSizes
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant

__all__ = ["BuildRecipe", "build", "exported_stage", "left_with_torch"]


@dataclass(frozen=True)
class BuildRecipe:
    """How to build. `targets` are compute capabilities to build for, or empty for the GPU at hand."""

    targets: tuple[str, ...]
    keep: tuple[str, ...]
    require_full: bool
    memory_limit: int | None
    timing_cache: str | None
    weights: Literal["shared", "held"] = "shared"
    """Whether large weights are inputs of the engines, or inside."""


def exported_stage(
    spec: ProgramSpec, variant: Variant, recipe: BuildRecipe
) -> tuple[ExportedProgram, dict[str, Tensor]]:
    """The stage as it is given to the library, the keep-list in float32; and the weights that it takes as inputs."""
    exported = export_stage(spec, variant, lifted=False, sources=True)
    shared = share_weights(exported) if recipe.weights == "shared" else {}
    prepare_graph(exported)
    apply_keep_list(exported, recipe.keep, [each.role == "ranked" for each in spec.outputs])
    if not keeps_attention():
        write_out_attentions(exported)
    name_results(exported)
    return exported, shared


def build(
    exported: ExportedProgram,
    spec: ProgramSpec,
    variant: Variant,
    recipe: BuildRecipe,
    device: torch.device,
    owners: Mapping[str, tuple[str, ...]],
) -> tuple[fx.GraphModule, tuple[Fallback, ...]]:
    """The stage as a graph that calls engines, and what stays with torch. `owners` is what `owners_of` gives.

    Raises:
        CompileError: the library fails, or something falls back that must not.
    """
    answered = tuple(map(int, recipe.targets[0].split("."))) if recipe.targets else (0, 0)
    with library((answered[0], answered[1])) as printed:
        if recipe.require_full:
            planned = _compiled(exported, spec, variant, recipe, device, dryrun=True)
            left = fallbacks_in(left_with_torch(planned), spec, exported, owners)
            if left:
                raise CompileError(
                    f"stage {spec.name} does not go into engines as a whole, and --require-full was given: "
                    f"{'; '.join(map(str, left))}"
                )
        try:
            with built_for(recipe.targets) if recipe.targets else contextlib.nullcontext():
                built = _compiled(exported, spec, variant, recipe, device, dryrun=False)
        except Exception as error:  # the library raises many kinds of errors
            raise CompileError(
                f"stage {spec.name} cannot be built by Torch-TensorRT ({_reason(error, printed.getvalue())})"
            ) from error
    return built, fallbacks_in(left_with_torch(built), spec, exported, owners)


def _compiled(
    exported: ExportedProgram,
    spec: ProgramSpec,
    variant: Variant,
    recipe: BuildRecipe,
    device: torch.device,
    *,
    dryrun: bool,
) -> fx.GraphModule:
    from torch_tensorrt import dynamo
    from torch_tensorrt.dynamo.lowering import _decomposition_groups as lowering

    wanted: dict[str, Any] = {
        # An engine for every run of supported operations, as --plan shows it.
        "min_block_size": 1,
        # A float32 engine is compared with float32 of torch.
        "disable_tf32": True,
        # The library would take any bias of an attention for a causal one; here they hide padding.
        "attn_bias_is_causal": False,
        "use_explicit_typing": True,
        "enabled_precisions": {torch.float32},
        "immutable_weights": True,
        # Moves the module that it is given, which on a GPU is the live model's own memory.
        "offload_module_to_cpu": device.type == "cpu",
        "workspace_size": recipe.memory_limit or 0,
        "dryrun": dryrun,
    }
    if device.type == "cuda":
        wanted["device"] = device
    if recipe.timing_cache is not None:
        wanted["timing_cache_path"] = recipe.timing_cache
    inputs = [*_shared(exported, spec), *_inputs(spec, variant)]
    lowering.TORCH_TRT_DECOMPOSITIONS.update(TAKEN_FORMS)
    with profiled(exported, spec.inputs, variant):
        graph: fx.GraphModule = dynamo.compile(
            exported, arg_inputs=inputs, **fitting(dynamo.compile, **wanted)
        )
    return graph


def _shared(exported: ExportedProgram, spec: ProgramSpec) -> list[Any]:
    """The weights that engines take, each of one size."""
    from torch_tensorrt import Input

    values = [node.meta["val"] for node in shared_inputs(exported, spec.inputs)]
    return [Input(shape=tuple(map(int, value.shape)), dtype=value.dtype) for value in values]


def _inputs(spec: ProgramSpec, variant: Variant) -> list[Any]:
    """The stage's inputs with the profile that the variant's ranges give."""
    from torch_tensorrt import Input

    made = []
    for each in spec.inputs:
        points = [each.shape(point) for point in PointSizes.of(variant).points]
        shapes = (
            {"shape": points[0]}
            if points[0] == points[2]
            else dict(zip(("min_shape", "opt_shape", "max_shape"), points, strict=True))
        )
        made.append(Input(dtype=DTYPES[each.dtype], name=each.name, **shapes))
    return made


def left_with_torch(graph: fx.GraphModule) -> Sequence[fx.GraphModule]:
    """The parts that no engine runs: torch modules beside the engines, or the graph itself where there is no engine."""
    if any(node.op == "call_function" and node.target is not operator.getitem for node in graph.graph.nodes):
        return [graph]
    called = [node.target for node in graph.graph.nodes if node.op == "call_module"]
    parts = [graph.get_submodule(str(name)) for name in called if "_run_on_acc" not in str(name)]
    return [part for part in parts if isinstance(part, fx.GraphModule)]


def _reason(error: Exception, printed: str) -> str:
    """The library's own last complaint, which says more than its exception; or the exception's first line."""
    said = [line.strip() for line in printed.splitlines() if "Error Code" in line or "[E]" in line]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return said[-1] if said else lines[0] if lines else type(error).__name__
