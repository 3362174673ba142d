"""From a plan to the stages that are compiled, each with the names and sizes of what goes in and out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from composer.execution import Program, build_program
from composer.graph import Range
from composer.plan import Plan, Stage, StageKind, Step
from composer.plugin import Registry
from composer.types import Dim, PortType
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.artifact.manifest import Role
from composer_compile.errors import CompileError
from composer_compile.stages.fingerprints import Digests
from composer_compile.stages.identities import Identities
from composer_compile.stages.modules import (
    Outcome,
    StageModule,
    StepModule,
    cache_name,
    decode_name,
    first_name,
    policy_ports,
    prefills,
)
from composer_compile.stages.partition import Labels, Segment, cut
from composer_compile.stages.port_tensors import template, tensor_specs, tensors_in
from composer_compile.stages.probe import probe
from composer_compile.tensors.free_dims import FreeDims
from composer_compile.tensors.precisions import Precision
from composer_compile.tensors.specs import ProgramSpec, TensorSpec

__all__ = ["ModulesIn", "Outline", "StagedTask", "stage_plan"]


@dataclass
class StagedTask:
    """A task, ready to compile: its stages in running order (`Step` for what is none: a search, or a node on the host),
    and their programs.
    """

    order: list[str | Step] = field(default_factory=list)
    host: tuple[Step, ...] = ()
    """Steps that run on the host after all programs."""
    texts: tuple[TensorSpec, ...] = ()
    """What a request brings that stays on the host, such as a text; its number format is `object`."""
    specs: dict[str, ProgramSpec] = field(default_factory=dict)
    """Tensor stages by name, and the decode step of every `generate` node as `<node>.decode`."""
    ranges: dict[str, Range] = field(default_factory=dict)
    structures: dict[int, Any] = field(default_factory=dict)
    """How the values in slots look that go between stages or out: records whose tensors have no data."""


@dataclass(frozen=True)
class Outline:
    """What is decided of a task before its stages are made."""

    plan: Plan
    tensors: Plan
    """The plan without the steps of `host`."""
    host: tuple[Step, ...]
    free: FreeDims
    labels: Labels
    """What belongs together in one program."""
    precision: Precision


ModulesIn = Callable[[str], tuple[Mapping[str, nn.Module], torch.dtype]]
"""Precision → the document's modules in it, and their number format."""


def stage_plan(outline: Outline, modules: ModulesIn, registry: Registry, device: torch.device) -> StagedTask:
    """Cut a plan into tensor programs.

    `modules` may answer in another precision than the outline's: the reference is cut like what is compared with it,
    and runs in full precision.

    Raises:
        CompileError: a stage does what no tensor program can do.
    """
    return _Stager(outline, modules, registry, device).run()


