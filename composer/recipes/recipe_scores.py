"""What a recipe scores of a task: its own words where it has some, and else what the document says or what is plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from composer.graph import CheckedEvaluation, CheckedMetric, CheckedTask
from composer.graph.configs import ConfigReader
from composer.graph.entries import EntryFinder
from composer.graph.evaluations import (
    classes_of,
    fits,
    hold_outputs,
    plain_evaluation,
    usual_metrics,
    why_unfit,
)
from composer.plugin import Registry
from composer.problems import Problem, YamlPath
from composer.problems.suggest import listed, nearest
from composer.recipes.reading import ReadRecipe
from composer.recipes.shape import TaskRecipe

__all__ = ["RecipeScores"]


@dataclass(frozen=True)
class RecipeScores:
    """Reads `output`, `reference` and `metrics` of one task; each fault is reported where it is written."""

    found: ReadRecipe
    registry: Registry
    entries: EntryFinder
    configs: ConfigReader
    path: YamlPath
    task: TaskRecipe

    def read(self, checked: CheckedTask | None) -> CheckedEvaluation | None:
        """What is scored, with a field of the samples as the reference; None where nothing is, or after reporting.

        Without a document (`checked` is None) names are held against the plugins alone.
        """
        if any(
            self.found.findings.is_silent((*self.path, key)) for key in ("output", "reference", "metrics")
        ):
            self._metrics()
            return None
        metrics = self._metrics()
        if checked is None:
            return None
        plain = plain_evaluation(checked, self.registry)
        outputs = self._outputs(checked, plain)
        if outputs is None or (metrics is None and self.task.metrics is not None):
            return None
        if not outputs and self.task.metrics != {}:
            self._says_too_little(f"which output is scored ({listed('', checked.outputs)})", "output")
            return None
        kinds = {name: checked.types[checked.outputs[name]].kind for name in outputs}
        if metrics is None:
            usual = (
                plain.metrics if outputs == plain.outputs else usual_metrics(kinds.values(), self.registry)
            )
            if not usual:
                self._says_too_little("how the output is scored", "metrics")
                return None
            metrics = dict(usual)
        elif not self._hold_fit(checked, kinds, metrics):
            return None
        reference = self.task.reference
        if reference is None and plain.reference is not None:
            reference = self.task.fields.get(plain.reference, plain.reference)
        if reference is None and any(each.metric.needs_reference for each in metrics.values()):
            self._says_too_little("which field of a sample the output is compared with", "reference")
            return None
        read = next((n for n in checked.inputs if self.task.fields.get(n, n) == reference), None)
        return CheckedEvaluation(outputs, reference, metrics, classes_of(checked.inputs, read))

    def _says_too_little(self, what: str, key: str) -> None:
        """C415, where the recipe says a part of it; a recipe that says nothing scores what is plain, or nothing."""
        if self.task.output is None and self.task.reference is None and not self.task.metrics:
            return
        message = f"task `{self.path[1]}` does not say {what}"
        place = self.found.tree.place(self.path, key=True)
        helps = (f"write `{key}` here, or an `evaluation` in the document", "`metrics: {}` scores nothing")
        self.found.findings.add(Problem("C415", "error", message, place, helps=helps))

    def _metrics(self) -> dict[str, CheckedMetric] | None:
        """The metrics that the recipe names; None where it names none, or after reporting."""
        if self.task.metrics is None or self.found.findings.is_silent((*self.path, "metrics")):
            return None
        found = {}
        for score, choice in self.task.metrics.items():
            path = (*self.path, "metrics", score)
            plain = isinstance(choice, str)
            id_ = choice if isinstance(choice, str) else choice.uses
            at = path if plain else (*path, "uses")
            entry = self.entries.find(self.registry.metrics, id_, at, "C403", "metric")
            if entry is None:
                continue
            given = {} if isinstance(choice, str) else choice.with_
            config = self.configs.read(entry.config, given, path, f"metric {entry.id}", entry.title)
            if config is not None:
                found[score] = CheckedMetric(score, entry, config)
        return found if len(found) == len(self.task.metrics) else None

    def _outputs(self, checked: CheckedTask, plain: CheckedEvaluation) -> tuple[str, ...] | None:
        """The outputs that are scored, empty where nobody says them; None after reporting (C404)."""
        written = self.task.output
        if written is None:
            return plain.outputs
        names = (written,) if isinstance(written, str) else tuple(written)
        for index, name in enumerate(names):
            if name in checked.outputs:
                continue
            where = (*self.path, "output")
            place = self.found.tree.place(where if isinstance(written, str) else (*where, index))
            guess = nearest(name, list(checked.outputs))
            helps = [f"did you mean `{guess}`?"] if guess else []
            helps.append(f"its outputs: {', '.join(checked.outputs)}")
            message = f"task `{checked.name}` has no output `{name}`"
            self.found.findings.add(Problem("C404", "error", message, place, helps=tuple(helps)))
            return None
        return names

    def _hold_fit(
        self,
        checked: CheckedTask,
        kinds: Mapping[str, str],
        metrics: Mapping[str, CheckedMetric],
    ) -> bool:
        """Report C405 for metrics that cannot score the output."""
        sound = True
        types = [checked.types[checked.outputs[name]] for name in kinds]
        for score, each in metrics.items():
            metric, path = each.metric, (*self.path, "metrics", score)
            fault = why_unfit(metric, kinds, self.registry)
            if not fault:
                held = hold_outputs(each, types, self.found.findings, self.found.tree, path, "C405")
                sound = sound and held
                continue
            sound = False
            message = f"metric `{metric.id}` {fault}"
            fitting = [m.id for m in self.registry.metrics.values() if fits(m, kinds.values(), self.registry)]
            others = [
                o for o, e in checked.outputs.items() if fits(metric, [checked.types[e].kind], self.registry)
            ]
            cures = [f"score the output `{others[0]}`"] if others else []
            cures += [f"metrics for {' and '.join(kinds.values())}: {listed(metric.id, fitting)}"]
            place = self.found.tree.place(path)
            self.found.findings.add(Problem("C405", "error", message, place, helps=("; or ".join(cures),)))
        return sound
