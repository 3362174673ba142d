"""The objectives' programs of a document as what the loop trains, with the modules that answering takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from composer.execution import Program, Start, build_for_training, build_module
from composer.execution.generation import walk
from composer.execution.node_errors import node_errors
from composer.execution.program import module_names
from composer.graph import Checked
from composer.plan import Plan, plan_objective, plan_task
from composer.recipes import Recipe
from composer.training.init_scale import spread_initial_weights
from composer.training.numerics import Numerics
from composer.training.protocol import Batch
from composer.weights import LoadReport

__all__ = ["Programs", "initial_programs"]


class Programs:
    """Modules by name, and a loss per task."""

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        programs: Mapping[str, Program],
        loading: LoadReport | None = None,
        numerics: Numerics = Numerics(),  # noqa: B008 (a frozen value)
    ) -> None:
        self.modules_by_name = dict(modules)
        self._programs = dict(programs)
        self.numerics = numerics
        self.loading = loading
        """What the run begins with came from; None where all weights are initial ones."""

    def loss(self, task: str, batch: Batch) -> Tensor:
        """The loss of a batch. Raises NodeError that names the node which fails."""
        program = self._programs[task]
        with self.numerics.computing():
            slots = program.load_inputs(self.numerics.placed(batch))
            with node_errors(program.plan, slots):
                walk(program, {}, slots)
        assert program.plan.loss is not None
        value: Tensor = slots[program.plan.loss]
        return value

    def plan(self, task: str) -> Plan:
        """What the task's objective takes."""
        return self._programs[task].plan

    @property
    def untrained(self) -> list[str]:
        """Modules that answering takes and no objective reaches: they keep their initial weights."""
        trained = {name for program in self._programs.values() for name in program.names}
        return [name for name in self.modules_by_name if name not in trained]


def initial_programs(
    report: Checked, recipe: Recipe, start: Start, numerics: Numerics, changed: Iterable[str] = ()
) -> Programs:
    """The modules that the recipe's tasks use, and their objectives, on the device where they train.

    Weights are drawn from the recipe's seed, and then those of the start are put in their place. `changed` names
    parameters that the user gave another value. Raises WeightsError where the start's weights do not fit.
    """
    torch.manual_seed(recipe.seed)
    modules, built = build_for_training(report)
    plans = [
        plan
        for task in recipe.tasks
        for plan in (plan_objective(report.tasks[task]), plan_task(report.tasks[task]))
    ]
    for name in module_names(plans):
        if name not in modules:
            modules[name] = build_module(report.modules[name].type, report.modules[name].config)
    used = set(module_names(plans))
    modules = {name: module for name, module in modules.items() if name in used}
    spread_initial_weights(modules, recipe.spread, recipe.wake, below=recipe.spread_below)
    loading = start.fill(modules, changed=changed)
    for module in (*modules.values(), *built.values()):
        module.to(numerics.device)
    return Programs(modules, {task: built[task] for task in recipe.tasks}, loading, numerics)
