"""Loading programs of the backend `tensorrt` on the kind of GPU that they were built for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from composer_compile.backends.contract import LoadedProgram
from composer_compile.backends.export_loader import check_program
from composer_compile.backends.tensorrt.engine_run import engine_on, wired
from composer_compile.backends.tensorrt.program_file import TorchStep, unpack
from composer_compile.backends.tensorrt.tensorrt_library import check_installed, installed
from composer_compile.errors import ArtifactError

__all__ = ["TensorRTLoader"]


class TensorRTLoader:
    """Engines run under Torch-TensorRT's runtime."""

    capturable = True
    """Unless a program has engines that the library runs: these it captures one by one."""
    captures_itself = True

    def check_installed(self) -> None:
        check_installed()

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

    def check_stored(self, content: memoryview) -> None:
        packed = unpack(content)
        for step in packed.program.steps:
            if isinstance(step, TorchStep):
                check_program(packed.files[step.program])


def _sm(capability: str) -> str:
    return f"sm_{capability.replace('.', '')}"


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
