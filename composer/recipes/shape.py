"""The recipe of a training run as pydantic models: which data trains which task, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from composer.language import Metrics, Outputs
from composer.plugin import Config
from composer.recipes.data_recipe import OwnData
from composer.recipes.every import EVERY, Every

__all__ = [
    "GroupRecipe",
    "OptimizerRecipe",
    "Recipe",
    "ScheduleRecipe",
    "TaskRecipe",
    "ValidationRecipe",
    "WeightsRecipe",
]

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
    weight: float | None = Field(default=None, gt=0)
    """Share of the steps of an epoch, beside the weights of the other tasks (1 where they have none). Where no task has
    a weight, an epoch goes through all batches of all tasks."""
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


class DipsRecipe(_Shape):
    """Single steps with the rate of a much earlier one: every `every`-th step, the n-th of them that of step n."""

    every: int = Field(ge=1)
    """Steps from one dip to the next."""
    epochs: int | None = Field(default=None, ge=1)
    """Epochs with dips, from the first; all of them where left out."""
    steps: int | None = Field(default=None, ge=0)
    """The last step that may dip; no last one where left out."""


class ScheduleRecipe(_Shape):
    """The learning rate over the steps of a run, beyond `warmup` and `restarts`."""

    counts: Literal["steps", "batches"] = "steps"
    """What the numbers here count, and what the rate goes by: steps, or batches, of which a step has as many as
    `accumulate` says. Code that advances its schedule after every batch counts batches."""
    shape: Literal["cosine", "linear", "constant"] = "cosine"
    """How the rate falls after the warm-up: as half a cosine, in a line, or not at all."""
    warmup_steps: int | None = Field(default=None, ge=0)
    """Steps in which the rate rises, in place of the share `warmup`."""
    start: float | None = Field(default=None, ge=0)
    """Rate of the first step of the warm-up, from which it rises in a line; one part of the way up where left out."""
    end: float = Field(default=0.0, ge=0)
    """Rate to which it falls."""
    delay: int = Field(default=0, ge=0)
    """Steps at the rate of the first one before the schedule begins. Code that advances its schedule after a step has
    one."""
    dips: DipsRecipe | None = None
    """Single steps with the rate of an early one; none where left out."""


class WeightsRecipe(_Shape):
    """Values for some weights, in place of the recipe's. Of several entries that name a weight, the first that gives a
    value decides it."""

    weights: list[str] = Field(min_length=1)
    """Names of weights as the written file has them (`vision.layers.0.norm.weight`), of parts that they are inside of,
    or ends of such names; `*` stands for any text. What begins with the name of a module means that module's alone."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Their highest learning rate."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Their decay, vectors included."""
    freeze: bool | None = None
    """Whether training leaves them as they are."""


class OptimizerRecipe(_Shape):
    """AdamW, and what is different for some weights."""

    betas: list[float] = Field(default_factory=lambda: [0.9, 0.98], min_length=2, max_length=2)
    """How long it remembers gradients and their squares."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the squares."""
    groups: list[WeightsRecipe] = Field(default_factory=list)
    """Learning rate, decay and freezing of some weights."""

    @field_validator("betas")
    @classmethod
    def _below_one(cls, value: list[float]) -> list[float]:
        if any(not 0 <= beta < 1 for beta in value):
            raise ValueError("betas are two numbers from 0 up and below 1")
        return value


class ValidationRecipe(_Shape):
    """Scores on the way, the best weights, and an early end."""

    every: str = Field(default="1 epoch", json_schema_extra={"pattern": EVERY})
    """How often: `1 epoch`, `500 steps`."""
    split: str = "validation"
    """The split that is scored."""
    samples: int | None = Field(default=None, ge=1)
    """Score so many samples at most, the first ones; all of them where left out."""
    loss: bool = False
    """Whether the objectives' mean losses on the split are scores as well, as `TASK.loss`."""
    best: str | None = None
    """Score by which the best weights are kept: `TASK.SCORE`, or `TASK.loss`. Where there is one score alone, it is
    that. Its metric says whether more or less of it is better."""
    patience: int | None = Field(default=None, ge=1)
    """End the run after so many validations without a better one; never where left out."""

    @field_validator("every", mode="before")
    @classmethod
    def _often(cls, value: object) -> object:
        Every.of(str(value), ("steps", "epochs"))
        return value


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
    schedule: ScheduleRecipe = Field(default_factory=ScheduleRecipe)
    """More about the learning rate over the run."""
    weight_decay: float = Field(default=0.02, ge=0)
    """Decay of matrices; offsets, norms and other vectors have none."""
    optimizer: OptimizerRecipe = Field(default_factory=OptimizerRecipe)
    """More about the optimizer, and what is different for some weights."""
    clip: float | None = Field(default=1.0, gt=0)
    """Largest length of the gradient of one step; `null` for any length."""
    accumulate: int = Field(default=1, ge=1)
    """Batches of a step: their gradients are added up as those of one large batch."""
    steps: int | None = Field(default=None, ge=1)
    """Steps of an epoch, shared out among the tasks by their weights; where left out, as many as all batches take."""
    recompute: list[str] = Field(default_factory=list)
    """Modules whose layers compute their values anew for the gradient and do not keep them: less memory, more time."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay of a running mean of the weights, which is then what is validated, scored and written."""
    validation: ValidationRecipe | None = None
    """Scores on the way; at the end alone where left out."""
    save_every: str = Field(default="10 minutes", json_schema_extra={"pattern": EVERY})
    """How often the state is stored, besides the end of every epoch: `10 minutes`, `500 steps`. It decides nothing but
    how much a killed run has to do again."""
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

    @field_validator("save_every", mode="before")
    @classmethod
    def _often(cls, value: object) -> object:
        Every.of(str(value))
        return value
