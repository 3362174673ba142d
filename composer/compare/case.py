"""Cases: a small YAML file that says which recorded tensor feeds which port, and what each output is compared with.

```yaml
document: parts.yaml            # a path relative to the case, or a shipped name
layout: mplug2                  # reads config.json into parameters, and the checkpoint's keys
data: videoqa                   # folder with config.json, weights.safetensors, inputs.safetensors, outputs.safetensors
tolerance: {absolute: 1.0e-4, relative: 1.0e-4}
config: {rank_top: rank_k}      # parameters straight from config.json, where the layout does not read them
settings: {tokenizer: $data/vocab.txt}
runs:
  answer:
    task: video-qa
    settings: {beams: 3}        # on top of what the layout reads from config.json
    feeds: {video.pixels: video, question.tokens.ids: question_ids, question.tokens.mask: question_mask}
    compare:
      frames.states: visual.out
      words.states: {recorded: text_embeds, absolute: 1.0e-5, relative: 1.0e-5}
      adapted.states: {recorded: visn_layer_norm, optional: true}
      answer.hypotheses.ids: gen.beam.ids
  step:
    task: retrieval
    objective: true
    training: true
    feeds: {image.pixels: image}
    given: {negatives.rows: neg_image}      # what a node draws was recorded
    compare: {loss.loss: loss}
    after: {pair.first_queue: after.image_queue}
  train:
    task: video-qa
    objective: true
    feeds: {video.pixels: video}
    steps: {file: train_trace.json}         # the losses of recorded steps of AdamW
schedules:
  fine-tuning:                              # learning rates by the schedule of a recipe; names are keys of config.json
    schedule: {counts: batches, delay: 1}
    config: {warmup_steps: schedule.warmup, end: schedule.min_lr}
    epochs: schedule.epochs
    batches: schedule.steps_per_epoch
    peaks: schedule.lr
    recorded: schedule.rates
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from composer.language import Source, read_source
from composer.language.tree import construct
from composer.language.yaml_nodes import compose
from composer.problems import DocumentError, InputError

__all__ = [
    "Case",
    "Ones",
    "RecordedRates",
    "Run",
    "Target",
    "Tolerance",
    "Trace",
    "load_case",
    "of_config",
    "published_config",
]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tolerance(_Shape):
    """A value passes where |ours - recorded| <= absolute + relative * |recorded|."""

    absolute: float = 1e-4
    relative: float = 1e-4


class Target(_Shape):
    """What one port is compared with."""

    recorded: str
    absolute: float | None = None
    relative: float | None = None
    optional: bool = False
    """Whether data without this tensor passes (it is listed as not recorded)."""
    last_of: str | None = None
    """A parameter that counts the tensors `recorded0`, `recorded1`, ...: the last of them is meant."""

    def over(self, default: Tolerance) -> Tolerance:
        """The tolerance of the case, where this target has none of its own."""
        return Tolerance(
            absolute=default.absolute if self.absolute is None else self.absolute,
            relative=default.relative if self.relative is None else self.relative,
        )


class Ones(_Shape):
    """A feed that is not recorded: ones in the shape of a recorded tensor, such as the mask of "no mask given"."""

    ones_like: str


class Trace(_Shape):
    """Steps of training that were recorded."""

    file: str = "train_trace.json"
    """In the data folder: `losses` with a `loss` and a `grad_norm` of each step, and the optimizer's `groups` with the
    published `names` of their weights, `lr`, `weight_decay`, `betas` and `eps`."""
    same: dict[str, str] = Field(default_factory=dict)
    """A published name to another one of the same weight, by which the layout knows it."""
    absolute: float = 1e-3
    relative: float = 1e-3
    optional: bool = False
    """Whether data without this file passes (it is listed as not recorded)."""

    @property
    def tolerance(self) -> Tolerance:
        """Of losses and lengths: each step carries the rounding of those before."""
        return Tolerance(absolute=self.absolute, relative=self.relative)


class Run(_Shape):
    """One run of a task on recorded inputs."""

    task: str
    objective: bool = False
    """Run the objective's graph (training) rather than the answering one."""
    training: bool = False
    """Run it as a step of training does: averages move on before it, modules are in training mode, buffers change."""
    settings: dict[str, object] = Field(default_factory=dict)
    feeds: dict[str, str | Ones]
    given: dict[str, str] = Field(default_factory=dict)
    """`node.port` to a recorded input that stands in place of what the node gives, such as what it draws."""
    compare: dict[str, str | Target] = Field(default_factory=dict)
    steps: Trace | None = None
    """Steps of training with the objective's loss, on what is fed, as they were recorded."""
    after: dict[str, str | Target] = Field(default_factory=dict)
    """`module.tensor` to what it is recorded to be after the run."""


