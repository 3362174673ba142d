"""`composer compile --plan`: what a backend would run and what falls back, node by node, without weights or GPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from composer.execution import Program, build_module, build_program
from composer.execution.parts import build_parts
from composer.execution.program import module_names
from composer.execution.slot_values import rows_in
from composer.graph import Checked, Report, check
from composer.language import Source
from composer.plan import Plan, Step, execute, plan_task, result_of
from composer.plugin import Registry, load_registry
from composer.plugin.implementations import begin, decoder_of
from composer.problems.suggest import unknown
from composer.types import ITEMS, PortType
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.backends.contract import Builder, HoldsWeights
from composer_compile.backends.registered import builder_of, loader_of
from composer_compile.errors import CompileError
from composer_compile.export.exportable import check_exportable, wanted_tasks
from composer_compile.options import Options
from composer_compile.plan.plan_report import (
    CompilePlan,
    NodePlan,
    OperationPlan,
    PlannedStage,
    TaskPlan,
    WeightsPlan,
)
from composer_compile.plan.trace import floating_operations, moved_bytes, tensors_of, trace
from composer_compile.plan.workspace import workspace_bytes
from composer_compile.stages.constant_weights import fold_weights
from composer_compile.stages.host_nodes import is_host_step
from composer_compile.stages.modules import decode_name, entered, policy_ports
from composer_compile.tensors.free_dims import FreeDims, check_overrides, find_free_dims, overrides_for
from composer_compile.tensors.leaves import named_leaves, rebuild
from composer_compile.tensors.precisions import DTYPE_OF, Precision, check_precision_names, precision_of

__all__ = ["plan_document"]

META = torch.device("meta")


def plan_document(
    document: str | Path | Source | Report,
    *,
    tasks: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    options: Options | None = None,
    registry: Registry | None = None,
) -> CompilePlan:
    """Plan the compilation of tasks (all, unless named) at the best size of every range.

    Modules stand on the meta device: a document of any size takes little memory, and no checkpoint.

    Raises:
        DocumentError: the document has errors. InputError: unknown task or backend. BackendError: not installed.
        CompileError: there is nothing to compile.
    """
    chosen = options or Options()
    registry = registry if registry is not None else load_registry()
    loader_of(registry, chosen.backend).check_installed()
    builder = builder_of(registry, chosen.backend)
    builder.check_options(chosen.build, None)
    found = (
        document if isinstance(document, Report) else check(document, registry=registry, settings=settings)
    )
    report = found.raise_for_errors()
    names = wanted_tasks(report, tasks)
    for name in names:
        if name not in report.tasks:
            raise unknown("task", name, report.tasks, report.name)
    check_exportable(report, names, registry)
    plans = [plan_task(report.tasks[name]) for name in names]
    check_overrides(plans, chosen.ranges)
    check_precision_names(plans, chosen.precisions)
    planner = _Planner(report, registry, builder, chosen, plans)
    planned = tuple(planner.task(name) for name in names)
    return CompilePlan(report.name, chosen.backend, planned, planner.weights())


@dataclass
class _Planner:
    report: Checked
    registry: Registry
    builder: Builder
    options: Options
    plans: list[Plan]
    modules: dict[str, nn.Module] = field(default_factory=dict)
    known: dict[Any, tuple[NodePlan, Any]] = field(default_factory=dict)
    """Calls that were traced before: the same method of the same module on tensors of the same sizes."""
    stored: dict[tuple[int, torch.dtype], Tensor] = field(default_factory=dict)
    """Weights that the artifact stores once, in the number formats of the nodes that read them."""
    held: list[Tensor] = field(default_factory=list)
    """Weights inside programs, as often as there are programs that hold them."""

    def weights(self) -> WeightsPlan:
        """Where the weights of what was planned lie."""
        stored = self.stored.values()
        return WeightsPlan(_bytes(stored), len(stored), _bytes(self.held), len(self.held))

    def note_weights(self, graph: fx.GraphModule) -> None:
        """Note where the weights lie that a traced call reads."""
        read = {
            node: tensor
            for node in graph.graph.find_nodes(op="get_attr")
            for tensor in tensors_of(_attribute(graph, str(node.target)))
        }
        builder = self.builder
        once = builder.stored_once(read, self.options.build) if isinstance(builder, HoldsWeights) else read
        self.stored.update({(id(read[node]), read[node].dtype): read[node] for node in once})
        self.held += {id(tensor): tensor for node, tensor in read.items() if node not in once}.values()

    def task(self, name: str) -> TaskPlan:
        plan = plan_task(self.report.tasks[name])
        free = find_free_dims(plan, self.registry, overrides_for(plan, self.options.ranges))
        precision = precision_of(plan, self.options.precision, self.options.precisions)
        with META:
            program = build_program(plan, self._built()).eval()
        stages = _Walk(self, plan, program, free, precision).run()
        return TaskPlan(name, precision.default, free.sizes("best"), tuple(stages))

    def _built(self) -> dict[str, nn.Module]:
        """What runs the nodes of all tasks, as it would be loaded. The first time, it is built."""
        if not self.modules:
            parts = build_parts(
                self.report,
                module_names(self.plans),
                lambda it: build_module(it.type, it.config).eval(),
                empty=True,
            )
            # What no checkpoint holds, such as positions of sines, has values on the processor.
            self.modules = {n: part.eval().to(META) for n, part in parts.to_run(merge=True).items()}
            fold_weights(self.modules.values())
        return self.modules

    def node(
        self, name: str, callee: str, key: Any, call: Callable[..., Any], keywords: Mapping[str, Any]
    ) -> Any:
        """Plan one call, once for all tasks. Returns its plan under this node's name, and its result."""
        shapes = tuple((tuple(t.shape), t.dtype) for t in tensors_of(_flat(keywords)))
        known = self.known.get((key, shapes))
        if known is None:
            traced = trace(call, keywords, self.builder.decompositions())
            found = self.builder.support(traced.graph)
            self.note_weights(traced.graph)
            known = (_node_plan(name, callee, traced.graph, found), traced.result)
            self.known[key, shapes] = known
        return known[0].named(name, callee), known[1]


