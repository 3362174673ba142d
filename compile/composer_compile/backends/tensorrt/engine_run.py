"""Running a program file on a GPU: its engines under Torch-TensorRT's runtime, its torch parts between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from composer_compile.backends.contract import LoadedProgram
from composer_compile.backends.export_loader import loaded_program
from composer_compile.backends.tensorrt.program_file import EngineStep, Packed, TorchStep
from composer_compile.backends.tensorrt.tensorrt_library import fitting, library, on_graphs

__all__ = ["engine_on", "wired"]

Call = Callable[..., Any]

_ENGINES = threading.Lock()
"""Held while an engine runs: an engine's execution context and the library's switch for CUDA graphs have no owner."""


def wired(
    packed: Packed,
    weights: Sequence[Tensor | None],
    device: torch.device,
    engine: Callable[[EngineStep, bytes], Call],
) -> LoadedProgram:
    """The program as a function of the stage's inputs. `engine` makes an engine callable."""
    program = packed.program
    calls: list[tuple[Call, tuple[str, ...], tuple[str, ...]]] = []
    for step in program.steps:
        if isinstance(step, TorchStep):
            own = [None if position < 0 else weights[position] for position in step.weights]
            call: Call = loaded_program(packed.files[step.program], own, device)
            calls.append((call, tuple(step.inputs), tuple(step.outputs)))
        else:
            call = engine(step, packed.files[step.engine])
            names = tuple(each.value for each in step.inputs), tuple(each.value for each in step.outputs)
            calls.append((call, *names))
    constants = {name: weights[position] for name, position in program.constants.items()}
    inputs = [each.value for each in program.inputs]

    def run(*tensors: Tensor) -> Sequence[Tensor]:
        values: dict[str, Any] = {**constants, **dict(zip(inputs, tensors, strict=True))}
        for call, sources, targets in calls:
            result = call(*[values[name] for name in sources])
            results = [result] if isinstance(result, Tensor) else list(result)
            values.update(zip(targets, results, strict=True))
        return [values[name] for name in program.outputs]

    return run


def engine_on(device: torch.device, graphs: bool) -> Callable[[EngineStep, bytes], Call]:
    """Makes engines callable on a GPU. `graphs`: through CUDA graphs, where sizes repeat from call to call."""

    def made(step: EngineStep, content: bytes) -> Call:
        with library():
            module = _module(step, content, device)

        def run(*tensors: Any) -> Any:
            # An engine whose result has no size beforehand cannot be captured.
            with _ENGINES, torch.cuda.device(device), on_graphs(graphs and not step.output_allocator):
                return module(*tensors)

        return run

    return made


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
