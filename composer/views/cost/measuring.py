"""Measuring: modules built and run on torch's meta device, where tensors have shapes and no memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from composer.execution import Program, build_module, build_program
from composer.execution.parts import Parts, build_parts
from composer.execution.program import module_names
from composer.graph import Checked, CheckedModule, Report
from composer.graph.checked import part_name, split_part
from composer.plan import Plan, Step, execute, plan_task, result_of
from composer.plugin import Config, ModuleType, Registry
from composer.plugin.asking import META_CURE, PluginError
from composer.problems import ComposerError, InputError
from composer.types import PortType
from composer.views.cost.cost import DTYPES, Cost, ModuleCost, StageCost, StepCost, TaskCost
from composer.views.cost.decoding import measure_generate
from composer.views.cost.metering import Meter
from composer.views.cost.sizes import NamedSizes, check_names, free_dims, sizes_for
from composer.views.labels import callee_text

__all__ = ["measure", "parameters_of"]


def measure(
    report: Report,
    *,
    tasks: Iterable[str] | None = None,
    at: Mapping[str, int] | None = None,
    dtype: str = "float32",
) -> Cost:
    """The cost of a checked document. No weight is allocated.

    Args:
        report: a report without errors.
        tasks: names of the tasks to measure; left out, all.
        at: sizes of free dimensions, such as `{"batch": 1, "question.length": 20}`; the others are as `sizes_for` says.
        dtype: number format of weights and activations: float32, bfloat16 or float16.

    Raises:
        DocumentError: for a report with errors. InputError: for a size or number format that does not exist.
        ComposerError: for a module that cannot be built without memory.
    """
    checked = report.raise_for_errors()
    registry = checked.registry
    if dtype not in DTYPES:
        raise InputError(f"{dtype!r} is not a number format for costs: write {', '.join(DTYPES)}")
    number_format: torch.dtype = getattr(torch, dtype)
    plans = [plan_task(report.tasks[name]) for name in (tasks if tasks is not None else report.tasks)]
    check_names(at or {}, [name for plan in plans for name in free_dims(plan, registry)])
    parts = build_parts(
        checked,
        module_names(plans),
        lambda declared: _built(declared, number_format),
        empty=True,
    )
    for weights in parts.weights.values():
        weights.requires_grad_(False)  # those of adapters, too
    modules = {name: part.eval() for name, part in parts.to_run(merge=True).items()}
    order = [
        part_name(name, adapter)
        for name, module in report.modules.items()
        for adapter in ("", *module.adapters)
    ]
    ordered = {name: _module_cost(checked, name, parts) for name in order if name in parts.weights}
    costs = tuple(_TaskMeasuring(plan, registry, modules, number_format, at or {}).run() for plan in plans)
    return Cost(report.name, dtype, ordered, costs)


def parameters_of(module: CheckedModule) -> int:
    """How many parameters a module has, each tensor once; it is built without memory.

    Raises ComposerError where that cannot be done.
    """
    built = _on_meta(module.type, module.config, f"module `{module.name}` ({module.type.id})")
    return sum(parameter.numel() for parameter in built.parameters())


def _built(module: CheckedModule, number_format: torch.dtype) -> nn.Module:
    what = f"module `{module.name}` ({module.type.id})"
    return _on_meta(module.type, module.config, what).to(number_format).eval()


def _on_meta(entry: ModuleType, config: Config, what: str) -> nn.Module:
    try:
        with torch.device("meta"):
            # Without gradients: torch's counter would otherwise look for a graph that is never recorded.
            return build_module(entry, config).to("meta").requires_grad_(False)
    except PluginError as error:
        raise ComposerError(f"the cost of {what} cannot be told: {error}. {META_CURE}") from error


def _module_cost(report: Checked, name: str, parts: Parts) -> ModuleCost:
    module = parts.weights[name]
    parameters = list(module.parameters())  # each tensor once, also where it is tied
    buffers = list({id(b): b for b in module.buffers()}.values())
    weight_bytes = sum(t.numel() * t.element_size() for t in (*parameters, *buffers))
    owner, adapter = split_part(name)
    declared = report.modules[owner]
    kind = f"adapter of rank {declared.adapters[adapter].config.rank}" if adapter else declared.type.id
    names = parts.frozen.get(name, frozenset())
    frozen = {
        id(p): p.numel() for path, p in module.named_parameters(remove_duplicate=False) if path in names
    }
    return ModuleCost(
        name,
        kind,
        sum(p.numel() for p in parameters),
        weight_bytes,
        frozen=sum(frozen.values()),
        adapter=bool(adapter),
    )


class _TaskMeasuring:
    """Runs the plan of one task step by step on meta tensors."""

    def __init__(
        self,
        plan: Plan,
        registry: Registry,
        modules: Mapping[str, nn.Module],
        number_format: torch.dtype,
        at: Mapping[str, int],
    ) -> None:
        self.plan = plan
        self.registry = registry
        self.modules = modules
        self.number_format = number_format
        self.sizes: NamedSizes = sizes_for(plan, registry, at)
        self.program = self._program()
        self.meter = Meter([*self.program.parameters(), *self.program.buffers()])

    def run(self) -> TaskCost:
        """Costs by stage. Port values stay alive until the task ends, as the program keeps them."""
        slots = self._inputs()
        stages = []
        for stage in self.plan.stages:
            found: list[StepCost] = []
            execute([(step, partial(self._run, step, found)) for step in stage.steps], slots)
            stages.append(StageCost(stage.name, tuple(found)))
        owners = [each for name in self.plan.modules for each in (split_part(name)[0], name)]
        return TaskCost(self.plan.task.name, self.sizes.shown, tuple(stages), tuple(dict.fromkeys(owners)))

    def _program(self) -> Program:
        try:
            with torch.device("meta"):
                program = build_program(self.plan, self.modules)
        except PluginError as error:
            what = f"task `{self.plan.task.name}`"
            raise ComposerError(f"the cost of {what} cannot be told: {error}. {META_CURE}") from error
        return program.to("meta", self.number_format).eval()

    def _inputs(self) -> list[object]:
        inputs = {
            name: {
                port: self.meter.hold(self._empty(self.plan.task.types[name, port])) for port in item.ports
            }
            for name, item in self.plan.inputs.items()
        }
        return self.program.load_inputs(inputs)

    def _empty(self, port: PortType) -> object:
        """A meta value of a port type; optional parts such as masks are left out, and text has no tensor."""
        kind = self.registry.kinds[port.kind]
        shape = self.sizes.shape(port)
        formats = {
            "float": self.number_format,
            "int64": torch.int64,
            "uint8": torch.uint8,
            "bool": torch.bool,
        }
        parts = [
            None
            if field.optional or field.dtype == "object"
            else torch.empty([shape[i] for i in field.dims], dtype=formats[field.dtype], device="meta")
            for field in kind.fields.values()
        ]
        return parts[0] if kind.record is None else kind.record(*parts)

    def _run(self, step: Step, found: list[StepCost], /, **sources: Any) -> Any:
        """What a step gives on sources without data; `found` takes its cost."""
        callee = callee_text(step.node)
        if self._on_host(step):
            found.append(StepCost(step.name, callee, 0, 0, host=True))
            return self._promised(step)
        try:
            if step.node.generates:
                decoder = self.modules[step.node.part]
                generating, peak = measure_generate(decoder, step, sources, self.meter, self.registry.kinds)
                found.append(StepCost(step.name, callee, generating.total_flops, peak, generating))
                return self._promised(step)
            function = self.program.functions[step.name]
            result, flops, peak = self.meter.measure(lambda: _results(step, function(**sources)))
        except InputError:
            raise
        except Exception as error:  # foreign code that asks for values, which meta tensors do not have
            reason = " ".join(str(error).split()) or type(error).__name__
            found.append(StepCost(step.name, callee, 0, 0, unknown=reason))
            return self._promised(step)
        found.append(StepCost(step.name, callee, flops, peak))
        return result

    def _on_host(self, step: Step) -> bool:
        """Whether a step takes or gives what no tensor holds, such as text: it is no work for the device."""
        return step.name in self.plan.task.on_host

    def _promised(self, step: Step) -> Any:
        """What the signature of a step promises."""
        types = self.plan.task.types
        return result_of(
            {port: self.meter.hold(self._empty(types[step.name, port])) for port in step.targets}
        )


def _results(step: Step, result: Any) -> Any:
    """What a call gave, as far as the step has ports for it; raises where one is missing."""
    return result if step.only is not None else {port: result[port] for port in step.targets}