class _ImpossibleError(Exception):
    """A node that no backend can compile; ends the walk through its task."""

    def __init__(self, node: NodePlan) -> None:
        super().__init__(node.name)
        self.node = node


_Found = dict[str, list[NodePlan]]
"""The plans of the nodes, by stage."""


class _Walk:
    """One task, node after node, on tensors without data."""

    def __init__(
        self, planner: _Planner, plan: Plan, program: Program, free: FreeDims, precision: Precision
    ) -> None:
        self.planner = planner
        self.plan = plan
        self.program = program
        self.free = free
        self.precision = precision
        self.dtype = DTYPES[DTYPE_OF[precision.default]]
        program.prepare.to(self.dtype)
        self.slots: list[Any] = [None] * len(plan.slots)
        in_place = [step.name for step in plan.steps if step.node.is_in_place]
        self.targets: dict[str, nn.Module] = {
            **program.modules_by_name,
            **dict(zip(in_place, program.in_place, strict=True)),
        }

    def run(self) -> list[PlannedStage]:
        """The stages, up to the first node that cannot be compiled at all: what follows it has no sizes."""
        found: _Found = {}
        try:
            for name in self.plan.inputs:
                node = self._input(name)
                found.setdefault("encode", []).append(node)
            for stage in self.plan.stages:
                run = self._generate if stage.kind == "decode" else partial(self._step, stage.name)
                execute([(step, partial(run, step, found)) for step in stage.steps], self.slots)
        except _ImpossibleError as stop:
            found.setdefault("not compiled", []).append(stop.node)
        return [PlannedStage(name, tuple(nodes)) for name, nodes in found.items()]

    def _input(self, name: str) -> NodePlan:
        """The part of reading an input that runs inside the program."""
        item = self.plan.inputs[name]
        given = {port: self._empty(type_) for port, type_ in self.free.host[name].items()}
        prepare = dict(zip(self.program.prepared, self.program.prepare, strict=True)).get(name)
        if prepare is None:
            found = NodePlan(name, f"input {item.modality.id}", place=self._place(item.path))
            result: Any = given
        else:
            key = ("prepare", item.modality.id, repr(item.config))
            kept = {} if item.several is None else {ITEMS: given.pop(ITEMS)}
            found, result = self._planned(name, f"input {item.modality.id}", key, prepare, given, item.path)
            result = {**(result if isinstance(result, Mapping) else {item.own_ports[0]: result}), **kept}
        values = result if isinstance(result, Mapping) else {next(iter(item.ports)): result}
        for port in item.ports:
            self.slots[self.plan.slot((name, port))] = values[port]
        return found

    def _empty(self, type_: PortType) -> Any:
        """A value without data, its dims over the free dimensions; None for what no tensor holds."""
        kind = self.planner.registry.kinds[type_.kind]
        if kind.has_objects:
            return None
        sizes = self.free.sizes("best")
        tensors = [
            torch.empty(
                [type_.dims[axis].at(sizes) for axis in found.dims],
                dtype=self.dtype if found.dtype == "float" else DTYPES[found.dtype],
                device=META,
            )
            for found in kind.fields.values()
        ]
        return tensors[0] if kind.record is None else kind.record(*tensors)

    def _made_on_host(self, type_: PortType) -> Any:
        return self._empty(type_.with_dims(tuple(dim.substitute(self.free.values) for dim in type_.dims)))

    def _step(self, stage: str, step: Step, plans: _Found, /, **sources: Any) -> Any:
        """What a node gives; `plans` takes its plan. A node on the host gives what programs read, without data."""
        node = step.node
        if is_host_step(step, self.planner.registry):
            own = NodePlan(step.name, step.callee, place=self._place(node.path), on_host=True)
            plans.setdefault(stage, []).append(own)
            return result_of(
                {port: self._made_on_host(self.plan.type_of(slot)) for port, slot in step.targets.items()}
            )
        target = self._target(step)
        method = node.module.type.methods[node.method]
        call: Callable[..., Any] = (
            target if method.attribute == "forward" else getattr(target, method.attribute)
        )
        if node.options is not None:
            call = partial(call, **dict(node.options))
        owner = (node.module.type.id, repr(node.module.config)) if node.is_in_place else node.part
        key = (owner, method.attribute, repr(node.options))
        found, result = self._planned(step.name, step.callee, key, call, self._entered(sources), node.path)
        plans.setdefault(stage, []).append(found)
        return result

    def _generate(self, step: Step, plans: _Found, /, **sources: Any) -> Any:
        """What a search gives; `plans` takes the plans of its start and of one token."""
        node = step.node
        decoding = node.decoding
        options, prompt, beams = decoding.options, decoding.generation.prompt, decoding.search.beams
        decoder = decoder_of(self._target(step), prompt, node.module.type.title)

        def start(**ports: Any) -> Any:
            title = node.module.type.title
            return begin(decoder, ports, prompt, beams=beams, max_tokens=options.max_tokens, what=title)

        key = (node.part, "start", beams, repr(options))
        memory = self._entered(sources)
        first, (_, cache) = self._planned(step.name, f"{step.callee} (start)", key, start, memory, node.path)
        plans.setdefault(f"{step.name}.start", []).append(first)
        batch = rows_in(sources, node.signature.inputs, self.planner.registry.kinds)
        ids = torch.zeros(batch, beams, dtype=torch.int64, device=META)

        def one(ids: Tensor, cache: Any, parents: Tensor | None = None) -> Any:
            return decoder.step(ids, cache if parents is None else cache.reorder(parents))

        keywords = {"ids": ids, "cache": cache, **({"parents": ids} if beams > 1 else {})}
        key = (node.part, "step", beams, repr(options))
        second, _ = self._planned(step.name, f"{step.callee} (one token)", key, one, keywords, node.path)
        plans.setdefault(decode_name(step.name), []).append(second)
        written: dict[str, Any] = {
            "ids": torch.zeros(batch, options.max_tokens + 1, dtype=torch.int64, device=META),
            "score": torch.zeros(batch, device=META),
        }
        for port in policy_ports(step):
            written[port] = self._written(step, port, batch)
        # The text is not among them: no program reads it.
        return result_of({port: written.get(port) for port in step.targets})

    def _written(self, step: Step, port: str, batch: int) -> Any:
        """What a search policy gives on a port of its own; None where it stays on the host."""
        type_ = step.node.signature.outputs[port].type
        kind = self.planner.registry.kinds[type_.kind]
        if any(part.dtype == "object" for part in kind.fields.values()):
            return None
        shape = [dim.constant if dim.is_number else batch for dim in type_.dims]
        made = []
        for part in kind.fields.values():
            dtype = torch.int64 if part.dtype == "int64" else torch.float32
            made.append(torch.zeros([shape[axis] for axis in part.dims], dtype=dtype, device=META))
        return made[0] if kind.record is None else kind.record(*made)

    def _target(self, step: Step) -> nn.Module:
        """The module that a node calls, in the node's precision."""
        self.dtype = DTYPES[DTYPE_OF[self.precision.of(step)]]
        return self.targets[step.node.part].to(self.dtype)

    def _entered(self, sources: dict[str, Any]) -> dict[str, Any]:
        """The sources of a node, in its number format."""
        leaves = iter([entered(tensor, self.dtype) for _, tensor in named_leaves(sources, "value")])
        found: dict[str, Any] = rebuild(sources, lambda: next(leaves))
        return found

    def _planned(
        self,
        name: str,
        callee: str,
        key: Any,
        call: Callable[..., Any],
        keywords: Mapping[str, Any],
        path: Any,
    ) -> tuple[NodePlan, Any]:
        try:
            found, result = self.planner.node(name, callee, (key, self.dtype), call, keywords)
        except CompileError as error:
            left = OperationPlan("the whole node", 1, supported=False, reason=str(error))
            raise _ImpossibleError(NodePlan(name, callee, (left,), place=self._place(path))) from error
        return found.at(self._place(path)), result

    def _place(self, path: Any) -> str:
        return str(self.planner.report.document.tree.place(path, key=True))