class RecordedRates(_Shape):
    """Learning rates that were recorded, and the schedule that gives them. What is recorded is named by its key in
    `config.json`; dots lead into sections."""

    schedule: dict[str, object] = Field(default_factory=dict)
    """`schedule` of a recipe."""
    config: dict[str, str] = Field(default_factory=dict)
    """Keys of the schedule that were recorded."""
    epochs: str
    batches: str
    """How many an epoch has."""
    peaks: str
    """The highest rate, or that of each group of weights."""
    recorded: str
    """The rate of every batch of the run, or those of each group; what is recorded after the run is left out."""
    absolute: float = 0.0
    relative: float = 1e-6

    @property
    def tolerance(self) -> Tolerance:
        """Of rates."""
        return Tolerance(absolute=self.absolute, relative=self.relative)


class Case(_Shape):
    """A whole case file. `directory` is where it stands; relative paths start there."""

    document: str = ""
    layout: str = ""
    data: str
    summary: str = ""
    tolerance: Tolerance = Tolerance()
    config: dict[str, str] = Field(default_factory=dict)
    """Document parameter to a key of `config.json` (dots lead into sections), for what the layout does not read."""
    settings: dict[str, object] = Field(default_factory=dict)
    """Parameters of every run. A value `$data/name` is a file of the data folder."""
    runs: dict[str, Run] = Field(default_factory=dict)
    schedules: dict[str, RecordedRates] = Field(default_factory=dict)
    """Learning rates of recipes, held against recorded ones; they need no document."""
    directory: Path = Path()

    @model_validator(mode="after")
    def _says_what_is_compared(self) -> Self:
        if not self.runs and not self.schedules:
            raise ValueError("it compares nothing: give it `runs`, or `schedules`")
        missing = [key for key in ("document", "layout") if self.runs and not getattr(self, key)]
        if missing:
            raise ValueError(f"`runs` need `{'` and `'.join(missing)}`")
        return self


def load_case(path: Path) -> Case:
    """Read a case; raises DocumentError or InputError that name the fault."""
    source: Source = read_source(path, str(path))
    data, problems = construct(compose(source), source)
    if problems:
        raise DocumentError(problems, {source.name: source.text})
    try:
        return Case.model_validate({**data, "directory": path.parent})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}".lstrip(": ") for f in error.errors())
        raise InputError(f"{path} is not a case: {faults}") from None


def published_config(folder: Path) -> Mapping[str, object]:
    """The recorded `config.json`; raises InputError where it is missing or no JSON object."""
    path = folder / "config.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} holds no config.json: is it a folder of recorded tensors?") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object")
    return value


def of_config(config: Mapping[str, object], key: str, what: str) -> object:
    """The value of a key of `config.json`, which may lead into sections; `what` it is for stands in the message.

    Raises InputError where there is none.
    """
    value: object = config
    for step in key.split("."):
        if not isinstance(value, Mapping) or step not in value:
            raise InputError(f"config: config.json has no `{key}` (for {what})")
        value = value[step]
    return value
