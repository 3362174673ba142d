"""The evaluation of a task: which output is scored, what it is compared with, and by which metrics. Imported where a
document has one, or where somebody scores a task that has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from composer.graph.checked import CheckedEvaluation, CheckedInput, CheckedMetric, CheckedTask
from composer.graph.plugin_faults import report_fault
from composer.language import EvaluationShape, Metrics, Tree
from composer.plugin import Config, Metric, Registry
from composer.plugin.asking import PluginError, ask
from composer.problems import ComposerError, Findings, Problem, YamlPath
from composer.problems.suggest import listed, suggest
from composer.types import Kind, PortType

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = [
    "check_evaluation",
    "classes_of",
    "fits",
    "hold_outputs",
    "plain_evaluation",
    "unfit_config",
    "usual_metrics",
    "why_unfit",
]


def check_evaluation(
    checker: TaskChecker, shape: EvaluationShape, types: Mapping[str, PortType | None]
) -> CheckedEvaluation | None:
    """The evaluation as it is written, with what is plain filled in; None after reporting C265 to C269.

    `types` is every output of the task with its type, which is None where it is not known.
    """
    return _Checking(checker, shape, types).run()


class _Checking:
    """One `evaluation:`; each fault is reported where it is written."""

    def __init__(
        self, checker: TaskChecker, shape: EvaluationShape, types: Mapping[str, PortType | None]
    ) -> None:
        self.checker, self.shape, self.types = checker, shape, types
        self.known = {name: None if found is None else found.kind for name, found in types.items()}
        self.path: YamlPath = (*checker.path, "evaluation")
        self.findings, self.tree = checker.findings, checker.callees.document.tree
        self.registry = checker.callees.registry

    def run(self) -> CheckedEvaluation | None:
        silent = set(map(str, self.findings.silent_keys(self.path)))
        outputs = None if "output" in silent else self._outputs()
        kinds = None if outputs is None else self._kinds(outputs)
        metrics = None if "metrics" in silent else self._metrics(kinds)
        reference = None if "reference" in silent else self._reference(metrics)
        if outputs is None or metrics is None or reference is None or silent:
            return None
        return CheckedEvaluation(
            outputs, reference or None, metrics, classes_of(self.checker.inputs, reference)
        )

    def _outputs(self) -> tuple[str, ...] | None:
        written = self.shape.output
        if written is None:
            if len(self.known) != 1:
                if self.known:
                    self._not_plain("output", "which of its outputs is scored", list(self.known))
                return None
            return tuple(self.known)
        names = tuple([written] if isinstance(written, str) else written)
        where = (*self.path, "output")
        if not names:
            known = (f"outputs: {', '.join(self.known)}",)
            place = self.tree.place(where)
            self.findings.add(
                Problem("C265", "error", "`output` names no output to score", place, helps=known)
            )
        for index, name in enumerate(names):
            if name not in self.checker.shape.outputs:
                at = where if isinstance(written, str) else (*where, index)
                place = self.tree.place(at)
                meant = suggest(name, self.known, place)
                helps = (*meant.helps, f"its outputs: {listed(name, self.known)}")
                message = f"task `{self.checker.name}` has no output `{name}` that could be scored"
                self.findings.add(Problem("C265", "error", message, place, helps=helps, fix=meant.fix))
        return names if names and all(name in self.known for name in names) else None

    def _kinds(self, outputs: Iterable[str]) -> dict[str, str] | None:
        """The kinds of outputs; None where one of them is not known."""
        kinds = {name: self.known[name] for name in outputs}
        return {name: kind for name, kind in kinds.items() if kind} if all(kinds.values()) else None

    def _metrics(self, kinds: dict[str, str] | None) -> dict[str, CheckedMetric] | None:
        written = self.shape.metrics
        if written is None:
            return None if kinds is None else self._usual(kinds.values())
        if not written:
            self._not_plain("metrics", "how its output is scored", self._fitting((kinds or {}).values()))
            return None
        found = {}
        for name, metric, config in self._named(written):
            fault = "" if kinds is None else why_unfit(metric, kinds, self.registry)
            if fault:
                self._unfit(name, metric, fault, (kinds or {}).values())
                continue
            each = CheckedMetric(name, metric, config)
            types = [self.types[output] for output in kinds or ()]
            if hold_outputs(each, types, self.findings, self.tree, (*self.path, "metrics", name), "C268"):
                found[name] = each
        return found if len(found) == len(written) else None

    def _named(self, written: Metrics) -> Iterable[tuple[str, Metric, Config]]:
        for name, choice in written.items():
            path = (*self.path, "metrics", name)
            if self.findings.is_silent(path):
                continue
            id_ = choice if isinstance(choice, str) else choice.uses
            at = path if isinstance(choice, str) else (*path, "uses")
            metric = self.checker.callees.find(self.registry.metrics, id_, at, "C266", "metric")
            if metric is None:
                continue
            given = {} if isinstance(choice, str) else choice.with_
            config = self.checker.callees.reader.read(
                metric.config, given, path, f"metric {metric.id}", metric.title
            )
            if config is not None:
                yield name, metric, config

    def _usual(self, kinds: Iterable[str]) -> dict[str, CheckedMetric] | None:
        found = usual_metrics(kinds, self.registry)
        if not found:
            self._not_plain("metrics", "how its output is scored", self._fitting(kinds))
            return None
        return found

    def _fitting(self, kinds: Iterable[str]) -> list[str]:
        known = list(kinds)
        return sorted(m.id for m in self.registry.metrics.values() if fits(m, known, self.registry))

    def _unfit(self, name: str, metric: Metric, fault: str, kinds: Iterable[str]) -> None:
        """C268."""
        path = (*self.path, "metrics", name)
        fitting = listed(metric.id, self._fitting(kinds))
        others = [o for o, kind in self.known.items() if kind and fits(metric, [kind], self.registry)]
        cures = [f"score the output `{others[0]}`"] if others else []
        cures.append(f"metrics for it: {fitting}")
        message = f"metric `{metric.id}` {fault}"
        place = self.tree.place((*path, "uses") if self.tree.text(path) is None else path)
        self.findings.add(Problem("C268", "error", message, place, helps=("; or ".join(cures),)))

    def _reference(self, metrics: Mapping[str, CheckedMetric] | None) -> str | None:
        """The reference; an empty text where none is needed, None after reporting."""
        objective = self.checker.shape.objective
        own = list(objective.inputs) if objective is not None else []
        written = self.shape.reference
        if written is not None:
            self._hold_spelling(written, own)
            return written
        if len(own) == 1:
            return own[0]
        if metrics is None:
            return None
        if not any(each.metric.needs_reference for each in metrics.values()):
            return ""
        self._not_plain("reference", "what its output is compared with", own)
        return None

    def _hold_spelling(self, written: str, own: list[str]) -> None:
        """C269: a column that is called nearly as an input of the objective."""
        if written in (*own, *self.checker.shape.inputs):
            return
        place = self.tree.place((*self.path, "reference"))
        meant = suggest(written, own, place)
        if meant.word is not None and meant.fix:
            message = (
                f"the reference `{written}` is a column of the data: no input of the objective is called so"
            )
            self.findings.add(Problem("C269", "warning", message, place, helps=meant.helps))

    def _not_plain(self, key: str, what: str, choices: list[str]) -> None:
        """C267."""
        if self.findings.is_silent_within(self.path):
            return
        place = self.tree.place(self.path, key=True)
        wanted = f"write `{key}: ...`"
        if key == "metrics":
            wanted = "write `metrics: {score: METRIC}`"
        nothing = "a column of the data will do" if key == "reference" else "no installed metric scores it"
        shown = f"{wanted}; " + (f"there are {listed('', choices)}" if choices else nothing)
        message = f"the evaluation of task `{self.checker.name}` does not say {what}"
        self.findings.add(Problem("C267", "error", message, place, helps=(shown,)))


def usual_metrics(kinds: Iterable[str], registry: Registry) -> dict[str, CheckedMetric]:
    """The metrics of an output of one kind where nobody names others, by the last words of their ids."""
    known = list(kinds)
    for kind in _with_parents(known[0], registry.kinds) if len(known) == 1 else ():
        found = {m.id.rpartition(".")[2]: m for m in registry.metrics.values() if kind in m.usual_for}
        if found:
            return {name: CheckedMetric(name, metric, metric.config()) for name, metric in found.items()}
    return {}


def plain_evaluation(task: CheckedTask, registry: Registry) -> CheckedEvaluation:
    """What is plain of the evaluation of a task that says nothing of it; the rest is empty."""
    if task.evaluation is not None:
        return task.evaluation
    outputs = tuple(task.outputs) if len(task.outputs) == 1 else ()
    kinds = [task.types[task.outputs[name]].kind for name in outputs]
    own = [name for name, item in task.inputs.items() if item.training]
    reference = own[0] if len(own) == 1 else None
    metrics = usual_metrics(kinds, registry) if kinds else {}
    return CheckedEvaluation(outputs, reference, metrics, classes_of(task.inputs, reference))


def classes_of(inputs: Mapping[str, CheckedInput], reference: str | None) -> tuple[str, ...]:
    """The names of the classes of an input; empty where it is none, or says none."""
    item = inputs.get(reference or "")
    return () if item is None or item.classes is None else item.classes


def fits(metric: Metric, kinds: Iterable[str], registry: Registry) -> bool:
    """Whether a metric can score outputs of these kinds together."""
    named = {str(index): kind for index, kind in enumerate(kinds)}
    return bool(named) and not why_unfit(metric, named, registry)


def why_unfit(metric: Metric, outputs: Mapping[str, str], registry: Registry) -> str:
    """What a metric takes other than these outputs, which come with their kinds; empty where it can score them."""
    if len(outputs) not in metric.outputs:
        wanted = " or ".join(map(str, metric.outputs))
        noun = "output" if metric.outputs == (1,) else "outputs together"
        return f"scores {wanted} {noun}, and {len(outputs)} {'is' if len(outputs) == 1 else 'are'} named"
    for name, kind in outputs.items():
        if metric.takes and not set(_with_parents(kind, registry.kinds)) & set(metric.takes):
            return f"takes {' or '.join(metric.takes)}, and output `{name}` is {kind}"
    return ""


def hold_outputs(
    metric: CheckedMetric,
    types: Sequence[PortType | None],
    findings: Findings,
    tree: Tree,
    path: YamlPath,
    code: str,
) -> bool:
    """Whether the config of a metric goes with outputs of these types; where not, a problem with this code, at what is
    written under `path`.
    """
    place = tree.place((*path, "with") if tree.text(path) is None else path)
    try:
        fault = unfit_config(metric, types)
    except PluginError as error:
        report_fault(findings, error, place)
        return False
    if fault:
        findings.add(Problem(code, "error", fault, place))
    return not fault


def unfit_config(metric: CheckedMetric, types: Sequence[PortType | None]) -> str:
    """Why the config of a metric does not go with outputs of these types; empty where it does, or nobody knows.

    Raises PluginError where the metric's own function fails.
    """
    check = metric.metric.check_outputs
    if check is None or not types or None in types:
        return ""
    try:
        ask(check, metric.config, tuple(types), what=f"`check_outputs` of {metric.metric.title}")
    except PluginError:
        raise
    except ComposerError as refusal:
        return f"metric `{metric.metric.id}`: {refusal}"
    return ""


def _with_parents(kind: str | None, kinds: Mapping[str, Kind]) -> list[str]:
    found: list[str] = []
    while kind is not None and kind not in found:
        found.append(kind)
        kind = kinds[kind].parent if kind in kinds else None
    return found
