"""What is asked of a compilation, of the backend's own share too. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["BuildOptions", "Options"]


@dataclass(frozen=True)
class BuildOptions:
    """What a user may ask of a backend beyond the tasks themselves; a backend refuses what it cannot do."""

    targets: tuple[str, ...] = ()
    """GPUs to build for, by name or compute capability; empty for the device at hand."""
    require_full: bool = False
    """Refuse where any operation falls back to torch."""
    memory_limit: int | None = None
    """Bytes of workspace that a build may plan with."""
    keep: tuple[str, ...] | None = None
    """Kinds of operations that stay in float32; None for the backend's own list."""
    cuda_graphs: bool = True
    """Run the step of a search through CUDA graphs."""
    engine_weights: Literal["shared", "held"] = "shared"
    """Whether engines take large weights as inputs, each stored once for all of them, or hold them."""
    engine_sizes: Literal["joined", "apart"] = "joined"
    """Whether stages that differ only in sizes are one engine with a range, or each its own."""
    cache: Path | None = None
    """A directory for finished programs, so that an unchanged one is not built again."""
    jobs: int | None = None
    """How many programs are built at once, in processes of their own; None for what cores and memory are enough for.
    It changes no result, and a backend that builds in the process itself builds one at a time.
    """

    def flags(self) -> dict[str, str]:
        """The options that differ from their defaults, as the command line writes them."""
        given = {
            "--target": ",".join(self.targets),
            "--require-full": " " if self.require_full else "",
            "--memory-limit": str(self.memory_limit or ""),
            "--keep": "" if self.keep is None else ",".join(self.keep) or "none",
            "--no-cuda-graphs": "" if self.cuda_graphs else " ",
            "--engine-weights": "" if self.engine_weights == "shared" else self.engine_weights,
            "--engine-sizes": "" if self.engine_sizes == "joined" else self.engine_sizes,
            "--build-cache": str(self.cache or ""),
        }
        return {flag: value.strip() for flag, value in given.items() if value}


@dataclass(frozen=True)
class Options:
    """How to compile; what is left out comes from the document's `compile:`."""

    backend: str = "export"
    ranges: Mapping[str, str] = field(default_factory=dict)
    precision: str | None = None
    precisions: Mapping[str, str] = field(default_factory=dict)
    """Module or node → its own precision."""
    tolerance: float | None = None
    accept_drift: bool = False
    session: tuple[str, ...] = ()
    """Inputs that sessions keep: what depends on them alone is a program of its own, which runs once per session."""
    build: BuildOptions = field(default_factory=BuildOptions)
    """What the backend is asked for."""
    seed: int | None = None
    """What initial weights are drawn from, where some are."""
