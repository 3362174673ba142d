"""The cost of a document as frozen values. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["DTYPES", "Cost", "Generating", "ModuleCost", "StageCost", "StepCost", "TaskCost"]

DTYPES = ("float32", "bfloat16", "float16")
"""Number formats of weights and activations."""


@dataclass(frozen=True)
class ModuleCost:
    """A declared module, or an adapter of one. Each parameter tensor is counted once, also where two names or two nodes
    share it."""

    name: str
    type: str
    parameters: int
    weight_bytes: int
    """Parameters and buffers; floating-point ones in the number format that was asked for."""
    frozen: int = 0
    """Parameters that training leaves as they are."""
    adapter: bool = False
    """Whether it is an adapter of a module, `text+qa`."""

    @property
    def trained(self) -> int:
        """Parameters that training may change."""
        return self.parameters - self.frozen


@dataclass(frozen=True)
class Generating:
    """What a `generate` node spends on one batch when no hypothesis ends before `max_tokens`."""

    tokens: int
    start_flops: int
    """Reading the memory: what is projected once for all steps."""
    first_flops: int
    last_flops: int
    """The first and the last step: with a cache, a step costs more the more tokens stand before it."""
    total_flops: int


@dataclass(frozen=True)
class StepCost:
    """A node. `unknown` says why it could not be measured, `host` that it works on text; its numbers are zero then."""

    name: str
    callee: str
    flops: int
    peak_bytes: int
    generating: Generating | None = None
    unknown: str = ""
    host: bool = False


@dataclass(frozen=True)
class StageCost:
    """A stage. `peak_bytes` is the most that was alive at one moment of it: see `composer.views.cost.metering`."""

    name: str
    steps: tuple[StepCost, ...]

    @property
    def flops(self) -> int:
        return sum(step.flops for step in self.steps)

    @property
    def peak_bytes(self) -> int:
        return max((step.peak_bytes for step in self.steps), default=0)


@dataclass(frozen=True)
class TaskCost:
    """A task at the sizes of its free dimensions."""

    name: str
    sizes: Mapping[str, int]
    stages: tuple[StageCost, ...]
    modules: tuple[str, ...]

    @property
    def flops(self) -> int:
        return sum(stage.flops for stage in self.stages)

    @property
    def peak_bytes(self) -> int:
        return max((stage.peak_bytes for stage in self.stages), default=0)


@dataclass(frozen=True)
class Cost:
    """Modules and tasks of one document at a number format."""

    name: str
    dtype: str
    modules: Mapping[str, ModuleCost]
    tasks: tuple[TaskCost, ...]

    def parameters_of(self, task: TaskCost) -> int:
        return sum(self.modules[name].parameters for name in task.modules)

    def weight_bytes_of(self, task: TaskCost) -> int:
        return sum(self.modules[name].weight_bytes for name in task.modules)
