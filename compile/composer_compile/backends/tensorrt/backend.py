"""The backend `tensorrt` as the rest of the compiler sees it: plans anywhere, builds engines, loads them on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from composer_compile.artifact.weights import WeightStore
from composer_compile.backends.contract import Compiled, LoadedProgram, Support
from composer_compile.backends.operations import plugin_operations
from composer_compile.backends.tensorrt.build_cache import BuildCache, build_key
from composer_compile.backends.tensorrt.builder_process import Builder
from composer_compile.backends.tensorrt.cross_build import buildable, check_targets
from composer_compile.backends.tensorrt.engine_build import Recipe, exported_stage
from composer_compile.backends.tensorrt.engine_graph import fixed_name
from composer_compile.backends.tensorrt.engine_run import engine_on, wired
from composer_compile.backends.tensorrt.keep_list import KEPT
from composer_compile.backends.tensorrt.program_file import Packed, unpack
from composer_compile.backends.tensorrt.targets import capabilities
from composer_compile.backends.tensorrt.tensorrt_library import check_installed, installed, library
from composer_compile.errors import ArtifactError, BackendError
from composer_compile.options import BuildOptions
from composer_compile.tensors.specs import StageSpec
from composer_compile.tensors.variants import Variant

__all__ = ["TensorRTBackend"]


class TensorRTBackend:
    """One file per program: engines that hold their weights, and what stays with torch."""

    per_module = True

    def __init__(self) -> None:
        self.builder = Builder()

    def check_installed(self) -> None:
        check_installed()

    def check_options(self, options: BuildOptions, device: torch.device | None) -> None:
        unknown = [name for name in options.keep or () if name not in KEPT]
        if unknown:
            raise BackendError(
                f"--keep {unknown[0]}: what can stay in float32 is {', '.join(KEPT)}, or none of them (--keep none)"
            )
        if options.targets:
            check_targets(capabilities(options.targets), installed())
        elif device is None or device.type == "cuda":
            return
        elif torch.cuda.is_available():
            raise BackendError("the backend tensorrt builds for the GPU at hand: add --device cuda")
        elif installed().rtx:
            raise BackendError(
                "this machine has no GPU to build for: name one with --target (rtx4090, or a compute capability: "
                f"{', '.join(buildable(installed()))})"
            )
        else:
            raise BackendError(
                "standard TensorRT builds on the GPU that it builds for, and this machine has none: compile on a "
                "machine with a GPU, or install multimodal-composer[tensorrt-rtx] instead and name GPUs with --target"
            )

    def made_with(self, device: torch.device, options: BuildOptions) -> dict[str, str]:
        return {**installed().entries(), "capability": ", ".join(_targets(device, options))}

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        targets = made_with.get("capability", "").split(", ")
        built = f"its engines were built for {', '.join(map(_sm, targets))}"
        if device.type != "cuda":
            here = (
                "the CPU was asked for (--device cuda)"
                if torch.cuda.is_available()
                else "there is no GPU here"
            )
            return f"{built}, and {here}"
        major, minor = torch.cuda.get_device_capability(device)
        if f"{major}.{minor}" not in targets:
            return f"{built}, and this GPU is {_sm(f'{major}.{minor}')}"
        return _other_library(made_with, installed().entries())

    def compile(
        self, spec: StageSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        device = next((each.device for each in spec.module.parameters()), torch.device("cpu"))
        cache = BuildCache(options.cache) if options.cache is not None else None
        recipe = Recipe(
            targets=capabilities(options.targets),
            keep=KEPT if options.keep is None else options.keep,
            require_full=options.require_full,
            memory_limit=options.memory_limit,
            timing_cache=cache.timing if cache is not None else None,
        )
        # Only a step of a search is called over and over at the same sizes.
        graphs = options.cuda_graphs and spec.kind == "decode"
        made_with = self.made_with(device, options)
        if cache is None:
            self.builder.start()
        exported = exported_stage(spec, variant, recipe)
        operations = plugin_operations(exported)
        key = build_key(exported, spec, variant, recipe, made_with, graphs) if cache is not None else ""
        found = cache.get(key) if cache is not None else None
        if found is not None and not (recipe.require_full and found[1].program.left):
            return _kept(found, spec, store, operations, "taken from the build cache")
        targets = _targets(device, options)
        built = self.builder.build(
            exported, spec, variant, recipe, device, made_with=made_with, targets=targets, graphs=graphs
        )
        if cache is not None:
            cache.put(key, built[0], built[2])
        return _kept(built, spec, store, operations)

    def load(
        self,
        file: Callable[[], Path],
        content: memoryview,
        weights: Sequence[Tensor | None],
        device: torch.device,
    ) -> LoadedProgram:
        packed = unpack(content)
        reason = self.mismatch(packed.program.made_with, device)
        if reason is not None:
            raise ArtifactError(f"a TensorRT program cannot run here: {reason}")
        return wired(packed, weights, device, engine_on(device, packed.program.graphs))

    def decompositions(self) -> Mapping[Any, Callable[..., Any]]:
        with library():
            from torch_tensorrt.dynamo.lowering import get_decompositions

            # Attention is one operation to the library, which has a converter for it. A trace takes it apart, and the
            # guarded softmax in its middle would then look like a fallback that the library never meets.
            return {**get_decompositions(), torch.ops.aten._safe_softmax.default: torch.softmax}

    def support(self, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        with library():
            from torch_tensorrt.dynamo.conversion import DYNAMO_CONVERTERS
            from torch_tensorrt.dynamo.partitioning._global_partitioner import TorchTensorRTOperatorSupport

            judge = TorchTensorRTOperatorSupport(torch_executed_ops=set())
            modules = dict(graph.named_modules())
            found = {}
            for node in graph.graph.nodes:
                if node.op != "call_function":
                    continue
                if not isinstance(node.target, torch._ops.OpOverload) or judge.is_node_supported(
                    modules, node
                ):
                    found[node] = Support(supported=True)
                elif node.target in DYNAMO_CONVERTERS.keys():  # noqa: SIM118 (`in` asks for the node's arguments)
                    found[node] = Support(
                        supported=False, reason="its converter does not take these arguments"
                    )
                else:
                    found[node] = Support(supported=False, reason="TensorRT has no converter for it")
            return found


def _kept(
    found: tuple[bytes, Packed, Mapping[str, Tensor]],
    spec: StageSpec,
    store: WeightStore,
    operations: tuple[str, ...],
    *notes: str,
) -> Compiled:
    """A program whose weights go to the store."""
    content, packed, weights = found
    for each in packed.program.weights:
        store.key(weights[each], fixed_name(spec))
    warnings = (f"warning: falls back to torch: {each}" for each in packed.program.left)
    return Compiled(content, ".trt", tuple(packed.program.weights), operations, (*notes, *warnings))


def _sm(capability: str) -> str:
    return f"sm_{capability.replace('.', '')}"


def _targets(device: torch.device, options: BuildOptions) -> tuple[str, ...]:
    if options.targets:
        return capabilities(options.targets)
    major, minor = torch.cuda.get_device_capability(device)
    return (f"{major}.{minor}",)


def _other_library(made: Mapping[str, str], here: Mapping[str, str]) -> str | None:
    """What of the library differs so that engines do not load."""
    if made.get("library") != here["library"]:
        return f"its engines were built with {made.get('library')} and this machine has {here['library']}"
    for key, what in (("tensorrt", "TensorRT"), ("platform", "the platform")):
        if made.get(key) != here[key]:
            return f"its engines were built with {what} {made.get(key)} and this machine has {here[key]}"
    for key, what in (("torch_tensorrt", "Torch-TensorRT"), ("torch", "torch")):
        if made.get(key, "").split(".")[:2] != here[key].split(".")[:2]:
            return f"its engines were built with {what} {made.get(key)} and this machine has {here[key]}"
    return None
