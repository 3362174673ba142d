"""Programs: a plan with built modules, as a torch module whose forward walks a precompiled list of slots."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from composer.execution.processors import Processors
from composer.execution.slot_values import Slots, TaskValues
from composer.graph import Read
from composer.plan import Plan, Step, execute
from composer.plugin import Config, ModuleType
from composer.plugin.answers import as_instance
from composer.plugin.asking import ask, import_object
from composer.types import ITEMS

__all__ = ["Around", "Program", "build_module", "build_program", "module_names"]

Around = Callable[[Step, Callable[..., Any]], Callable[..., Any]]
"""What runs a step, given the step and the method that it calls."""


class Program(nn.Module):
    """The tensor part of a plan. Modules are shared with every other program that was given the same ones.

    A value travels in a slot: a tensor, or the record of its kind (`States`, `Tokens`). A stage is a list of
    steps, each with its bound method: a run looks up no names. `around` may put something else in its place.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        modules: Mapping[str, nn.Module],
        in_place: Mapping[str, nn.Module],
        prepare: Mapping[str, nn.Module],
        around: Around | None = None,
    ) -> None:
        super().__init__()
        self.plan = plan
        self.names = tuple(modules)
        self.parts = nn.ModuleList(modules.values())
        self.in_place = nn.ModuleList(in_place.values())
        self.prepared = tuple(prepare)
        """The inputs that modules prepare, in the order of `prepare`."""
        self.prepare = nn.ModuleList(prepare.values())
        targets = {**modules, **in_place}
        run = around or _as_it_is
        self.functions = {s.name: run(s, _function(s, targets)) for s in plan.steps if not s.node.generates}
        """What runs each node, but for the `generate` nodes."""
        self._stages = {
            stage.name: tuple((s, self.functions[s.name]) for s in stage.steps if s.name in self.functions)
            for stage in plan.stages
        }
        self._inputs = tuple(
            (
                name,
                prepare.get(name),
                tuple((port, plan.slot((name, port))) for port in item.ports),
            )
            for name, item in plan.inputs.items()
        )

    @property
    def modules_by_name(self) -> dict[str, nn.Module]:
        """The declared modules of this program, by the names of the document."""
        return dict(zip(self.names, self.parts, strict=True))

    def load_inputs(self, inputs: TaskValues) -> Slots:
        """A fresh list of slots with the inputs' ports filled: `{"video": {"frames": uint8 tensor}}`.

        A port may also be given directly (`{"video": {"pixels": ...}}`); then nothing is prepared for it.
        """
        slots: Slots = [None] * len(self.plan.slots)
        for name, prepare, ports in self._inputs:
            if name not in inputs:  # of a session: it comes later, or came before
                continue
            given = inputs[name]
            if prepare is not None and not all(port in given for port, _ in ports):
                given = self._prepared(name, prepare, given)
            for port, slot in ports:
                slots[slot] = given[port]
        return slots

    def _prepared(self, name: str, prepare: nn.Module, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The ports of an input from its host ports."""
        item = self.plan.inputs[name]
        kept = {} if item.several is None else {ITEMS: given[ITEMS]}
        given = {port: value for port, value in given.items() if port not in kept}

        def read(answer: Any) -> Mapping[str, Any]:
            made = answer if isinstance(answer, Mapping) else {item.own_ports[0]: answer}
            missing = [port for port in item.own_ports if made.get(port) is None]
            if missing:
                raise ValueError(f"a value for the port {' and '.join(missing)} is expected")
            return {**made, **kept}

        return ask(
            functools.partial(prepare, **given), what=f"`prepare` of {item.modality.title}", accept=read
        )

    def run_stage(self, stage: str, slots: Slots) -> None:
        """Run the calls of a stage on a list of slots, in place."""
        execute(self._stages[stage], slots)

    def forward(self, inputs: TaskValues) -> Slots:
        """Run every stage before the first search; returns the slots.

        For a plan without `generate` nodes these hold every output.
        """
        slots = self.load_inputs(inputs)
        for stage in self.plan.stages:
            if stage.kind == "decode":
                break
            self.run_stage(stage.name, slots)
        return slots

    def loss(self, inputs: TaskValues) -> torch.Tensor:
        """The loss of an objective's plan: a scalar tensor with gradients."""
        slot = self.plan.loss
        assert slot is not None, "this program was planned for answering, not for training"
        value: torch.Tensor = self(inputs)[slot]
        return value


def _as_it_is(step: Step, function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _function(step: Step, targets: Mapping[str, nn.Module]) -> Callable[..., Any]:
    node = step.node
    target = targets[node.part]
    method = node.module.type.methods[node.method]
    function = target if method.attribute == "forward" else getattr(target, method.attribute)
    return function if node.options is None else _with_options(function, node.options)


def _with_options(function: Callable[..., Any], options: Config) -> Callable[..., Any]:
    return functools.partial(function, **dict(options))


def build_module(entry: ModuleType, config: Config) -> nn.Module:
    """Build one module of a registered type; raises PluginError where its builder fails or gives something else."""
    return _built(entry.builder, config, f"the builder of {entry.title}")


def _built(reference: str, config: Config, what: str) -> nn.Module:
    builder = import_object(reference, what)
    return ask(builder, config, what=what, accept=as_instance(nn.Module, "a torch module"))


def build_program(
    plan: Plan,
    modules: Mapping[str, nn.Module],
    *,
    around: Around | None = None,
    shared: Processors | None = None,
) -> Program:
    """Wire a plan to modules that were built before, so that programs share them, and the processors of `shared`."""
    in_place = {step.name: _in_place(plan, step, shared) for step in plan.steps if step.node.is_in_place}
    prepare = {}
    for name, item in plan.inputs.items():
        if item.modality.prepare is not None:
            prepare[name] = _built(item.modality.prepare, item.config, f"`prepare` of {item.modality.title}")
    return Program(
        plan=plan,
        modules={n: modules[n] for n in plan.modules},
        in_place=in_place,
        prepare=prepare,
        around=around,
    )


def _in_place(plan: Plan, step: Step, shared: Processors | None) -> nn.Module:
    """What runs a node that owns no weights."""
    if step.name not in plan.task.on_host:
        return build_module(step.node.module.type, step.node.module.config)
    from composer.execution.on_host import OnHost, ReadNode

    is_reading = isinstance(step.node.callee, Read)
    node = (
        ReadNode(plan, step, shared)
        if is_reading
        else build_module(step.node.module.type, step.node.module.config)
    )
    made = set(step.targets.values())
    readers = [other for other in plan.steps if not made.isdisjoint(other.slots)]
    return OnHost(node, for_nodes=any(other.name not in plan.task.on_host for other in readers))


def module_names(plans: Sequence[Plan]) -> tuple[str, ...]:
    """Names of the modules that any of the plans calls."""
    return tuple(dict.fromkeys(name for plan in plans for name in plan.modules))
