"""What a run of training says before its first step: what is trained, on what, from which weights, and what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from composer.training.preparing import Prepared
from composer.training.what_is_written import counts_of

__all__ = ["first_lines"]


def first_lines(prepared: Prepared, parameters: int) -> Iterator[str]:
    """What a user reads first. `parameters` are those of all modules."""
    yield f"{prepared.report.name}: {parameters:,} parameters, tasks {', '.join(prepared.recipe.tasks)}"
    yield from _data_lines(prepared)
    yield from _recipe_lines(prepared)
    yield from map(str, prepared.warnings)
    yield from _weight_lines(prepared)
    yield from _learning_lines(prepared)


def _data_lines(prepared: Prepared) -> Iterator[str]:
    """The user's own rows, and tasks over them of which nothing is scored."""
    for own in prepared.own.values():
        yield from own.notes
    for task in prepared.own:
        scored = prepared.evaluations.get(task)
        if prepared.splits[task] and (scored is None or not scored.metrics):
            yield f"nothing of task `{task}` is scored: say in its `evaluation` which output, and by which metrics"


def _recipe_lines(prepared: Prepared) -> Iterator[str]:
    """The recipe that was made where none was given."""
    made, recipe = prepared.defaults, prepared.recipe
    if made is None:
        return
    (entry,) = recipe.tasks.values()
    groups = [f"{each.learning_rate:g} for {', '.join(each.weights)}" for each in recipe.optimizer.groups]
    own_rate = f", {'; '.join(groups)}" if groups else ""
    why = f" ({made.why})" if recipe.learning_rate == made.learning_rate else ""
    epochs = "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs} epochs"
    yield (
        f"without a recipe: {epochs} in batches of {entry.batch}, learning rate "
        f"{recipe.learning_rate:g}{why}{own_rate}, warm-up {recipe.warmup:g}; --write-recipe FILE writes "
        "it, to be edited"
    )


def _weight_lines(prepared: Prepared) -> Iterator[str]:
    """What the run begins with."""
    loading = prepared.programs.loading
    if loading is None:
        return
    fresh = [module.name for module in loading.modules if module.initialised]
    told = [f"begins with the weights of {loading.source}"] if loading.sources else []
    verb = "begins" if len(fresh) == 1 else "begin"
    told += [f"{', '.join(fresh)} {verb} with fresh weights"] if fresh else []
    yield "; ".join(told)


def _learning_lines(prepared: Prepared) -> Iterator[str]:
    """What is trained, what is frozen, and what no gradient reaches."""
    if split := counts_of(prepared.programs):
        yield f"trained: {_told(split['trained'])}; frozen: {_told(split['frozen'])}"
    for part, layers in prepared.idle.items():
        yield f"no gradient reaches {', '.join(layers)} of {part}: what is there does not learn"
    if names := ", ".join(prepared.programs.untrained):
        yield f"no objective reaches {names}: these modules keep their initial weights"


def _told(counts: Mapping[str, int]) -> str:
    """`12,288 parameters (text+qa)`."""
    total = f"{sum(counts.values()):,} parameters"
    return f"{total} ({', '.join(counts)})" if counts else "nothing"
