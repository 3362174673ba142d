"""The keys of a recipe that say how a run goes, held against each other and the document's modules and scores."""

from __future__ import annotations

from collections.abc import Container, Mapping

from composer.graph import Checked, CheckedEvaluation
from composer.problems import Problem, YamlPath
from composer.problems.suggest import nearest
from composer.recipes.reading import ReadRecipe

__all__ = ["LOSS", "check_run_keys"]

LOSS = "loss"
"""What messages and files call the objective's mean loss on a split, as a score."""


def check_run_keys(
    found: ReadRecipe,
    document: Checked | None,
    evaluations: Mapping[str, CheckedEvaluation],
    chosen: Container[str] | None,
) -> None:
    """Add what does not go together, and names of modules and scores that are not there. Without a document, scores are
    those that the recipe names. Scores of a task that is not `chosen` may be named.
    """
    if document is not None:
        _recompute(found, document)
    _schedule(found)
    _validation(found, document, evaluations, chosen)


def _recompute(found: ReadRecipe, document: Checked) -> None:
    for index, name in enumerate(found.recipe.recompute):
        if name not in document.modules:
            guess = nearest(name, list(document.modules))
            helps = [f"did you mean `{guess}`?"] if guess else []
            helps.append(f"its modules: {', '.join(document.modules)}")
            _add(found, "C421", f"{document.name} has no module `{name}`", ("recompute", index), *helps)


def _schedule(found: ReadRecipe) -> None:
    recipe, schedule = found.recipe, found.recipe.schedule
    if _is_written(found, "warmup") and schedule.warmup_steps is not None:
        message = "`warmup` and `schedule.warmup_steps` both say how long the rate rises"
        _add(found, "C422", message, ("schedule", "warmup_steps"), "leave one of them out")
    peaks: dict[YamlPath, float] = {}
    if _is_written(found, "learning_rate"):
        peaks[("learning_rate",)] = recipe.learning_rate
    for key in ("start", "end"):
        value = getattr(schedule, key)
        high = [path for path, peak in peaks.items() if value is not None and value > peak]
        if high:
            what = "begins at" if key == "start" else "falls to"
            message = f"the rate {what} {value:g}, above its highest, {peaks[high[0]]:g}"
            _add(found, "C422", message, ("schedule", key), "write a rate that is not above `learning_rate`")


def _validation(
    found: ReadRecipe,
    document: Checked | None,
    evaluations: Mapping[str, CheckedEvaluation],
    chosen: Container[str] | None,
) -> None:
    recipe, validation = found.recipe, found.recipe.validation
    if validation is None or found.findings.is_silent_within(("tasks",)):
        return
    if document is None:
        if any(entry.metrics is None for entry in recipe.tasks.values()):
            return  # what is scored is known to the document alone
        scores = [f"{task}.{name}" for task, entry in recipe.tasks.items() for name in entry.metrics or ()]
    else:
        scores = [f"{task}.{name}" for task, each in evaluations.items() for name in each.metrics]
    known = [*scores, *(f"{task}.{LOSS}" for task in recipe.tasks)]
    if validation.best is not None:
        task = validation.best.partition(".")[0]
        is_chosen = task not in recipe.tasks or chosen is None or task in chosen
        if is_chosen and validation.best not in known:
            guess = nearest(validation.best, known)
            helps = [f"did you mean `{guess}`?"] if guess else []
            helps.append(f"write TASK.SCORE; the scores: {', '.join(known) or 'none'}")
            message = f"no score is called `{validation.best}`"
            _add(found, "C423", message, ("validation", "best"), *helps)
    elif validation.patience is not None and len(scores) != 1:
        message = f"`patience` waits for a better score, and there are {len(scores)} to choose from"
        help_ = f"name one under `best`: {', '.join(known) or 'none'}"
        _add(found, "C423", message, ("validation", "patience"), help_)
    elif not scores and not validation.loss:
        message = "`validation` has nothing to score: no task has a metric"
        _add(
            found, "C423", message, ("validation",), "write `loss: true`, or give a task `metrics`", key=True
        )


def _is_written(found: ReadRecipe, key: str) -> bool:
    return found.tree.node((key,)) is not None and not found.findings.is_silent((key,))


def _add(found: ReadRecipe, code: str, message: str, path: YamlPath, *helps: str, key: bool = False) -> None:
    place = found.tree.place(path, key=key)
    found.findings.add(Problem(code, "error", message, place, helps=helps))
