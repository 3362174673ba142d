"""What a backend offers: a builder, which makes programs, and a loader, which runs them.

Objects of these forms, registered as `composer.plugin.Backend`, will do. Importing this imports nothing that builds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, fx

from composer_compile.errors import BackendError

if TYPE_CHECKING:
    from composer_compile.artifact.weight_store import WeightStore
    from composer_compile.options import BuildOptions
    from composer_compile.tensors.specs import ProgramSpec
    from composer_compile.tensors.variants import Variant

__all__ = [
    "Builder",
    "BuildsBeside",
    "ChecksStored",
    "Compiled",
    "HoldsWeights",
    "JoinsSizes",
    "LoadedProgram",
    "Loader",
    "Support",
    "refuse_options",
]

LoadedProgram = Callable[..., Sequence[Tensor]]
"""A program that was loaded: positional tensors in, tensors out, in the order of the stage's manifest entry."""


@dataclass(frozen=True)
class Compiled:
    """One compiled program: the content of its file, and the weights it takes by their key in the store."""

    content: bytes
    suffix: str
    weights: tuple[str | None, ...]
    operations: tuple[str, ...] = ()
    """Operations of torch that a plugin registers and the program calls, such as `plugin::op`."""
    notes: tuple[str, ...] = ()
    """What the user is told of it: what fell back, or that nothing had to be built."""


@dataclass(frozen=True)
class Support:
    """What becomes of one operation: run by the backend, or left to torch for a reason."""

    supported: bool
    reason: str = ""


class Loader(Protocol):
    """The half of a backend that runs programs. Made without arguments; it imports nothing that builds them."""

    @property
    def capturable(self) -> bool:
        """Whether a program may run inside a CUDA graph, as stages and the steps of a search do on a GPU."""
        ...

    @property
    def captures_itself(self) -> bool:
        """Whether a program that runs alone is CUDA graphs already, so that another around it saves nothing."""
        ...

    def check_installed(self) -> None:
        """Raise BackendError, with the extra to install, where a library is missing."""

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        """Why programs that were made so cannot run here, as half a sentence; None where they can."""
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


@runtime_checkable
class ChecksStored(Protocol):
    """What a loader has besides, where its files hold the same thing in more than one form."""

    def check_stored(self, content: memoryview) -> None:
        """Raise ArtifactError where the forms of a program in one file are not the same program."""


class Builder(Protocol):
    """The half of a backend that makes programs. Made without arguments; nothing that it keeps changes a result."""

    per_module: bool
    """Whether every declared module gets programs of its own; otherwise only what tasks share is kept apart."""

    def check_options(self, options: BuildOptions, device: torch.device | None) -> None:
        """Raise BackendError for an option that it does not take, or cannot meet on this machine.

        Without a device nothing is built (`--plan`): the options alone are judged.
        """

    def made_with(self, device: torch.device, options: BuildOptions) -> dict[str, str]:
        """What programs that are compiled so depend on: versions, device, capability. Goes into the manifest."""
        ...

    def compile(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        """Compile one variant of a stage. Weights go to the store and not into the content, where that can be."""
        ...

    def decompositions(self) -> Mapping[Any, Callable[..., Any]]:
        """How operations are broken up before the backend sees them, for `--plan`; empty where it takes torch's own."""
        ...

    def support(self, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        """What becomes of every call in a graph of one node, for `--plan`."""
        ...


@runtime_checkable
class BuildsBeside(Protocol):
    """What a builder has besides, where other processes build: then several programs are built at once."""

    def begin(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Callable[[], Compiled]:
        """`compile` in two halves: what must happen in this process happens now, and the function waits for the rest.

        Raises SpecialSizeError at once, where `compile` raises it.
        """
        ...

    def abandon(self) -> None:
        """End what is being built: nobody will wait for it."""
        ...


@runtime_checkable
class HoldsWeights(Protocol):
    """What a builder has besides, where programs keep some weights inside rather than in the artifact's one store."""

    def stored_once(self, tensors: Mapping[fx.Node, Tensor], options: BuildOptions) -> Collection[fx.Node]:
        """Those of the weights that the graph of a node reads which go to the store, for `--plan`."""
        ...


@runtime_checkable
class JoinsSizes(Protocol):
    """What a builder has besides, where one program with a range is better than one for each of several sizes."""

    def joins_sizes(self, options: BuildOptions) -> bool:
        """Whether stages that differ only in sizes become one; that is built as if `--require-full` were given."""
        ...


def refuse_options(options: BuildOptions, backend: str) -> None:
    """Raise BackendError where anything was asked for: for backends that have no options."""
    given = list(options.flags())
    if given:
        raise BackendError(f"the backend {backend} has no {' and no '.join(given)}: leave it out")
