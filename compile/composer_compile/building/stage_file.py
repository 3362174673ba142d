"""An exported stage as a file, for a process that builds it: with the operations that plugins register there."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn
from torch.export import ExportedProgram

from composer_compile.artifact.operations import unknown_operation
from composer_compile.errors import CompileError

__all__ = ["defined_in", "read_stage", "write_stage"]

STAGE = "stage.pt2"


def defined_in(module: nn.Module) -> tuple[str, ...]:
    """The Python modules that define a stage's classes; a plugin may register operations of torch in them."""
    names = {type(each).__module__ for each in module.modules()}
    return tuple(
        sorted(name for name in names if name.partition(".")[0] not in ("torch", "composer_compile", "peft"))
    )


def write_stage(exported: ExportedProgram, folder: Path) -> None:
    """Put the program into the folder of its job."""
    torch.export.save(exported, folder / STAGE)


def read_stage(folder: Path, stage: str, imports: Iterable[str]) -> ExportedProgram:
    """The program that was put there; `imports` are what `defined_in` gave. Raises CompileError."""
    for name in imports:
        try:
            importlib.import_module(name)
        except Exception as error:  # a plugin's code may do anything
            raise CompileError(
                f"stage {stage} cannot be built: {name}, which defines some of its modules, cannot be imported "
                f"in the process that builds ({error})"
            ) from error
    unknown = unknown_operation(folder / STAGE)
    if unknown is not None:
        raise CompileError(
            f"stage {stage} cannot be built: nothing registers the operation {unknown} in the process that "
            f"builds, which imported {', '.join(imports)}: let one of them import what registers it"
        )
    return torch.export.load(folder / STAGE)
