"""The backend `tensorrt` as the rest of the compiler sees it: plans anywhere, and builds engines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.contract import Compiled, Support
from composer_compile.backends.tensorrt.build_cache import BuildCache, build_key
from composer_compile.backends.tensorrt.build_job import EngineJob
from composer_compile.backends.tensorrt.cross_build import buildable, check_targets
from composer_compile.backends.tensorrt.engine_build import BuildRecipe, exported_stage
from composer_compile.backends.tensorrt.engine_graph import fixed_name
from composer_compile.backends.tensorrt.keep_list import KEPT
from composer_compile.backends.tensorrt.program_file import Packed
from composer_compile.backends.tensorrt.shared_weights import shareable
from composer_compile.backends.tensorrt.taken_forms import TAKEN_FORMS, never_met
from composer_compile.backends.tensorrt.targets import capabilities
from composer_compile.backends.tensorrt.tensorrt_library import installed, library
from composer_compile.building.pool import BuilderPool
from composer_compile.errors import BackendError
from composer_compile.export.plugin_operations import plugin_operations
from composer_compile.options import BuildOptions
from composer_compile.scratch import Scratch
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant

__all__ = ["TensorRTBuilder"]


class TensorRTBuilder:
    """One file per program: engines, which take large weights as inputs, and what stays with torch."""

    per_module = True

    def __init__(self) -> None:
        self.pool: BuilderPool | None = None

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

    def compile(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        return self.begin(spec, variant, store, options)()

    def begin(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Callable[[], Compiled]:
        device = next((each.device for each in spec.module.parameters()), torch.device("cpu"))
        cache = BuildCache(options.cache) if options.cache is not None else None
        recipe = BuildRecipe(
            targets=capabilities(options.targets),
            keep=KEPT if options.keep is None else options.keep,
            require_full=options.require_full,
            memory_limit=options.memory_limit,
            timing_cache=cache.timing if cache is not None else None,
            weights=options.engine_weights,
        )
        # Only a step of a search is called over and over at the same sizes.
        graphs = options.cuda_graphs and spec.kind == "decode"
        made_with = self.made_with(device, options)
        if cache is None:
            self._started(options).start()
        exported, shared = exported_stage(spec, variant, recipe)
        keys = tuple(store.key(tensor, name) for name, tensor in shared.items())
        operations = plugin_operations(exported)
        key = build_key(exported, spec, variant, recipe, made_with, graphs, keys) if cache is not None else ""
        found = cache.get(key) if cache is not None else None
        if found is not None and not (recipe.require_full and found[1].program.left):
            kept = _kept(found, spec, store, operations, "taken from the build cache")
            return lambda: kept
        folder = Scratch("tensorrt")
        job = EngineJob.of(
            folder.path,
            exported,
            spec,
            variant,
            recipe,
            device,
            made_with=made_with,
            targets=_targets(device, options),
            graphs=graphs,
            shared=keys,
        )
        wait = self._started(options).submit(job)

        def finish() -> Compiled:
            with folder:
                wait()
                built = job.found()
            if cache is not None:
                cache.put(key, built[0], built[2])
            return _kept(built, spec, store, operations)

        return finish

    def abandon(self) -> None:
        if self.pool is not None:
            self.pool.close()
            self.pool = None

    def _started(self, options: BuildOptions) -> BuilderPool:
        """One process, unless more are asked for: engines are timed while they are built, and disturb each other."""
        if self.pool is None:
            self.pool = BuilderPool(options.jobs or 1)
        return self.pool

    def decompositions(self) -> Mapping[Any, Callable[..., Any]]:
        with library():
            from torch_tensorrt.dynamo.lowering import get_decompositions

            # Attention is one operation to the library, which has a converter for it. A trace takes it apart, and the
            # guarded softmax in its middle would then look like a fallback that the library never meets.
            found = {
                **get_decompositions(),
                **TAKEN_FORMS,
                torch.ops.aten._safe_softmax.default: torch.softmax,
            }
            # What it stands for is its source itself, which a trace does not allow a view to be.
            del found[torch.ops.aten.alias.default]
            return found

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
                if never_met(node) or judge.is_node_supported(modules, node):
                    found[node] = Support(supported=True)
                elif node.target in DYNAMO_CONVERTERS.keys():  # noqa: SIM118 (`in` asks for the node's arguments)
                    found[node] = Support(
                        supported=False, reason="its converter does not take these arguments"
                    )
                else:
                    found[node] = Support(supported=False, reason="TensorRT has no converter for it")
            return found

    def stored_once(self, tensors: Mapping[fx.Node, Tensor], options: BuildOptions) -> Collection[fx.Node]:
        return shareable(tensors) if options.engine_weights == "shared" else ()

    def joins_sizes(self, options: BuildOptions) -> bool:
        return options.engine_sizes == "joined"


def _kept(
    found: tuple[bytes, Packed, Mapping[str, Tensor]],
    spec: ProgramSpec,
    store: WeightStore,
    operations: tuple[str, ...],
    *notes: str,
) -> Compiled:
    """A program whose weights go to the store."""
    content, packed, weights = found
    for tensor in weights.values():
        store.key(tensor, fixed_name(spec))
    warnings = (f"warning: falls back to torch: {each}" for each in packed.program.left)
    return Compiled(content, ".trt", tuple(packed.program.weights), operations, (*notes, *warnings))


def _targets(device: torch.device, options: BuildOptions) -> tuple[str, ...]:
    if options.targets:
        return capabilities(options.targets)
    major, minor = torch.cuda.get_device_capability(device)
    return (f"{major}.{minor}",)
