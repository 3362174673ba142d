"""Running a program file on a GPU: its engines under Torch-TensorRT's runtime, its torch parts between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from composer.execution.captured import capturing
from composer_compile.backends.contract import LoadedProgram
from composer_compile.backends.export_loader import loaded_program
from composer_compile.backends.tensorrt.bound_engine import BoundEngine, ReadEngine
from composer_compile.backends.tensorrt.program_file import EngineStep, Packed, TorchStep
from composer_compile.backends.tensorrt.tensorrt_library import fitting, library, on_graphs
from composer_compile.errors import ArtifactError

__all__ = ["engine_on", "wired"]

Call = Callable[..., Any]
MakeEngine = Callable[[EngineStep, bytes, Mapping[str, Tensor]], Call]
"""From an engine, its bytes and the inputs that are the same for every request, to a function of the others."""

_ENGINES = threading.Lock()
"""Held while an engine runs: an engine's execution context and the library's switch for CUDA graphs have no owner."""


def wired(
    packed: Packed, weights: Sequence[Tensor | None], device: torch.device, engine: MakeEngine
) -> LoadedProgram:
    """The program as a function of the stage's inputs. `engine` makes an engine callable."""
    program = packed.program
    constants = {name: weights[position] for name, position in program.constants.items()}
    calls: list[tuple[Call, tuple[str, ...], tuple[str, ...]]] = []
    for step in program.steps:
        if isinstance(step, TorchStep):
            own = [None if position < 0 else weights[position] for position in step.weights]
            call: Call = loaded_program(packed.files[step.program], own, device)
            calls.append((call, tuple(step.inputs), tuple(step.outputs)))
        else:
            fixed = {
                each.name: _present(constants, each.value) for each in step.inputs if each.value in constants
            }
            call = engine(step, packed.files[step.engine], fixed)
            sources = tuple(each.value for each in step.inputs if each.name not in fixed)
            calls.append((call, sources, tuple(each.value for each in step.outputs)))
    inputs = [each.value for each in program.inputs]

    def run(*tensors: Tensor) -> Sequence[Tensor]:
        values: dict[str, Any] = {**constants, **dict(zip(inputs, tensors, strict=True))}
        for call, sources, targets in calls:
            result = call(*[values[name] for name in sources])
            results = [result] if isinstance(result, Tensor) else list(result)
            values.update(zip(targets, results, strict=True))
        return [values[name] for name in program.outputs]

    return run


def _present(constants: Mapping[str, Tensor | None], name: str) -> Tensor:
    found = constants[name]
    if found is None:
        raise ArtifactError("an engine reads a weight that the manifest entry of its program does not give")
    return found


def engine_on(device: torch.device, graphs: bool) -> MakeEngine:
    """Makes engines callable on a GPU. `graphs`: through CUDA graphs, where sizes repeat from call to call."""

    def made(step: EngineStep, content: bytes, fixed: Mapping[str, Tensor]) -> Call:
        with library(), torch.cuda.device(device):
            call = _bound(step, content, fixed, device, graphs) or _of_library(
                step, content, fixed, device, graphs
            )

        def run(*tensors: Any) -> Any:
            if capturing() is not None and not (graphs and isinstance(call, BoundEngine)):
                raise RuntimeError(
                    "an engine of it is captured by TensorRT's library, which no other graph can hold"
                    if graphs
                    else "its engines were compiled without CUDA graphs"
                )
            with _ENGINES, torch.cuda.device(device):
                return call(*tensors)

        return run

    return made


def _bound(
    step: EngineStep, content: bytes, fixed: Mapping[str, Tensor], device: torch.device, graphs: bool
) -> Call | None:
    """An engine whose weights are bound once; None where it has none, or where only the library can run it."""
    # The size of a result that depends on the data is known when the engine has run.
    if not fixed or step.output_allocator:
        return None
    from torch_tensorrt.dynamo.conversion import _TRTInterpreter

    read = ReadEngine(step, content, _TRTInterpreter.trt)
    if read.reads_sizes:  # on the host, which the library sees to
        return None
    return BoundEngine(
        read,
        fixed,
        device,
        stream=lambda: int(torch.cuda.current_stream(device).cuda_stream),
        graphs=graphs,
    )


def _of_library(
    step: EngineStep, content: bytes, fixed: Mapping[str, Tensor], device: torch.device, graphs: bool
) -> Call:
    """An engine as the library runs it, which binds every input at every call."""
    module = _module(step, content, device)
    # An engine whose result has no size beforehand cannot be captured.
    captured = graphs and not step.output_allocator

    def run(*tensors: Any) -> Any:
        rest = iter(tensors)
        every = [fixed[each.name] if each.name in fixed else next(rest) for each in step.inputs]
        with on_graphs(captured):
            return module(*every)

    return run


def _module(step: EngineStep, content: bytes, device: torch.device) -> Any:
    from torch_tensorrt import Device
    from torch_tensorrt.dynamo import CompilationSettings
    from torch_tensorrt.dynamo.runtime import TorchTensorRTModule

    settings = CompilationSettings(device=Device(gpu_id=device.index or 0))
    named: Mapping[str, Any] = {"requires_output_allocator": step.output_allocator}
    return TorchTensorRTModule(
        content,
        [each.name for each in step.inputs],
        [each.name for each in step.outputs],
        name=step.engine.replace("/", "_").replace(".", "_"),
        settings=settings,
        **fitting(TorchTensorRTModule.__init__, **named),
    )
