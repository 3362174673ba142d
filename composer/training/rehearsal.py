"""What can be known before the first step: one batch of every task is encoded and gives a loss, a few samples of the
splits that will be scored are answered and scored, and every label is one that the loss knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

from composer.data import DataError, OwnRows
from composer.data.data_checker import problem_of
from composer.execution import Answering, Model
from composer.graph import Checked, CheckedEvaluation
from composer.graph.checked import split_part
from composer.language import Tree
from composer.plan import Plan, Step
from composer.plugin.asking import PluginError
from composer.problems import ComposerError, InputError, Problem, YamlPath
from composer.problems.suggest import nearest
from composer.recipes import Recipe, TaskRecipe
from composer.training.data import SampleData
from composer.training.encoding import encode
from composer.training.evaluating import answer_fields, evaluate
from composer.training.learner import backward, scalar_loss
from composer.training.programs import Programs
from composer.training.samples import MissingFieldError, SampleSource

__all__ = ["collecting", "never_trained", "rehearse", "scored_fields", "scored_splits"]

SCORED_SAMPLES = 8
"""Enough to see that a metric takes what the output gives."""
LABELS_AT_ONCE = 256
NOT_SCORED = -100
"""The label that losses leave out."""


@contextmanager
def collecting(problems: list[Problem], tree: Tree, task: str) -> Iterator[None]:
    """Turn an error of the block into a problem at the place of the recipe that it concerns."""
    try:
        yield
    except ComposerError as error:
        found = _problem(error, tree, task)
        # What ails every split of a dataset is told for the first one.
        same = f"has no field `{error.name}`" if isinstance(error, MissingFieldError) else ""
        same = error.fault if isinstance(error, PluginError) else same
        if not (same and any(same in told.message and told.place == found.place for told in problems)):
            problems.append(found)


def rehearse(
    programs: Programs,
    data: Mapping[str, SampleData],
    model: Model,
    recipe: Recipe,
    evaluations: Mapping[str, CheckedEvaluation],
    tree: Tree,
    splits: Iterable[str],
) -> tuple[list[Problem], dict[str, list[str]]]:
    """Everything that would go wrong in the first step or in the last score, as problems at the places of the recipe;
    and the layers of adapters that no objective gave a gradient.

    No weight, no random state and no file changes.
    """
    problems: list[Problem] = []
    idle: dict[str, list[str]] | None = None
    programs.eval()  # so that what counts in training mode (running means) is left alone
    with torch.random.fork_rng(devices=programs.numerics.random_devices):
        for task, entry in recipe.tasks.items():
            if task not in data:
                continue
            before = len(problems)
            with collecting(problems, tree, task):
                batch = data[task].batch(0, 0)
                _hold_labels(data[task], programs.plan(task))
                backward(scalar_loss(programs.loss(task, batch), task), task)
            without = programs.without_gradient()
            idle = (
                without
                if idle is None
                else {p: [n for n in idle[p] if n in found] for p, found in without.items()}
            )
            for module in programs.modules_by_name.values():
                module.zero_grad(set_to_none=True)
            with collecting(problems, tree, task):
                # What ails a batch of training ails the scored samples too, and is told once.
                few = SCORED_SAMPLES if len(problems) == before else 0
                _rehearse_scores(model, task, data[task].source, entry, evaluations.get(task), splits, few)
    return problems, idle or {}


def never_trained(part: str, document: Checked) -> Problem:
    """C255: an adapter that an objective calls with, and that has no gradient."""
    name, adapter = split_part(part)
    declared = document.modules[name].adapters[adapter]
    message = (
        f"no gradient reaches adapter `{adapter}` of module `{name}`: what it adapts takes no part in any loss that is "
        "trained"
    )
    helps = ("name targets that the module calls on the way to the loss",)
    place = document.document.tree.place((*declared.path, "with", "targets"))
    return Problem("C255", "error", message, place, helps=helps)


def scored_splits(source: SampleSource, splits: Iterable[str]) -> list[str]:
    """Those of the splits that a dataset has."""
    own = source.splits
    return [split for split in splits if split in own]


def _rehearse_scores(
    model: Model,
    task: str,
    source: SampleSource,
    entry: TaskRecipe,
    evaluation: CheckedEvaluation | None,
    splits: Iterable[str],
    few: int,
) -> None:
    for number, split in enumerate(scored_splits(source, splits)):
        drawn = source.draw(split, fields=scored_fields(model, task, entry, evaluation))
        if number == 0 and few and evaluation is not None:
            samples = [drawn[index] for index in range(min(few, len(drawn)))]
            evaluate(model, task, samples, entry, evaluation, title=drawn.title, interval=False)


def scored_fields(
    model: Answering, task: str, entry: TaskRecipe, evaluation: CheckedEvaluation | None
) -> dict[str, str]:
    """Fields that a sample needs to be scored, with what each is for."""
    asked = {field: f"for input `{name}`" for name, field in answer_fields(model, task, entry).items()}
    reference = None if evaluation is None else evaluation.reference
    return asked if reference is None else {**asked, reference: "that is the reference of its output"}


def _hold_labels(data: SampleData, plan: Plan) -> None:
    """Raise InputError for the first sample with a label that the node which reads it does not know."""
    for step in plan.steps:
        for port, size in _sizes(step, plan):
            source = step.sources.get(port)
            if not isinstance(source, int):
                continue
            name, own = plan.slots[source]
            if name not in plan.inputs:
                continue
            modality = plan.inputs[name].modality
            looked_at = isinstance(data.source.samples, OwnRows) and modality.classes is not None
            if modality.prepare is None and not looked_at:
                _hold_labels_of(data, name, own, size, f"node `{step.name}` ({step.callee})")


def _sizes(step: Step, plan: Plan) -> Iterator[tuple[str, int]]:
    """Input ports that carry ids, with how many ids the node knows, as far as that is a number."""
    signature = step.node.signature
    for port, bound in signature.vocabulary.items():
        if port not in signature.inputs:
            continue
        if isinstance(bound, int):
            yield port, bound
            continue
        for other, declared in signature.inputs.items():
            source = step.sources.get(other)
            for index, dim in enumerate(declared.type.dims):
                if isinstance(source, int) and str(dim) == bound:
                    found = plan.type_of(source).dims[index]
                    if found.is_number:
                        yield port, found.constant


def _hold_labels_of(data: SampleData, name: str, port: str, size: int, reader: str) -> None:
    drawn, field = data.drawn(0), data.field(name)
    if field not in data.fields:
        return  # how many samples a group has is not a label
    for start in range(0, len(drawn), LABELS_AT_ONCE):
        numbers = range(start, min(start + LABELS_AT_ONCE, len(drawn)))
        title: Callable[[int], str] = lambda i, start=start: f"{drawn.title(start + i)}, field `{field}`"  # type: ignore[misc]  # noqa: E731

        def others(other: str, numbers: range = numbers) -> list[object]:
            return [drawn[i].get(data.field(other)) for i in numbers]

        value = encode(data.inputs, name, [drawn[i][field] for i in numbers], title, others)[port]
        ids = np.asarray(value[0] if isinstance(value, tuple) else value)
        if not np.issubdtype(ids.dtype, np.number):
            return
        wrong = (ids >= size) | ((ids < 0) & (ids != NOT_SCORED))
        if wrong.any():
            where = np.argwhere(wrong)[0]
            raise InputError(
                f"{title(int(where[0]))} is {ids[tuple(where)]}, and {reader} knows the {size} ids from 0 to {size - 1}"
            )


def _problem(error: ComposerError, tree: Tree, task: str) -> Problem:
    """C406 at the value of the recipe that the error is about: the name of a field, or else the dataset."""
    if isinstance(error, DataError):
        return problem_of(error, tree, task)
    path: YamlPath = ("tasks", task, "dataset")
    if tree.node(path) is None:
        path = ("tasks", task, "data")
        return Problem("C412", "error", str(error), tree.place(path), helps=("mend the data",))
    if not isinstance(error, MissingFieldError):
        shown = f"`composer plugins show {tree.text(path)}` shows its options"
        helps = (f"mend the dataset, or what the recipe asks of it; {shown}",)
        return Problem("C406", "error", str(error), tree.place(path), helps=helps)
    guess = nearest(error.name, list(error.known))
    written: list[YamlPath] = [("tasks", task, "reference")]
    fields = tree.node(("tasks", task, "fields"))
    written += [("tasks", task, "fields", key.value) for key, _ in getattr(fields, "value", ())]
    path = next((p for p in written if tree.text(p) == error.name), path)
    helps_ = [f"did you mean `{guess}`?"] if guess else []
    named = path[-1] != "dataset"
    if not named:
        helps_.append("name the field under `fields` (`input: field`), or give the samples one of this name")
    helps_ = helps_ or [f"the fields are {', '.join(error.known)}"]
    return Problem("C406", "error", str(error), tree.place(path), helps=tuple(helps_))
