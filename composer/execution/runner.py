"""One task of a loaded model, bound once: what reads its inputs, its program and its searches."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from composer.execution.fusing import Fusing
from composer.execution.generation import (
    Generator,
    drawn_seed,
    first_text,
    generators_of,
    walk,
)
from composer.execution.inputs import Inputs, first_sample
from composer.execution.node_errors import hold_outputs, node_errors
from composer.execution.processors import Processors
from composer.execution.program import Program, build_program
from composer.execution.slot_values import Slots, TaskValues
from composer.execution.task_reader import OutputFacts
from composer.execution.text_stream import Flow, last_search, leading_to
from composer.graph import CheckedTask
from composer.plan import Plan, pieces_inside, plan_task, watched
from composer.plugin import Hypothesis, Registry, Seed
from composer.plugin.implementations import BoundSearch

__all__ = ["Runner"]


class Runner:
    """One task of a model: processors, program and generators, bound once."""

    def __init__(
        self,
        *,
        task: CheckedTask,
        modules: Mapping[str, nn.Module],
        registry: Registry,
        shared: Processors | None = None,
        fusing: Fusing | None = None,
        check_open: Callable[[], None] = lambda: None,
    ) -> None:
        self.check_open = check_open
        """Raises InputError where the model that this belongs to was closed."""
        self.plan: Plan = plan_task(task)
        self.kinds = registry.kinds
        around = None if fusing is None else fusing.around(self.plan, registry.kinds)
        self.program: Program = build_program(self.plan, modules, around=around, shared=shared).eval()
        self.inputs = Inputs(self.plan, registry.kinds, shared)
        self.generators: dict[str, Generator] = generators_of(self.plan.steps, modules, registry, shared)

    @property
    def searches(self) -> list[BoundSearch]:
        """The searches of the task."""
        return list(self._searches.values())

    @property
    def output_facts(self) -> dict[str, OutputFacts]:
        """What is known of every output before there is a value."""
        pads = {
            generator.step.targets["ids"]: generator.framing.pad
            for generator in self.generators.values()
            if "ids" in generator.step.targets
        }
        found = {}
        for name, slot in self.plan.outputs.items():
            declared = self.plan.type_of(slot)
            kind = self.kinds[declared.kind]
            sizes = [dim for axis, dim in enumerate(declared.dims) if axis != kind.batch_axis]
            varies = any(not dim.is_number for dim in sizes)
            found[name] = OutputFacts(kind, varies=varies, pad=pads.get(slot))
        return found

    def drawn(
        self, seed: object, raw: Mapping[str, object], kept: Container[str] = ()
    ) -> tuple[Seed | None, Mapping[str, object]]:
        """The seed of a run and its raw inputs (see `drawn_seed`), beside those that are kept from before."""
        inputs = [name for name in self.plan.inputs if name not in kept]
        return drawn_seed(seed, raw, self.plan.task.name, inputs, self.searches)

    def walk(
        self, slots: Slots, seed: Seed | None = 0, names: Container[str] | None = None
    ) -> dict[str, Sequence[Sequence[Hypothesis]]]:
        """Run the nodes (those of `names`) on a list of slots, in place; the hypotheses of each search."""
        return walk(self.program, self.generators, slots, seed=seed, names=names)

    def slots(self, tensors: TaskValues, seed: Seed | None = 0) -> Slots:
        """Run every stage on encoded inputs; the list of slots, all filled. Raises NodeError where a node fails."""
        self.check_open()
        slots = self.program.load_inputs(tensors)
        with node_errors(self.plan, slots):
            self.walk(slots, seed)
            hold_outputs(self.plan, slots)
        return slots

    def answer(self, slots: Slots, *, single: bool) -> dict[str, Any]:
        """One value per output, or lists of them, from the filled slots."""
        outputs = {name: slots[slot] for name, slot in self.plan.outputs.items()}
        if not single:
            return outputs
        kinds = {name: self.kinds[self.plan.type_of(slot).kind] for name, slot in self.plan.outputs.items()}
        return {name: first_sample(value, kinds[name]) for name, value in outputs.items()}

    @property
    def flow(self) -> list[Flow]:
        """The steps by the slots that they read and fill."""
        return [Flow(step.name, step.slots, tuple(step.targets.values())) for step in self.plan.steps]

    def last_search(self) -> Generator:
        """The search whose text streams. Raises InputError where no single one is the last, or that cannot stream."""
        return self.generators[last_search(self.plan.task.name, self._searches, self.flow)]

    @property
    def _searches(self) -> dict[str, BoundSearch]:
        return {name: generator.search for name, generator in self.generators.items()}

    def stream(
        self,
        tensors: Mapping[str, Mapping[str, object]],
        generator: Generator,
        earlier: dict[str, str],
        seed: Seed | None = 0,
    ) -> Iterator[str]:
        """Run what a `generate` node depends on, then give its text piece by piece; `earlier` takes texts before."""
        self.check_open()
        slots = self.program.load_inputs(tensors)
        before = leading_to(self.flow, generator.step.name)
        with torch.inference_mode(), node_errors(self.plan, slots, before):
            self.walk(slots, seed, before)
        for name in before:
            if name in self.generators:
                text = first_text(slots[slot] for slot in self.generators[name].step.targets.values())
                if text is not None:
                    earlier[name] = text

        @contextmanager
        def inside() -> Iterator[None]:
            # Inference mode must not stay on in the caller's code, which runs between two pieces.
            self.check_open()
            with torch.inference_mode(), node_errors(self.plan, slots), watched(generator.step):
                yield

        yield from pieces_inside(generator.stream(slots, seed), inside)
