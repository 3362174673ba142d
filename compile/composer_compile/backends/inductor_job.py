"""What goes to the process that builds libraries: a stage exported, without the values of its weights.

A library takes its weights when it is loaded, so any values will do while it is built; only small tensors, which a
compiler writes into its code, come as they are. The library is loaded and called there once, as the command will load
and call it: what crashes at that crashes there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec, TensorArgument
from torch.export.passes import move_to_device_pass

from composer_compile.backends.inductor_loader import PACKED, InductorLoader, opened, workshop
from composer_compile.backends.repeated_steps import name_sizes
from composer_compile.building.stage_file import defined_in, read_stage, write_stage
from composer_compile.errors import CompileError
from composer_compile.patches import patched
from composer_compile.tensors.specs import ProgramSpec

__all__ = ["LibraryJob", "library_job"]

CONFIG = {
    "aot_inductor.package_constants_in_so": False,
    # A free dimension is 2 or more to the exporter, and 1 was compared (see `size_one`).
    "aot_inductor.check_lowerbound": False,
}
"""How libraries are built."""
ON_THE_PROCESSOR = {"realize_opcount_threshold": 6}
"""How they are built for the CPU besides: what several layers read, such as sines of positions and a mask, is computed
once. Left alone, inductor computes again in each layer what takes fewer than fifty operations."""
CAREFUL: dict[str, Any] = {
    "triton.autotune_at_compile_time": False,
    "use_static_cuda_launcher": False,
    "compile_threads": 1,
}
"""How they are built where building them so ended the process: torch's plainest way. As far as it has the switches."""
SMALL = 64
"""Numbers up to which a weight comes with its values: inductor writes up to 8 into its code."""
PROGRAM, NAMES = "program.pt2", "names.json"


@dataclass(frozen=True)
class Blank:
    """A weight without its values."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    same_as: str
    """The first name of the tensor: tied weights are one."""

    def made(self) -> Tensor:
        tensor = torch.empty_strided(self.shape, self.strides, dtype=self.dtype, device=self.device)
        # Of integers, which may be positions, only zero is one for sure.
        return tensor.normal_(std=0.02) if tensor.is_floating_point() else tensor.zero_()


@dataclass(frozen=True)
class BuiltLibrary:
    """What a job leaves."""

    content: bytes
    names: tuple[str, ...]
    """Of the weights and constants that it takes, in order."""


@dataclass(frozen=True)
class LibraryJob:
    """What to build. The exported stage lies in `folder`, where the library is to lie."""

    folder: Path
    stage: str
    device: torch.device
    blanks: Mapping[str, Blank]
    imports: tuple[str, ...]
    """The Python modules that define the stage's classes."""
    packed: tuple[str, ...] = ()
    """Nodes that are linear maps by packed weights, for oneDNN."""
    careful: bool = False
    library: str = "inductor"

    def run(self) -> None:
        exported = read_stage(self.folder, self.stage, self.imports)
        state = exported.state_dict
        made: dict[str, Tensor] = {}
        for name, blank in self.blanks.items():
            tensor = made.setdefault(blank.same_as, blank.made())
            state[name] = nn.Parameter(tensor, False) if isinstance(state[name], nn.Parameter) else tensor
        _call_onednn(exported, self.packed)
        name_sizes(exported)
        path = str(self.folder / PROGRAM)
        with workshop() as shop:
            try:
                self._compile(exported, path)
                names = sorted(opened(path, _index(self.device)).get_constant_fqns())
            except Exception as error:  # the compiler raises many kinds of errors
                fault = shop.fault()
                if fault is not None:
                    raise fault from error
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise CompileError(f"stage {self.stage} cannot be built by inductor ({reason})") from error
        (self.folder / NAMES).write_text(json.dumps(names), encoding="utf-8")
        self._rehearse(exported, names)

    def found(self) -> BuiltLibrary:
        """After it ran: the library and the names of what it reads."""
        names = json.loads((self.folder / NAMES).read_text(encoding="utf-8"))
        return BuiltLibrary((self.folder / PROGRAM).read_bytes(), tuple(names))

    def _compile(self, exported: ExportedProgram, path: str) -> None:
        from torch._inductor import aoti_compile_and_package, config

        known = {name: value for name, value in CAREFUL.items() if hasattr(config, name)}
        own = ON_THE_PROCESSOR if self.device.type == "cpu" else {}
        wanted = {**CONFIG, **own, **(known if self.careful else {})}
        with _headers_kept():
            aoti_compile_and_package(exported, package_path=path, inductor_configs=wanted)

    def _rehearse(self, exported: ExportedProgram, names: list[str]) -> None:
        """Load the library and call it, on the values that it was exported with."""
        held: dict[str, Any] = {**exported.constants, **exported.state_dict}
        path = self.folder / PROGRAM
        loaded = InductorLoader().load(
            lambda: path, memoryview(path.read_bytes()), [held[name] for name in names], self.device
        )
        arguments, _ = exported.example_inputs or ((), {})
        with torch.no_grad():
            loaded(*[torch.zeros_like(each) if _may_count(each) else each for each in arguments])
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@contextmanager
def _headers_kept() -> Iterator[None]:
    """Meanwhile torch's precompiled headers lie with the rest of its cache: they take a quarter of the compiler's time
    for two small libraries.

    Torch takes the folder for temporary files for them, which is gone after the command. Call it inside `workshop`.
    """
    from torch._inductor import codecache

    headers = os.path.join(os.environ["TORCHINDUCTOR_CACHE_DIR"], "precompiled_headers")
    names = {"_HEADER_DIR": headers, "_HEADER_LOCK_DIR": os.path.join(headers, "locks")}
    with ExitStack() as stack:
        for name, folder in names.items():
            if hasattr(codecache, name):  # private, so a later torch may have others
                stack.enter_context(patched(codecache, name, folder))
        yield


