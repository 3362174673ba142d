"""What tests of the backend tensorrt share: libraries that could be installed, and a program file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from composer_compile.backends.tensorrt import program_file
from composer_compile.backends.tensorrt.tensorrt_library import TensorRTLibrary

__all__ = ["CPU", "RTX", "STANDARD", "bound", "packed"]

CPU = torch.device("cpu")
RTX = TensorRTLibrary("torch-tensorrt-rtx", "2.14.0", "1.6.1.120")
STANDARD = TensorRTLibrary("torch-tensorrt", "2.14.0", "11.1.0")


def bound(
    step: program_file.EngineStep, function: Callable[..., Any], fixed: Mapping[str, torch.Tensor]
) -> Callable[..., Any]:
    """A function of all inputs of an engine as one of those that a request brings."""

    def run(*tensors: torch.Tensor) -> Any:
        rest = iter(tensors)
        return function(*[fixed[each.name] if each.name in fixed else next(rest) for each in step.inputs])

    return run


def packed() -> program_file.Packed:
    """Two engines, the second on what the first gave and on a constant."""

    def binding(name: str, value: str) -> program_file.Binding:
        return program_file.Binding(
            name=name, value=value, dtype="float32", smallest=[1], best=[2], largest=[3]
        )

    files = {"engines/0.engine": b"first", "engines/1.engine": b"second"}
    wires = (
        ([("x", "input")], [("output0", "step_0.output0")]),
        (
            [("a", "constant_0"), ("b", "step_0.output0")],
            [("output0", "step_1.output0")],
        ),
    )
    steps = [
        program_file.EngineStep(
            engine=name,
            sha256=program_file.digest(files[name]),
            inputs=[binding(*each) for each in inputs],
            outputs=[binding(*each) for each in outputs],
            output_allocator=False,
        )
        for name, (inputs, outputs) in zip(files, wires, strict=True)
    ]
    program = program_file.EngineProgram(
        made_with={"library": "torch-tensorrt-rtx"},
        targets=["8.9"],
        inputs=[binding("input", "input")],
        outputs=["step_1.output0", "constant_0"],
        weights=["key"],
        constants={"constant_0": 0},
        steps=list(steps),
        left=[],
        graphs=False,
    )
    return program_file.Packed(program, files)
