"""What is scored of a task, and how: what was asked for, or else what the document or the artifact says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pydantic import ValidationError

from composer.execution import TaskPorts
from composer.graph import CheckedEvaluation, CheckedMetric
from composer.graph.evaluations import fits, unfit_config, usual_metrics, why_unfit
from composer.plugin import Config, Dataset, Metric, Registry
from composer.plugin.declarations import config_of_json
from composer.problems import InputError
from composer.problems.suggest import listed, unknown

__all__ = ["AskedMetric", "AskedScores", "SaysHowScored", "declared_of", "given_config", "metric_of"]


@runtime_checkable
class SaysHowScored(Protocol):
    """What answers tasks and knows how they are scored: a live model, an artifact."""

    def evaluation(self, task: str, /) -> CheckedEvaluation:
        """What is said, or plain, of a task; perhaps nothing."""


def declared_of(model: object, task: str) -> CheckedEvaluation:
    """What a model or an artifact says of how a task is scored; empty where it says nothing."""
    return model.evaluation(task) if isinstance(model, SaysHowScored) else CheckedEvaluation((), None, {})


@dataclass(frozen=True)
class AskedMetric:
    """A metric as somebody asks for it: by its id, perhaps with a name for its score and with a config."""

    uses: str
    name: str = ""
    config: Mapping[str, object] = field(default_factory=dict)

    @property
    def score(self) -> str:
        return self.name or self.uses.rpartition(".")[2]


@dataclass(frozen=True)
class AskedScores:
    """What was asked for; empty parts are those of the document or the artifact."""

    outputs: Sequence[str] = ()
    reference: str | None = None
    metrics: Sequence[AskedMetric] = ()

    def settled(
        self, declared: CheckedEvaluation, ports: TaskPorts, registry: Registry, task: str
    ) -> CheckedEvaluation:
        """What is scored. `declared` may be empty in parts; `ports` has every output of the task.

        Raises InputError that says what is missing, unknown or does not fit, and how to give it.
        """
        outputs, kinds = tuple(self.outputs) or declared.outputs, ports.outputs
        for name in outputs:
            if name not in kinds:
                raise unknown("output", name, kinds, f"task `{task}`")
        if not outputs:
            raise InputError(
                f"task `{task}` does not say which output is scored: name it with --output ({', '.join(kinds)})"
            )
        named = {name: kinds[name] for name in outputs}
        metrics = self._metrics(declared, named, registry, task)
        for each in metrics.values():
            unfit = unfit_config(each, [ports.types.get(name) for name in outputs])
            if unfit:
                raise InputError(unfit)
        reference = self.reference if self.reference is not None else declared.reference
        if reference is None and any(each.metric.needs_reference for each in metrics.values()):
            raise InputError(
                f"nothing says what output {_shown(outputs)} of task `{task}` is compared with: name the column with "
                "--reference, or the reference in the task's `evaluation`"
            )
        return CheckedEvaluation(outputs, reference, metrics, declared.classes)

    def _metrics(
        self, declared: CheckedEvaluation, named: Mapping[str, str], registry: Registry, task: str
    ) -> Mapping[str, CheckedMetric]:
        found: Mapping[str, CheckedMetric]
        if self.metrics:
            found = {each.score: metric_of(registry, each) for each in self.metrics}
            if len(found) < len(self.metrics):
                raise InputError("two scores have one name: call them apart, --metric NAME=METRIC")
        elif tuple(named) == tuple(declared.outputs) and declared.metrics:
            found = declared.metrics
        else:
            found = usual_metrics(named.values(), registry)
        fitting = sorted(m.id for m in registry.metrics.values() if fits(m, named.values(), registry))
        if not found:
            raise InputError(
                f"nothing says how output {_shown(named)} of task `{task}` ({' and '.join(named.values())}) is scored: "
                f"name a metric with --metric ({listed('', fitting)})"
            )
        for each in found.values():
            fault = why_unfit(each.metric, named, registry)
            if fault:
                raise InputError(
                    f"metric `{each.metric.id}` {fault}; metrics for it: {listed(each.metric.id, fitting)}"
                )
        return found


def _shown(outputs: Sequence[str] | Mapping[str, str]) -> str:
    return " and ".join(f"`{name}`" for name in outputs)


def metric_of(registry: Registry, asked: AskedMetric) -> CheckedMetric:
    """The metric with its config. Raises InputError where there is no such metric, or it refuses the config."""
    if asked.uses not in registry.metrics:
        raise unknown("metric", asked.uses, registry.metrics)
    metric = registry.metrics[asked.uses]
    return CheckedMetric(asked.score, metric, given_config(metric, "metric", asked.config))


def given_config(entry: Metric | Dataset, what: str, given: Mapping[str, object]) -> Config:
    """The config of an entry from options of a command line. Raises InputError that names the option it refuses; `what`
    is what it is, such as `metric`.
    """
    try:
        return config_of_json(entry.config, json.dumps(dict(given)))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"])) or "its options"
        options = ", ".join(entry.config.model_fields) or "none"
        raise InputError(
            f"{what} `{entry.id}` refuses `{where}`: {fault['msg']} (its options: {options})"
        ) from None