class _Stager:
    def __init__(
        self, outline: Outline, modules: ModulesIn, registry: Registry, device: torch.device
    ) -> None:
        self.outline = outline
        self.plan = outline.tensors
        self.modules = modules
        self.registry = registry
        self.device = device
        self.staged = StagedTask(
            host=outline.host, ranges=dict(outline.free.open), texts=tuple(self._texts())
        )
        self.identities = Identities(self.plan, Digests(outline.plan, outline.free))
        self.programs: Counter[StageKind] = Counter()
        """How many programs there are of a kind: what gives each of them its name."""
        self.forms: dict[str, TensorSpec] = {}
        self.caches: dict[str, Any] = {}
        self.named = dict(outline.free.values)
        """Symbol of the task → what it is called here."""

    def run(self) -> StagedTask:
        stages = list(self.plan.stages)
        if not any(stage.kind == "encode" for stage in stages):
            # Nothing to compute first, but inputs to prepare and caches to make.
            stages.insert(0, Stage("encode", (), "encode"))
        known = {slot for slot in range(len(self.plan.slots)) if self._is_raw(slot)}
        for position, stage in enumerate(stages):
            made = {slot for step in stage.steps for slot in step.targets.values()}
            if stage.kind == "decode":
                (step,) = stage.steps
                if step.name not in self.caches:  # what it reads was made on the host, or by a search
                    self._cut_stage(Stage("encode", (), "encode"), stages[position:], known)
                self._generate(step)
            elif stage.kind == "host":
                for step in stage.steps:
                    self._on_host(step)
            else:
                self._cut_stage(stage, stages[position + 1 :], known | made)
            known |= made
        return self.staged

    def _texts(self) -> Iterator[TensorSpec]:
        """What a request brings that no program takes."""
        for name, ports in self.outline.free.host.items():
            for port, type_ in ports.items():
                for part in tensors_in(f"{name}.{port}", self.registry.kinds[type_.kind]):
                    if part.dtype == "object":
                        dims = tuple(type_.dims[axis] for axis in part.axes)
                        yield TensorSpec(part.name, part.dtype, dims)

    def _on_host(self, step: Step) -> None:
        """A node on the host that later stages wait for: what it makes that tensors hold."""
        for port, slot in step.targets.items():
            self._remember_port(f"{step.name}.{port}", slot)
        self.staged.order.append(step)

    def _cut_stage(self, stage: Stage, later: Sequence[Stage], known: set[int]) -> None:
        starts = [
            step
            for follower in later
            if follower.kind == "decode"
            for step in follower.steps
            if step.name not in self.caches and set(step.slots) <= known
        ]
        shown = {
            slot
            for slot in (
                *self.plan.outputs.values(),
                *(slot for step in self.outline.plan.steps if self._is_host(step) for slot in step.slots),
            )
            if not self.registry.kinds[self.plan.type_of(slot).kind].has_objects
        }
        waiting = [step for follower in later for step in follower.steps if step not in starts]
        needed = shown | {slot for step in waiting for slot in step.slots}
        segments = cut(stage.steps, starts, self.outline.labels) or [
            Segment((), (), self.outline.precision.default)
        ]
        inputs = {slot for slot in shown if self.plan.slots[slot][0] in self.plan.inputs}
        for position, segment in enumerate(segments):
            self.programs[stage.kind] += 1
            number = self.programs[stage.kind]
            name = stage.kind if number == 1 else f"{stage.kind}-{number}"
            if not segment.steps and any(prefills(step) for step in segment.starts):
                name = f"{segment.starts[0].name}.prefill"
            after = {slot for other in segments[position + 1 :] for slot in other.taken}
            wanted = sorted((needed | after) & segment.produced)
            if stage.kind == "encode" and number == 1:
                wanted = sorted({*wanted, *inputs})  # a prepared input that is shown as it is
            if wanted or segment.starts:
                self._segment(name, segment, wanted, stage.kind)

    def _segment(self, name: str, segment: Segment, wanted: Sequence[int], kind: StageKind) -> None:
        slots = sorted({*segment.taken, *(slot for slot in wanted if slot not in segment.produced)})
        raw = dict.fromkeys(self.plan.slots[slot][0] for slot in slots if self._is_raw(slot))
        templates, inputs = self._raw(raw)
        place = self.identities.places(segment)
        carried = sorted((slot for slot in slots if not self._is_raw(slot)), key=place)
        for slot in carried:
            templates[slot], specs = self._carried(slot)
            inputs.extend(specs)
        modules, dtype = self.modules(segment.precision)
        module = StageModule(
            name=name,
            program=self._program(name, segment, raw, modules).to(self.device, dtype),
            dtype=dtype,
            templates=templates,
            wanted=sorted(wanted, key=place),
            starts={step.name: (modules[step.node.part], step) for step in segment.starts},
        )
        produced = [slot for step in segment.steps for slot in step.targets.values()]
        declared = self._declared({*slots, *produced})
        outcome, outputs = probe(module, inputs, self._ranges_of(inputs), declared)
        outputs = self._with_roles(outputs, {*slots, *produced})
        self._remember(outcome, outputs)
        nodes = tuple(step.name for step in (*segment.steps, *segment.starts))
        self.staged.specs[name] = ProgramSpec(
            name=name,
            module=module,
            inputs=tuple(inputs),
            outputs=outputs,
            ranges=self._ranges_of(inputs),
            nodes=nodes,
            identity=self.identities.identity(segment, module, carried),
            computation=self.identities.computation(segment, module, carried),
            kind=kind,
            declared=declared,
        )
        self.staged.order.append(name)

    def _program(
        self, name: str, segment: Segment, raw: Iterable[str], modules: Mapping[str, nn.Module]
    ) -> Program:
        """A program of these steps alone; slots keep the numbers that they have in the plan."""
        stages = (Stage(name, segment.steps, "encode"),) if segment.steps else ()
        inputs = {key: self.plan.inputs[key] for key in raw}
        return build_program(replace(self.plan, inputs=inputs, stages=stages, outputs={}), modules).eval()

    def _is_host(self, step: Step) -> bool:
        return step.name in self.plan.task.on_host

    def _is_raw(self, slot: int) -> bool:
        return self.plan.slots[slot][0] in self.plan.inputs

    def _generate(self, step: Step) -> None:
        """The decode step, with the cache as the stage before gives it."""
        node = step.node
        beams = node.decoding.search.beams
        cache = self.caches[node.name]
        precision = self.outline.precision.of(step)
        decoder = self.modules(precision)[0][node.part]
        module = StepModule(decoder=decoder, node=node.name, template=cache, beams=beams)
        prefix = f"{cache_name(node.name)}."
        carried = [spec for name, spec in self.forms.items() if name.startswith(prefix)]
        rows = self._rows(self.plan.type_of(step.slots[0]))
        ids = [TensorSpec("ids", "int64", (rows, Dim(beams)))]
        if beams > 1:
            ids.append(TensorSpec("parents", "int64", (rows, Dim(beams))))
        inputs = (*ids, *carried)
        _, (logits, *changed) = probe(module, inputs, self._ranges_of(inputs), {})
        outputs = (replace(logits, role="ranked"), *changed)
        identity = ("decode", node.part, beams, precision)
        name = decode_name(node.name)
        self.staged.specs[name] = ProgramSpec(
            name=name,
            module=module,
            inputs=inputs,
            outputs=outputs,
            ranges=self._ranges_of(inputs),
            nodes=(node.name,),
            identity=identity,
            computation=identity,
            kind="decode",
        )
        self.staged.order.append(step)
        self._remember_ports(step, rows)

    def _declared(self, slots: Iterable[int]) -> dict[str, tuple[Dim, ...]]:
        """What the port types say of the tensors in slots, over the free dimensions."""
        found: dict[str, tuple[Dim, ...]] = {}
        for slot in sorted(slots):
            type_ = self.plan.type_of(slot)
            dims = tuple(dim.substitute(self.named) for dim in type_.dims)
            name = ".".join(self.plan.slots[slot])
            for part in tensors_in(name, self.registry.kinds[type_.kind]):
                found[part.name] = tuple(dims[axis] for axis in part.axes)
        return found

    def _with_roles(self, outputs: Iterable[TensorSpec], slots: Iterable[int]) -> tuple[TensorSpec, ...]:
        """Outputs with what their kinds say of them; the first scores after a prompt are ranked."""
        fields = {
            part.name: part
            for slot in slots
            for part in tensors_in(
                ".".join(self.plan.slots[slot]), self.registry.kinds[self.plan.type_of(slot).kind]
            )
        }
        scores = {first_name(step.name) for step in self.plan.steps if step.node.generates}
        given = {each.name: each for each in outputs}
        roles: dict[str, tuple[Role, str | None]] = dict.fromkeys(scores, ("ranked", None))
        roles |= {name: (part.role, part.masked_by) for name, part in fields.items()}
        found = []
        for each in given.values():
            role, mask = roles.get(each.name, (each.role, None))
            # An optional mask may be absent, and then everything counts.
            found.append(replace(each, role=role, masked_by=mask if mask in given else None))
        return tuple(found)

    def _ranges_of(self, inputs: Sequence[TensorSpec]) -> dict[str, Range]:
        used = {symbol for spec in inputs for dim in spec.dims for symbol in dim.symbols}
        return {name: found for name, found in self.staged.ranges.items() if name in used}

    def _rows(self, memory: PortType) -> Dim:
        """What counts the samples of a decoder's memory, as the free dimension that it is."""
        batch = self.registry.kinds[memory.kind].batch_of(memory.dims)
        if batch is None:
            raise CompileError(f"a decoder cannot read {memory}: nothing counts its samples")
        return batch.substitute(self.named)

    def _raw(self, names: Iterable[str]) -> tuple[dict[Any, Any], list[TensorSpec]]:
        """Templates and tensors of raw inputs. An optional field (a mask) is always given: ones where none is."""
        templates: dict[Any, Any] = {}
        specs: list[TensorSpec] = []
        for name in names:
            for port, type_ in self.outline.free.host[name].items():
                templates[name, port] = template(self.registry.kinds[type_.kind])
                specs.extend(tensor_specs(f"{name}.{port}", type_, self.registry.kinds[type_.kind]))
        return templates, specs

    def _carried(self, slot: int) -> tuple[Any, list[TensorSpec]]:
        """Template and tensors of a value that an earlier program made."""
        name = ".".join(self.plan.slots[slot])
        if slot not in self.staged.structures:
            raise CompileError(f"{name} is not a tensor, so no program can take it")
        specs = [s for n, s in self.forms.items() if n == name or n.startswith(f"{name}.")]
        return self.staged.structures[slot], specs

    def _remember(self, outcome: Outcome, outputs: tuple[TensorSpec, ...]) -> None:
        self.staged.structures.update(outcome.values)
        self.caches.update(outcome.caches)
        self.forms.update({spec.name: spec for spec in outputs})

    def _remember_ports(self, step: Step, rows: Dim) -> None:
        """Ids and scores of a `generate` node, which a later stage may read."""
        options = step.node.decoding.options
        for port, slot in step.targets.items():
            name = ".".join(self.plan.slots[slot])
            if port == "ids":
                length = f"{step.name}.length"
                counted = self.plan.type_of(slot).dims[1]
                if counted.is_symbol:
                    self.named[counted.symbols[0]] = Dim.of(length)
                self.staged.ranges[length] = Range(2, options.max_tokens + 1, options.max_tokens + 1)
                self.forms[name] = TensorSpec(name, "int64", (rows, Dim.of(length)))
                self.staged.structures[slot] = torch.empty(0, dtype=DTYPES["int64"])
            elif port == "score":
                self.forms[name] = TensorSpec(name, "float32", (rows,))
                self.staged.structures[slot] = torch.empty(0)
            elif port in policy_ports(step):
                self._remember_port(name, slot)

    def _remember_port(self, name: str, slot: int) -> None:
        """The tensors of a value, as its kind says; what stays on the host enters no program."""
        type_ = self.plan.type_of(slot)
        kind = self.registry.kinds[type_.kind]
        if kind.has_objects:
            return
        dims = tuple(dim.substitute(self.named) for dim in type_.dims)
        specs = tensor_specs(name, type_.with_dims(dims), kind)
        self.forms.update({spec.name: spec for spec in specs})
        self.staged.structures[slot] = template(kind)
