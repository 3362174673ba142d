"""From a plan to the stages that are compiled, each with the names and sizes of what goes in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from composer.graph import Range
from composer.plan import Plan, Stage, Step
from composer.plugin import Registry
from composer.runtime import Program
from composer.types import Dim, Kind, PortType
from composer_compile.errors import CompileError
from composer_compile.hosting import slots_of
from composer_compile.probing import probe
from composer_compile.ranges import FreeDims
from composer_compile.specs import DTYPES, StageSpec, TensorSpec
from composer_compile.stages import DecodeStage, Outcome, TensorStage, cache_name

__all__ = ["Staged", "stage_plan"]


@dataclass
class Staged:
    """A task, ready to compile: its stages in running order (`Step` for a `generate` node), and their programs."""

    order: list[str | Step] = field(default_factory=list)
    host: tuple[Step, ...] = ()
    """Steps that run on the host after all programs."""
    specs: dict[str, StageSpec] = field(default_factory=dict)
    """Tensor stages by name, and the decode step of every `generate` node as `<node>.decode`."""
    ranges: dict[str, Range] = field(default_factory=dict)
    structures: dict[int, Any] = field(default_factory=dict)
    """How the values in slots look that go between stages or out: records whose tensors have no data."""


def stage_plan(
    plan: Plan,
    host: tuple[Step, ...],
    program: Program,
    modules: Mapping[str, nn.Module],
    free: FreeDims,
    registry: Registry,
    dtype: str,
) -> Staged:
    """Cut a plan into tensor programs. The `plan` and its `program` are those without the steps of `host`.

    Raises:
        CompileError: a stage does what no tensor program can do.
    """
    return _Stager(plan, host, program, modules, free, registry, dtype).run()


class _Stager:
    def __init__(
        self,
        plan: Plan,
        host: tuple[Step, ...],
        program: Program,
        modules: Mapping[str, nn.Module],
        free: FreeDims,
        registry: Registry,
        dtype: str,
    ) -> None:
        self.plan = plan
        self.host = host
        self.program = program
        self.modules = modules
        self.free = free
        self.registry = registry
        self.dtype = dtype
        self.staged = Staged(host=host, ranges=dict(free.ranges))
        self.forms: dict[str, TensorSpec] = {}
        self.caches: dict[str, Any] = {}
        self.device = next(
            (p.device for module in modules.values() for p in module.parameters()), torch.device("cpu")
        )

    def run(self) -> Staged:
        stages: list[Stage | None] = list(self.plan.stages)
        if not stages or stages[0] is None or stages[0].name != "encode":
            stages.insert(0, None)  # nothing to compute first, but inputs to prepare and caches to make
        if sum(stage is not None and stage.name == "finish" for stage in stages) > 1:
            raise CompileError(
                f"task `{self.plan.task.name}` computes between two generate nodes, which cannot be compiled; "
                "split it into two tasks"
            )
        known = {slot for slot in range(len(self.plan.slots)) if self.plan.slots[slot][0] in self.plan.inputs}
        for position, stage in enumerate(stages):
            if stage is not None and stage.name == "decode":
                self._generate(stage.steps[0])
                known |= set(stage.steps[0].targets.values())
                continue
            produced = {slot for step in (stage.steps if stage else ()) for slot in step.targets.values()}
            available = known | produced
            self._tensor_stage(stage, stages[position + 1 :], available, produced if position else available)
            known = available
        return self.staged

    def _tensor_stage(
        self, stage: Stage | None, later: list[Stage | None], known: set[int], own: set[int]
    ) -> None:
        templates, inputs = self._host() if stage is None or stage.name == "encode" else self._carried(stage)
        starts = {
            step.name: (self.modules[step.node.module.name], step)
            for follower in later
            if follower is not None and follower.name == "decode"
            for step in follower.steps
            if step.name not in self.caches and set(slots_of(step)) <= known
        }
        needed = {*self.plan.outputs.values(), *(slot for step in self.host for slot in slots_of(step))}
        for follower in later:
            if follower is not None and follower.name == "finish":
                needed |= {slot for step in follower.steps for slot in slots_of(step)}
        wanted = sorted(needed & own)
        module = TensorStage(
            program=self.program, stage=stage, templates=templates, wanted=wanted, starts=starts
        )
        name = stage.name if stage is not None else "encode"
        outcome, outputs = probe(module, inputs, self._ranges_of(inputs))
        self._remember(outcome, outputs)
        nodes = tuple(step.name for step in (stage.steps if stage is not None else ()))
        self._add(name, module, inputs, outputs, (*nodes, *starts))
        self.staged.order.append(name)

    def _generate(self, step: Step) -> None:
        """The decode step, with the cache as the stage before gives it."""
        node, options = step.node, step.node.options
        beams = options.beams  # type: ignore[union-attr]
        cache = self.caches[node.name]
        decoder = self.modules[node.module.name]
        module = DecodeStage(decoder=decoder, node=node.name, template=cache, beams=beams)
        prefix = f"{cache_name(node.name)}."
        carried = [spec for name, spec in self.forms.items() if name.startswith(prefix)]
        batch = next(iter(self._memory_types(step).values())).dims[0]
        rows = self._batch_form(batch)
        ids = [TensorSpec("ids", "int64", (rows, Dim(beams)))]
        if beams > 1:
            ids.append(TensorSpec("parents", "int64", (rows, Dim(beams))))
        inputs = (*ids, *carried)
        _, outputs = probe(module, inputs, self._ranges_of(inputs))
        self._add(f"{node.name}.decode", module, inputs, outputs, (node.name,))
        self.staged.order.append(step)
        self._remember_ports(step, rows)

    def _add(
        self,
        name: str,
        module: nn.Module,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        nodes: tuple[str, ...],
    ) -> None:
        self.staged.specs[name] = StageSpec(name, module, inputs, outputs, self._ranges_of(inputs), nodes)

    def _ranges_of(self, inputs: tuple[TensorSpec, ...]) -> dict[str, Range]:
        used = {symbol for spec in inputs for dim in spec.dims for symbol in dim.symbols}
        return {name: found for name, found in self.staged.ranges.items() if name in used}

    def _memory_types(self, step: Step) -> dict[str, PortType]:
        return {port: self.plan.type_of(slot) for port, slot in step.sources.items() if isinstance(slot, int)}

    def _batch_form(self, dim: Dim) -> Dim:
        """The checker's batch symbol as the free dimension that stands for it."""
        for name, item in self.plan.inputs.items():
            port = next(iter(item.ports))
            if self.plan.task.types[name, port].dims[0] == dim:
                return self.free.batch[name]
        return dim

    def _host(self) -> tuple[dict[Any, Any], tuple[TensorSpec, ...]]:
        """Templates and tensors of the raw inputs. An optional field (a mask) is always given: ones where none is."""
        templates: dict[Any, Any] = {}
        specs: list[TensorSpec] = []
        for name, ports in self.free.host.items():
            for port, type_ in ports.items():
                templates[name, port] = self._template(self.registry.kinds[type_.kind])
                specs.extend(self._field_specs(f"{name}.{port}", type_))
        return templates, tuple(specs)

    def _template(self, kind: Kind) -> Any:
        mark = torch.empty(0)
        if kind.record is None:
            return mark
        return kind.record(*[mark for _ in kind.fields])

    def _field_specs(self, name: str, type_: PortType) -> list[TensorSpec]:
        kind = self.registry.kinds[type_.kind]
        specs = []
        for label, found in kind.fields.items():
            if found.dtype == "object":
                raise CompileError(
                    f"{name} holds {type_.kind}, which stays on the host and enters no program"
                )
            dtype = self.dtype if found.dtype == "float" else found.dtype
            full = name if kind.record is None else f"{name}.{label}"
            specs.append(TensorSpec(full, dtype, tuple(type_.dims[axis] for axis in found.dims)))
        return specs

    def _carried(self, stage: Stage) -> tuple[dict[Any, Any], tuple[TensorSpec, ...]]:
        """What a later stage takes from earlier ones."""
        own = {slot for step in stage.steps for slot in step.targets.values()}
        needed = sorted({slot for step in stage.steps for slot in slots_of(step)} - own)
        templates = {}
        specs = []
        for slot in needed:
            name = ".".join(self.plan.slots[slot])
            if slot not in self.staged.structures:
                raise CompileError(f"{name} is no tensor, so no program can take it")
            templates[slot] = self.staged.structures[slot]
            specs += [s for n, s in self.forms.items() if n == name or n.startswith(f"{name}.")]
        return templates, tuple(specs)

    def _remember(self, outcome: Outcome, outputs: tuple[TensorSpec, ...]) -> None:
        self.staged.structures.update(outcome.values)
        self.caches.update(outcome.caches)
        self.forms.update({spec.name: spec for spec in outputs})

    def _remember_ports(self, step: Step, rows: Dim) -> None:
        """Ids and scores of a `generate` node, which a later stage may read."""
        options: Any = step.node.options
        for port, slot in step.targets.items():
            name = ".".join(self.plan.slots[slot])
            if port == "ids":
                length = f"{step.name}.length"
                self.staged.ranges[length] = Range(2, options.max_tokens + 1, options.max_tokens + 1)
                self.forms[name] = TensorSpec(name, "int64", (rows, Dim(0, ((length, 1),))))
                self.staged.structures[slot] = torch.empty(0, dtype=DTYPES["int64"])
            elif port == "score":
                self.forms[name] = TensorSpec(name, "float32", (rows,))
                self.staged.structures[slot] = torch.empty(0)
