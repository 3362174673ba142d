"""The backend `inductor`: AOTInductor libraries, built for the processor or GPU at hand, with the weights outside."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram

from composer.execution import prefers_onednn
from composer_compile.artifact.weights import WeightStore
from composer_compile.backends.contract import Compiled, LoadedProgram, Support, refuse_options
from composer_compile.backends.operations import plugin_operations, unregistered
from composer_compile.backends.pt2 import check_package
from composer_compile.errors import ArtifactError, BackendError, CompileError
from composer_compile.export.exporter import export_stage, state_of
from composer_compile.options import BuildOptions
from composer_compile.patches import patched, patched_environment, torch_alone
from composer_compile.scratch import VARIABLES, Scratch
from composer_compile.tensors.points import Sizes, inputs_of, number, symbols
from composer_compile.tensors.specs import StageSpec
from composer_compile.tensors.variants import Variant

__all__ = ["InductorBackend"]

CONFIG = {
    "aot_inductor.package_constants_in_so": False,
    # A free dimension is 2 or more to the exporter, and 1 was compared (see `size_one`).
    "aot_inductor.check_lowerbound": False,
}
"""How libraries are built."""
UNKNOWN = re.compile(r"Could not find schema for (\w+::\w+)")
"""What torch says of an operation that a library calls and nothing has registered."""


class InductorBackend:
    """One library per program. A library is machine code: load artifacts of this backend only from whom you trust."""

    per_module = False

    def check_installed(self) -> None:
        """A C++ compiler is needed to compile, not to load; `compile` says so."""

    def check_options(self, options: BuildOptions, device: torch.device | None) -> None:
        refuse_options(options, "inductor")

    def made_with(self, device: torch.device, options: BuildOptions) -> dict[str, str]:
        return _needed(device)

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        here = _needed(device)
        if here["torch"].rpartition(".")[0] != made_with.get("torch", "").rpartition(".")[0]:
            return f"its libraries were built for torch {made_with.get('torch')} and this is torch {here['torch']}"
        for key, value in here.items():
            if key != "torch" and made_with.get(key) != value:
                return f"its libraries were built for {key} {made_with.get(key)} and this is {value}"
        return None

    def compile(
        self, spec: StageSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        if shutil.which("g++") is None and shutil.which("clang++") is None:
            raise BackendError(
                "the backend inductor needs a C++ compiler to build its libraries: install g++"
            )
        with _workshop() as folder, folder.part() as own:
            from torch._inductor import aoti_compile_and_package

            exported = export_stage(spec, variant, lifted=False)
            operations = plugin_operations(exported)
            _use_onednn(exported, spec, variant)
            path = str(own / "program.pt2")
            try:
                aoti_compile_and_package(exported, package_path=path, inductor_configs=CONFIG)
                names = sorted(_opened(path, -1).get_constant_fqns())
                content = Path(path).read_bytes()
            except Exception as error:  # the compiler raises many kinds of errors
                fault = folder.fault()
                if fault is not None:
                    raise fault from error
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise CompileError(f"stage {spec.name} cannot be built by inductor ({reason})") from error
        held: dict[str, Any] = {**exported.constants, **state_of(spec.module)}
        return Compiled(content, ".pt2", tuple(store.key(held[name], name) for name in names), operations)

    def load(
        self,
        file: Callable[[], Path],
        content: memoryview,
        weights: Sequence[Tensor | None],
        device: torch.device,
    ) -> LoadedProgram:
        check_package(content)
        path = str(file())
        with _workshop() as folder:
            try:
                package = _opened(path, (device.index or 0) if device.type == "cuda" else -1)
            except RuntimeError as error:
                unknown = UNKNOWN.search(str(error))
                if unknown is not None:
                    raise unregistered(unknown[1]) from None
                raise folder.fault() or ArtifactError(
                    f"a library of the artifact cannot be loaded: {str(error).strip().splitlines()[0]}"
                ) from error
        names = sorted(package.get_constant_fqns())
        if len(names) != len(weights) or any(weight is None for weight in weights):
            raise ArtifactError(
                f"a library reads {len(names)} weights and its manifest entry gives {len(weights)}"
            )
        # A library that is called before it has its weights ends the process; so nobody sees it before.
        package.load_constants(
            dict(zip(names, weights, strict=True)), check_full_update=True, user_managed=True
        )

        def run(*tensors: Tensor) -> Sequence[Tensor]:
            # A library reads its inputs as the contiguous tensors that it was built for, whatever their strides say.
            result = package(*[tensor.contiguous() for tensor in tensors])
            # Once here, where every step of a search would else copy the keys and values of the memory.
            return [each.contiguous() for each in ([result] if isinstance(result, Tensor) else result)]

        return run

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


def _use_onednn(exported: ExportedProgram, spec: StageSpec, variant: Variant) -> None:
    """Send large linear maps where a live model on this processor sends them; inductor would call MKL for all."""
    known = symbols(zip(inputs_of(exported), spec.inputs, strict=True), Sizes.of(variant).best)
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


_shop: Scratch | None = None


@contextmanager
def _workshop() -> Iterator[Scratch]:
    """Where torch and the compiler put their files meanwhile: one folder for the process, which goes when it ends.

    Torch remembers what it built there. `TORCHINDUCTOR_CACHE_DIR` names a folder to keep for later commands.
    """
    global _shop  # noqa: PLW0603 (torch's own memory of it is global, too)
    with torch_alone():
        if _shop is None or not _shop.path.is_dir():
            _shop = Scratch("inductor", runs_code=True)
        place = str(_shop.path)
        built = _named_by_the_user() or os.path.join(place, "built")
        variables = {**dict.fromkeys(VARIABLES, place), "TORCHINDUCTOR_CACHE_DIR": built}
        with patched_environment(**variables), patched(tempfile, "tempdir", place):
            yield _shop


def _named_by_the_user() -> str | None:
    """The cache's folder where somebody named one; torch writes its own choice into the same variable."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    named = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    return None if named is None or named == os.path.abspath(default_cache_dir()) else named


def _opened(path: str, device_index: int) -> Any:
    from torch._inductor import aoti_load_package

    return aoti_load_package(path, device_index=device_index)


def _needed(device: torch.device) -> dict[str, str]:
    return {"torch": torch.__version__.split("+")[0], **_machine(device)}


def _machine(device: torch.device) -> dict[str, str]:
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return {"device": "cuda", "capability": f"{major}.{minor}"}
    return {
        "device": device.type,
        "processor": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
