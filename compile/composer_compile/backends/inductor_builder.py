"""Building AOTInductor libraries, for the processor or GPU at hand, with the weights outside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from composer.execution import prefers_packed
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.contract import Compiled, Support, refuse_options
from composer_compile.backends.inductor_job import LibraryJob, library_job
from composer_compile.backends.inductor_loader import needed_by, workshop
from composer_compile.backends.long_attention import use_for_long_texts
from composer_compile.building.pool import BuilderPool, jobs_here
from composer_compile.errors import BackendError, BuilderEndedError
from composer_compile.export.exporter import export_stage
from composer_compile.export.plugin_operations import plugin_operations
from composer_compile.options import BuildOptions
from composer_compile.scratch import VARIABLES
from composer_compile.tensors.points import PointSizes, inputs_of, number, symbols
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant

__all__ = ["InductorBuilder"]

THREADS = "TORCHINDUCTOR_COMPILE_THREADS"
"""What says how many compilers inductor starts; without it, one for each core."""


class InductorBuilder:
    """One library per program."""

    per_module = False

    def __init__(self) -> None:
        self.pool: BuilderPool | None = None

    def check_options(self, options: BuildOptions, device: torch.device | None) -> None:
        refuse_options(options, "inductor")

    def made_with(self, device: torch.device, options: BuildOptions) -> dict[str, str]:
        return needed_by(device)

    def compile(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        return self.begin(spec, variant, store, options)()

    def begin(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Callable[[], Compiled]:
        if shutil.which("g++") is None and shutil.which("clang++") is None:
            raise BackendError(
                "the backend inductor needs a C++ compiler to build its libraries: install g++"
            )
        with workshop() as shop:
            pool = self._started(options)
            pool.start()
            exported = export_stage(spec, variant, lifted=False)
            operations = plugin_operations(exported)
            sizes, given = PointSizes.of(variant), list(zip(inputs_of(exported), spec.inputs, strict=True))
            packed = _linears_to_pack(exported, symbols(given, sizes.best))
            use_for_long_texts(exported, symbols(given, sizes.largest))
            folder = shop.folder()
            with shop.told():
                job, held = library_job(folder, exported, spec, packed)
        wait = pool.submit(job)

        def finish() -> Compiled:
            notes = _waited(wait, pool, job)
            with shop.told():
                found = job.found()
            keys = tuple(store.key(held[name], name) for name in found.names)
            shutil.rmtree(folder, ignore_errors=True)
            return Compiled(found.content, ".pt2", keys, operations, notes)

        return finish

    def abandon(self) -> None:
        if self.pool is not None:
            self.pool.close()
            self.pool = None

    def _started(self, options: BuildOptions) -> BuilderPool:
        """Call it inside `workshop`: the processes put their files there."""
        if self.pool is None:
            most = jobs_here(options.jobs)
            threads = max(1, (os.cpu_count() or 1) // most)
            own = {name: os.environ[name] for name in VARIABLES if name in os.environ}
            own |= {} if THREADS in os.environ else {THREADS: str(threads)}
            self.pool = BuilderPool(most, own)
        return self.pool

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


def _waited(wait: Callable[[], None], pool: BuilderPool, job: LibraryJob) -> tuple[str, ...]:
    """Wait for a library. On a GPU, where building runs kernels to time them, one that fell is tried once more without.

    Returns what the user is told of that.
    """
    try:
        wait()
    except BuilderEndedError as error:
        if job.device.type != "cuda":
            raise
        pool.submit(replace(job, careful=True))()
        return (f"warning: built at the second try, without timing kernels meanwhile: {error}",)
    return ()


def _linears_to_pack(exported: ExportedProgram, known: Mapping[Any, int]) -> list[str]:
    """The linear maps that oneDNN does best by packed weights, at these sizes; inductor would call MKL."""
    signature = exported.graph_signature
    stored = {*signature.inputs_to_parameters, *signature.inputs_to_buffers}
    found = []
    for node in exported.graph.find_nodes(op="call_function", target=torch.ops.aten.linear.default):
        given, fixed = node.args[0].meta["val"], node.args[1].meta["val"]
        try:
            rows = prod(number(size, known) for size in given.shape[:-1])
        except (TypeError, ValueError):  # a size that depends on data
            continue
        if given.device.type != "cpu" or not given.dtype == fixed.dtype == torch.float32:
            continue
        if node.args[1].name in stored and prefers_packed(rows, fixed.numel()):
            found.append(node.name)
    return found


def callable_in_python(node: fx.Node) -> bool:
    """Whether a call takes a tuple apart or reckons with sizes, which costs nothing."""
    return not isinstance(node.target, torch._ops.OpOverload)
