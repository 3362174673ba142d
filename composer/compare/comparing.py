"""Running a case: a model loaded once per setting, and each of its runs held against what was recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from composer.compare.case import Case, Run, Target, Tolerance, load_case, of_config, published_config
from composer.compare.recorded_ports import feed, read_port
from composer.compare.recorded_rates import rate_rows
from composer.compare.recorded_steps import read_steps
from composer.compare.rows import CaseComparison, Row, compare_tensors
from composer.execution.averages import averages_of, move_averages
from composer.execution.generation import generators_of, walk
from composer.execution.model import Model, load
from composer.execution.node_errors import node_errors
from composer.execution.program import build_program
from composer.plan import Plan, Step, plan_objective, plan_task
from composer.plugin import Registry, load_registry
from composer.problems import InputError
from composer.sources.held_lock import held_lock
from composer.weights import read_checkpoint

__all__ = ["compare_case"]


def compare_case(
    path: str | Path,
    data: str | Path | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    seed: int = 0,
    locked: bool = False,
    registry: Registry | None = None,
) -> CaseComparison:
    """Run a case on its own data, or on another folder of the same kind.

    `device` and `dtype` say where the model runs and in which number format, and `seed` what a search draws from.
    `locked`: hold versions against the document's lock; the weights are those that were recorded.

    Raises InputError for a faulty case or folder, WeightsError for weights that do not fit, DocumentError for the
    document, NodeError where a node fails on what was recorded.
    """
    case = load_case(Path(path))
    registry = registry if registry is not None else load_registry()
    folder = Path(data) if data is not None else case.directory / case.data
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of recorded tensors; name one with --data")
    config = published_config(folder)
    rates = [row for name, each in case.schedules.items() for row in rate_rows(name, each, config)]
    if not case.runs:
        return CaseComparison(Path(path).stem, tuple(rates), {})
    inputs, outputs = _tensors(folder / "inputs.safetensors"), _tensors(folder / "outputs.safetensors")
    common = {**_from_config(case, config), **case.settings}
    rows: list[Row] = []
    first: dict[str, str] = {}
    models: dict[str, Model] = {}
    held = held_lock(locked, _document(case), registry)
    for name, run in case.runs.items():
        changes = name if run.training or run.steps else ""  # a model of its own
        key = json.dumps([run.settings, run.task, run.objective, changes], sort_keys=True, default=str)
        if key not in models:
            models[key] = load(
                _document(case),
                weights=folder / "weights.safetensors",
                layout=case.layout,
                config=config,
                settings=_settings({**common, **run.settings}, folder),
                tasks=[run.task],
                device=device,
                dtype=dtype,
                objectives=run.objective,
                registry=registry,
            )
            if held is not None:
                held.hold(held.versions(models[key].report))
        found = _run(name, run, models[key], inputs, outputs, case.tolerance, registry, seed)
        if run.steps is not None:
            found += _steps(name, run, models[key], inputs, folder, case, registry)
        rows.extend(found)
        missed = next((row.port.partition(".")[0] for row in found if not row.ok), None)
        if missed is not None:
            first[name] = missed
    return CaseComparison(Path(path).stem, (*rows, *rates), first)


def _steps(
    name: str,
    run: Run,
    model: Model,
    inputs: Mapping[str, Tensor],
    folder: Path,
    case: Case,
    registry: Registry,
) -> list[Row]:
    """Take the steps of training that were recorded, after all else was compared: they change the weights."""
    assert run.steps is not None
    if not run.objective:
        raise InputError(f"run {name}: steps of training need `objective: true`")
    if run.steps.optional and not (folder / run.steps.file).exists():
        return [Row(name, "steps.losses", run.steps.file, (), 0.0, 0.0, "not recorded")]
    steps = read_steps(folder, run.steps)
    plan = plan_objective(model.report.tasks[run.task])
    program = build_program(plan, model.modules).eval()
    program.prepare.to(model.device, model.dtype)
    program.in_place.to(model.device, model.dtype)
    fed = tree_map_only(Tensor, partial(_placed, model=model), feed(plan, run.feeds, inputs, registry))
    keys = list(read_checkpoint(folder / "weights.safetensors"))
    parameters = dict(model.report.document.parameters)
    layout = registry.layouts[case.layout]
    return steps.rows(name, run.steps, program, fed, layout, parameters, keys)


def _settings(settings: Mapping[str, object], folder: Path) -> dict[str, object]:
    """Settings in which `$data/name` became a file of the data folder, such as a vocabulary."""
    return {
        name: str(folder.resolve() / value.removeprefix("$data/"))
        if isinstance(value, str) and value.startswith("$data/")
        else value
        for name, value in settings.items()
    }


def _from_config(case: Case, config: Mapping[str, object]) -> dict[str, object]:
    return {name: of_config(config, key, f"parameter {name}") for name, key in case.config.items()}


def _document(case: Case) -> str | Path:
    path = case.directory / case.document
    return path if path.exists() else case.document


def _tensors(path: Path) -> dict[str, Tensor]:
    checkpoint = read_checkpoint(path)
    return {key: checkpoint[key] for key in checkpoint}


@torch.no_grad()
def _run(
    name: str,
    run: Run,
    model: Model,
    inputs: Mapping[str, Tensor],
    outputs: Mapping[str, Tensor],
    default: Tolerance,
    registry: Registry,
    seed: int,
) -> list[Row]:
    task = model.report.tasks[run.task]
    plan = plan_objective(task) if run.objective else plan_task(task)
    program = build_program(plan, model.modules, around=_given(name, run, plan, inputs, model))
    averages = averages_of(model.report)
    program.train(run.training)
    if run.training:
        move_averages(averages, model.modules, program.names)
    for module in averages.keys() & model.modules.keys():
        model.modules[module].eval()
    program.prepare.to(model.device, model.dtype)
    program.in_place.to(model.device, model.dtype)
    generators = generators_of(plan.steps, model.modules, registry)
    fed = feed(plan, run.feeds, inputs, registry)
    slots = program.load_inputs(tree_map_only(Tensor, partial(_placed, model=model), fed))
    with node_errors(plan, slots):
        hypotheses = walk(program, generators, slots, seed=seed)
    rank = {step.name: index for index, step in enumerate(plan.steps)}
    read = {port: partial(read_port, port, plan, slots, hypotheses) for port in run.compare}
    read |= {place: partial(_tensor_after, name, place, model) for place in run.after}
    rows = []
    for place, written in {**run.compare, **run.after}.items():
        target = Target(recorded=written) if isinstance(written, str) else written
        key = _recorded_name(target, model)
        if key in outputs:
            ours = read[place](outputs[key])
            rows.append(compare_tensors(name, place, key, ours, outputs[key], target.over(default)))
        elif target.optional:
            rows.append(Row(name, place, key, (), 0.0, 0.0, "not recorded"))
        else:
            known = ", ".join(sorted(outputs))
            raise InputError(f"run {name}: nothing is recorded as `{key}` (recorded: {known})")
    return sorted(rows, key=lambda row: rank.get(row.port.partition(".")[0], len(rank)))


def _given(
    name: str, run: Run, plan: Plan, inputs: Mapping[str, Tensor], model: Model
) -> Callable[[Step, Callable[..., Any]], Callable[..., Any]]:
    """What puts recorded values in place of what nodes give. Raises InputError for a port or a recording not there."""
    steps = {step.name: step for step in plan.steps}
    values: dict[str, dict[str, Tensor]] = {}
    for place, key in run.given.items():
        node, _, port = place.rpartition(".")
        if node not in steps or port not in steps[node].targets:
            raise InputError(
                f"run {name}: given: `{place}` is not a port of a node (nodes: {', '.join(steps)})"
            )
        if key not in inputs:
            known = ", ".join(sorted(inputs))
            raise InputError(f"run {name}: given: nothing is recorded as `{key}` (inputs: {known})")
        values.setdefault(node, {})[port] = _placed(inputs[key], model=model)

    def around(step: Step, function: Callable[..., Any]) -> Callable[..., Any]:
        own = values.get(step.name)
        if own is None:
            return function

        def run_with_given(*args: Any, **keywords: Any) -> Any:
            result = function(*args, **keywords)
            return {**result, **own} if isinstance(result, Mapping) else next(iter(own.values()))

        return run_with_given

    return around


def _tensor_after(name: str, place: str, model: Model, recorded: Tensor) -> Tensor:
    """A tensor of a module, in the shape that it was recorded in where that differs in axes of size one alone."""
    module, _, key = place.partition(".")
    tensors = model.modules[module].state_dict() if module in model.modules else {}
    if key not in tensors:
        known = ", ".join(sorted(tensors) or sorted(model.modules))
        raise InputError(f"run {name}: after: there is no tensor `{place}` (there are: {known})")
    ours: Tensor = tensors[key]
    squeezed = [size for size in ours.shape if size != 1] == [size for size in recorded.shape if size != 1]
    return ours.reshape(recorded.shape) if squeezed else ours


def _placed(tensor: Tensor, *, model: Model) -> Tensor:
    """A recorded tensor where the model is, float32 in its number format; another one is a fault of the recording."""
    return tensor.to(model.device, model.dtype if tensor.dtype == torch.float32 else None)


def _recorded_name(target: Target, model: Model) -> str:
    """The recorded tensor of a target: its name, with the number of the last layer where a parameter counts them."""
    if target.last_of is None:
        return target.recorded
    document = model.report.document
    parameters: Mapping[str, object] = {} if document is None else document.parameters
    count = parameters.get(target.last_of)
    if not isinstance(count, int):
        known = ", ".join(parameters)
        raise InputError(
            f"compare: last_of names `{target.last_of}`, which is not a whole number among the parameters ({known})"
        )
    return f"{target.recorded}{count - 1}"