def library_job(
    folder: Path, exported: ExportedProgram, spec: ProgramSpec, packed: Collection[str]
) -> tuple[LibraryJob, dict[str, Tensor]]:
    """The job of a stage, which is put into the folder; and every tensor that its library may take, by name.

    `packed` names the linear maps, by weights that are stored, which are to take them packed.
    """
    device = next((tensor.device for tensor in exported.state_dict.values()), torch.device("cpu"))
    exported = _with_constants_as_buffers(exported, device)
    _take_packed(exported, packed)
    state = exported.state_dict
    firsts: dict[int, str] = {}
    blanks = {}
    for name, tensor in state.items():
        first = firsts.setdefault(id(tensor), name)
        if tensor.numel() > SMALL:
            shape, strides = tuple(tensor.shape), tuple(tensor.stride())
            blanks[name] = Blank(shape, strides, tensor.dtype, tensor.device, first)
    with _replaced(state, {name: torch.zeros((), dtype=blank.dtype) for name, blank in blanks.items()}):
        write_stage(exported, folder)
    job = LibraryJob(folder, spec.name, device, blanks, defined_in(spec.module), tuple(packed))
    return job, {**exported.constants, **state}


def _with_constants_as_buffers(exported: ExportedProgram, device: torch.device) -> ExportedProgram:
    """Tensors that a forward makes of numbers, as buffers on the device.

    Inductor gives them names of its own otherwise, under which nobody finds their values; and torch 2.11 loads no
    constants of a library for a GPU that lie on the processor.
    """
    constants = [each for each in exported.constants.values() if isinstance(each, Tensor)]
    if any(each.device.type != device.type for each in constants):
        exported = move_to_device_pass(exported, str(device))
    for each in exported.graph_signature.input_specs:
        if each.kind is InputKind.CONSTANT_TENSOR:
            each.kind, each.persistent = InputKind.BUFFER, False
    return exported


def _take_packed(exported: ExportedProgram, linears: Collection[str]) -> None:
    """Let these linear maps read their weights under names of their own, in place.

    Another part may read the same weight as it lies: words are looked up in a table that also scores them.
    """
    graph, signature = exported.graph, exported.graph_signature
    targets = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    stored: dict[str, Any] = {**exported.constants, **exported.state_dict}
    made: dict[fx.Node, fx.Node] = {}
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.linear.default):
        if node.name not in linears:
            continue
        weight = node.args[1]
        if weight not in made:
            name = targets[weight.name] + PACKED
            with graph.inserting_before(weight):
                made[weight] = graph.placeholder(f"packed_{weight.name}")
            made[weight].meta["val"] = weight.meta["val"]
            place = next(at for at, each in enumerate(signature.input_specs) if each.arg.name == weight.name)
            argument = TensorArgument(made[weight].name)
            signature.input_specs.insert(place, InputSpec(InputKind.BUFFER, argument, name, persistent=True))
            exported.state_dict[name] = stored[targets[weight.name]].detach()
        node.update_arg(1, made[weight])
    exported.graph_module.recompile()


def _call_onednn(exported: ExportedProgram, linears: Collection[str]) -> None:
    """Run these linear maps by oneDNN. Here, since torch cannot write such calls into a file."""
    for node in exported.graph.find_nodes(op="call_function", target=torch.ops.aten.linear.default):
        if node.name in linears:
            values, weight, bias = (*node.args, None)[:3]
            node.target = torch.ops.mkldnn._linear_pointwise.default
            node.args = (values, weight, bias, "none", [], "")
    exported.graph_module.recompile()


@contextmanager
def _replaced(state: dict[str, Any], values: Mapping[str, Tensor]) -> Iterator[None]:
    """Meanwhile these entries of a state have other values, of the same kind."""
    before = {name: state[name] for name in values}
    for name, value in values.items():
        state[name] = nn.Parameter(value, False) if isinstance(state[name], nn.Parameter) else value
    try:
        yield
    finally:
        state.update(before)


def _may_count(tensor: Tensor) -> bool:
    """Whether it may be how many tokens there are: a step for the only token has no place for a second one."""
    return tensor.dim() <= 1 and tensor.numel() == 1 and not tensor.is_floating_point()


def _index(device: torch.device) -> int:
    return (device.index or 0) if device.type == "cuda" else -1