def _node_plan(name: str, callee: str, graph: fx.GraphModule, support: Mapping[fx.Node, Any]) -> NodePlan:
    supported: Counter[str] = Counter()
    left: Counter[tuple[str, str]] = Counter()
    operations = moved = engines = 0
    inside = False
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        operations += floating_operations(node)
        moved += moved_bytes(node)
        found = support[node]
        if found.supported:
            supported[str(node.target)] += 1
            engines += not inside
            inside = True
        else:
            left[str(node.target), found.reason] += 1
            inside = False
    weights = {
        id(tensor): tensor
        for node in graph.graph.nodes
        if node.op == "get_attr"
        for tensor in tensors_of(_attribute(graph, str(node.target)))
    }
    rows = [OperationPlan(target, count, supported=True) for target, count in sorted(supported.items())]
    rows += [OperationPlan(target, count, False, reason) for (target, reason), count in sorted(left.items())]
    parameters = sum(tensor.numel() for tensor in weights.values())
    return NodePlan(name, callee, tuple(rows), parameters, operations, moved, workspace_bytes(graph), engines)


def _attribute(graph: fx.GraphModule, target: str) -> Any:
    value: Any = graph
    for part in target.split("."):
        value = getattr(value, part)
    return value


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _flat(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [_flat(item) for item in value.values()]
    return [_flat(item) for item in value] if isinstance(value, (list, tuple)) else value
