"""The objectives' programs of a document as what the loop trains, with the modules that answering takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from composer.execution import Program, Start, build_module, build_program
from composer.execution.averages import begin_averages, move_averages, with_followed
from composer.execution.generation import walk
from composer.execution.node_errors import node_errors
from composer.execution.parts import Parts, build_parts
from composer.execution.program import module_names
from composer.graph import Checked
from composer.graph.checked import split_part
from composer.plan import Plan, plan_objective, plan_task
from composer.recipes import Recipe
from composer.training.init_scale import spread_initial_weights
from composer.training.numerics import Numerics
from composer.training.optimizer_groups import frozen_by_recipe
from composer.training.protocol import Batch
from composer.training.recomputing import recompute_layers
from composer.weights import LoadReport

__all__ = ["Programs", "initial_programs"]


class Programs:
    """Modules by name, and a loss per task."""

    def __init__(
        self,
        parts: Parts,
        running: Mapping[str, nn.Module],
        programs: Mapping[str, Program],
        loading: LoadReport | None = None,
        numerics: Numerics = Numerics(),  # noqa: B008 (a frozen value)
    ) -> None:
        self.parts = parts
        self.running = dict(running)
        """What runs the nodes: modules, and modules with an adapter as `text+qa`."""
        self.modules_by_name = dict(parts.weights)
        """What has weights of its own: modules, and the weights of adapters as `text+qa`."""
        self._programs = dict(programs)
        self.numerics = numerics
        self.loading = loading
        """What the run begins with came from; None where all weights are initial ones."""

    def begin_step(self, task: str) -> None:
        """Move the averages that the task's losses read: what is averaged is what the step before left."""
        move_averages(self.parts.averages, self.parts.weights, self._programs[task].names)

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

    def train(self) -> None:
        """Put the modules into training mode, and what is frozen or an average, with the dropout in it, into that of
        answering."""
        self.parts.set_modes(self.running, training=True)

    def eval(self) -> None:
        """Put the modules into the mode of answering."""
        self.parts.set_modes(self.running, training=False)

    @property
    def untrained(self) -> list[str]:
        """Modules that answering takes and no objective reaches: they keep their initial weights."""
        called = {name for program in self._programs.values() for name in program.names}
        trained = called | {split_part(name)[0] for name in called}
        return [name for name in self.modules_by_name if name not in trained]

    def without_gradient(self) -> dict[str, list[str]]:
        """Adapters that an objective calls with, and their layers that have no gradient now."""
        called = {name for program in self._programs.values() for name in program.names}
        layers: Mapping[str, Mapping[str, Any]] = self.parts.layers
        return {
            part: [
                path
                for path in layers[part]
                if all(p.grad is None for p in self.modules_by_name[part].get_submodule(path).parameters())
            ]
            for part in layers
            if part in called
        }


def initial_programs(
    report: Checked, recipe: Recipe, start: Start, numerics: Numerics, changed: Iterable[str] = ()
) -> Programs:
    """The modules that the recipe's tasks use, and their objectives, on the device where they train.

    Weights are drawn from the recipe's seed, and then those of the start are put in their place. `changed` names
    parameters that the user gave another value. Raises WeightsError where the start's weights do not fit.
    """
    torch.manual_seed(recipe.seed)
    objectives = {task: plan_objective(report.tasks[task]) for task in recipe.tasks}
    used = module_names(
        [plan for task in recipe.tasks for plan in (objectives[task], plan_task(report.tasks[task]))]
    )
    # All modules of the document that learn are drawn, in one order: which tasks are trained changes no weight.
    every = module_names([plan_objective(task) for task in report.tasks.values() if task.loss is not None])
    drawn = with_followed(report, (*(split_part(name)[0] for name in every), *used))
    parts = build_parts(report, drawn, lambda it: build_module(it.type, it.config)).only(used)
    spread_initial_weights(
        {name: module for name, module in parts.weights.items() if name not in parts.layers},
        recipe.spread,
        recipe.wake,
        below=recipe.spread_below,
    )
    loading = start.fill(parts.weights, changed=changed)
    begin_averages(parts.averages, parts.weights, None if loading is None else loading.initialised)
    for module in parts.weights.values():
        module.to(numerics.device)
    for name, frozen in frozen_by_recipe(recipe, parts.weights).items():
        parts.frozen[name] = parts.frozen.get(name, frozenset()) | frozen
    parts.freeze()
    running = parts.to_run(merge=False)
    recompute_layers(running, recipe.recompute)
    programs = {task: build_program(plan, running) for task, plan in objectives.items()}
    for program in programs.values():
        program.to(numerics.device)
    return Programs(parts, running, programs, loading, numerics)
