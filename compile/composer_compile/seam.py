"""What a backend's implementation offers. Any object of this form, registered as `composer.plugin.Backend`, will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, fx

from composer_compile.exporting import Variant
from composer_compile.specs import StageSpec
from composer_compile.weights import WeightStore

__all__ = ["BackendImplementation", "Compiled", "LoadedProgram", "Support"]

LoadedProgram = Callable[..., Sequence[Tensor]]
"""A program that was loaded: positional tensors in, tensors out, in the order of the stage's manifest entry."""


@dataclass(frozen=True)
class Compiled:
    """One compiled program: the content of its file, and the weights it takes by their key in the store."""

    content: bytes
    suffix: str
    weights: tuple[str | None, ...]


@dataclass(frozen=True)
class Support:
    """What becomes of one operation: run by the backend, or left to torch for a reason."""

    supported: bool
    reason: str = ""


class BackendImplementation(Protocol):
    """A backend. It is made without arguments and keeps no state between calls."""

    per_module: bool
    """Whether every declared module gets programs of its own; otherwise only what tasks share is kept apart."""

    def check_installed(self) -> None:
        """Raise BackendError, with the extra to install, where a library is missing."""

    def made_with(self, device: torch.device) -> dict[str, str]:
        """What programs that are compiled here depend on: versions, device, capability. Goes into the manifest."""
        ...

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        """Why programs that were made so cannot run here, as half a sentence; None where they can."""
        ...

    def compile(self, spec: StageSpec, variant: Variant, store: WeightStore) -> Compiled:
        """Compile one variant of a stage. Weights go to the store and not into the content."""
        ...

    def load(
        self,
        file: Callable[[], Path],
        content: memoryview,
        weights: Sequence[Tensor | None],
        device: torch.device,
    ) -> LoadedProgram:
        """Load a program whose hash was verified; `file()` gives its path where a library wants one."""
        ...

    def decompositions(self) -> Mapping[Any, Callable[..., Any]]:
        """How operations are broken up before the backend sees them, for `--plan`; empty where it takes torch's own."""
        ...

    def support(self, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        """What becomes of every call in a graph of one node, for `--plan`."""
        ...
