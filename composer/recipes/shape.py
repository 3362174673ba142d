"""The recipe of a training run as pydantic models: which data trains which task, and how."""

from __future__ import annotations

from pydantic import ConfigDict, Field, field_validator

from composer.language import Metrics, Outputs
from composer.plugin import Config
from composer.recipes.data_recipe import OwnData

__all__ = ["GroupRecipe", "Recipe", "TaskRecipe"]

MOST_EPOCHS = 1_000_000
MOST_THREADS = 1024
LARGEST_SEED = 2**63 - 1


class _Shape(Config):
    model_config = ConfigDict(allow_inf_nan=False)


class GroupRecipe(_Shape):
    """Samples that share one value (the questions of one picture) stay together, so that it is encoded once."""

    by: str
    """Input whose value the samples of a group share; a batch holds it once per group."""
    counts: str
    """Input of the objective that tells how many samples each group has."""


class TaskRecipe(_Shape):
    """The data of one task."""

    dataset: str | None = None
    """Id of a registered dataset. Give this, or `data`."""
    data: OwnData | None = None
    """The user's own rows: a table, a folder of pictures in folders of their classes, or a data set on disk."""
    with_: dict[str, object] = Field(default_factory=dict, alias="with")
    """Config of the dataset."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Input of the task or its objective to the field of a sample; the field of the same name where left out."""
    group: GroupRecipe | None = None
    """Which samples go together; none do where left out."""
    start: float = Field(default=0.0, ge=0, lt=1)
    """Part of the run's epochs that pass before the task joins: what is slow to learn has the model to itself until the
    large gradients of what is quick can no longer drown it."""
    batch: int = Field(ge=1)
    """Samples in a batch, or groups where samples are grouped."""
    output: Outputs | None = None
    """Output of the task that is scored, or several that metrics compare; what the task's `evaluation` says, or else
    the only one, where left out."""
    reference: str | None = None
    """Field of a sample that the output should equal; what the task's `evaluation` says, or else the only input of the
    objective, where left out."""
    metrics: Metrics | None = None
    """Name of a score to a registered metric, or that with its config; what the task's `evaluation` says, or else what
    is usual for the output, where left out. `{}` scores nothing."""


class Recipe(_Shape):
    """A whole run. Tasks are trained jointly: every epoch goes through all batches of its tasks in one mixed order."""

    document: str | None = None
    """The document that is trained, by a path relative to the recipe or by the name of one that a plugin ships. Only
    `composer check` reads it: `composer train` is told the document."""
    epochs: int = Field(ge=1, le=MOST_EPOCHS)
    """Passes over the data of every task that is there from the start."""
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    """Draws the initial weights, the order of the batches and dropout."""
    threads: int = Field(default=1, ge=1, le=MOST_THREADS)
    """Threads that torch uses. More than one pays for wide modules on a machine that does nothing else; on a busy one
    the threads wait for each other, and two can be many times slower than one."""
    learning_rate: float = Field(gt=0)
    """Highest learning rate, reached after the warm-up."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Part of the steps in which the rate rises in a line; a half cosine then brings it to zero."""
    restarts: list[int] = Field(default_factory=list)
    """Epochs (counted from 0, rising) at whose start the learning rate begins anew, warm-up included."""
    weight_decay: float = Field(default=0.02, ge=0)
    """Decay of matrices; offsets, norms and other vectors have none."""
    clip: float = Field(default=1.0, gt=0)
    """Largest length of the gradient of one step."""
    spread: float = Field(default=1.0, gt=0)
    """Factor on the initial weights of linear maps and embeddings: a start that was made for wide layers is too small
    for narrow ones."""
    spread_below: float | None = Field(default=None, gt=0)
    """Spread only weights that start with a smaller deviation than this; all of them where left out."""
    wake: float = Field(default=0.0, ge=0)
    """Deviation of the initial weights of linear maps that start at zero; 0 leaves them there. A map at zero gives what
    lies before it no gradient, which costs a short run many steps."""
    tasks: dict[str, TaskRecipe]
    """Task of the document to its data."""

    def tasks_of(self, epoch: int) -> list[str]:
        """The tasks that train in an epoch (from 0), sorted; the earliest ones train from the first epoch on."""
        joins = {name: int(task.start * self.epochs) for name, task in self.tasks.items()}
        return sorted(name for name, first in joins.items() if first - min(joins.values()) <= epoch)

    @field_validator("restarts")
    @classmethod
    def _rising(cls, value: list[int]) -> list[int]:
        if value != sorted(set(value)) or any(epoch < 1 for epoch in value):
            raise ValueError("restarts are epochs from 1 up, each later than the one before")
        return value
