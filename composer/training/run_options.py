"""What a run of the training loop is told besides its data and its recipe: where its state lies, and who follows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.training.loop import EpochResult, TrainingStep

__all__ = ["Following", "Stored"]


@dataclass(frozen=True)
class Stored:
    """Where the state of a run is stored, and what tells the run from others."""

    checkpoint: Path | None = None
    """The file of the whole state; nothing is stored where there is none."""
    resume: bool = False
    """Whether the run goes on from it."""
    document: str = ""
    """Tells the trained document from others."""
    left_out: frozenset[str] = frozenset()
    """Weights that are frozen, are not in the checkpoint, and lie in the weights that the run began with."""
    began_with: str = ""
    """The SHA-256 of these."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Input to what tells the files that it reads from others: `task.input.field`."""
    made_of: Mapping[str, str] = field(default_factory=dict)
    """Task to what tells its data from others, where something does."""


@dataclass(frozen=True)
class Following:
    """Who is told how a run goes."""

    progress: Callable[[TrainingStep], None] = lambda step: None
    finished: Callable[[EpochResult], None] = lambda result: None
    """An epoch is over."""
    begun: Callable[[int], None] = lambda step: None
    """The run begins, after so many steps."""
    stopping: Callable[[], None] = lambda: None
    """A signal has asked to end, and a step is still being made."""
