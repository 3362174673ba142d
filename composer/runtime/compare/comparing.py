"""Running a case: ports fed with recorded tensors, results held against recorded ones, the first divergence named."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from composer.plan import Plan, plan_objective, plan_task
from composer.plugin import Registry, load_registry
from composer.problems import InputError
from composer.runtime.compare.case import Case, Ones, Run, Target, Tolerance, load_case, published_config
from composer.runtime.generation import generators_of
from composer.runtime.model import Model, load
from composer.runtime.program import build_program
from composer.runtime.weights import read_checkpoint

__all__ = ["Comparison", "Row", "compare_case"]


@dataclass(frozen=True)
class Row:
    """One compared tensor. `verdict` is `ok`, `differs`, `shape` or `not recorded`."""

    run: str
    port: str
    recorded: str
    shape: tuple[int, ...]
    max_absolute: float
    max_relative: float
    verdict: str

    @property
    def ok(self) -> bool:
        return self.verdict in ("ok", "not recorded")


@dataclass(frozen=True)
class Comparison:
    """The table of a case. `first` names the first diverging node, in running order, per run."""

    case: str
    rows: tuple[Row, ...]
    first: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def to_json(self) -> str:
        rows = [
            {
                **asdict(row),
                "max_absolute": _plain(row.max_absolute),
                "max_relative": _plain(row.max_relative),
            }
            for row in self.rows
        ]
        return json.dumps(
            {"case": self.case, "ok": self.ok, "first": dict(self.first), "rows": rows}, indent=2
        )

    def __str__(self) -> str:
        width = max((len(row.port) for row in self.rows), default=4)
        wide = max((len(row.recorded) for row in self.rows), default=8)
        lines = [
            f"{'run':<10} {'port':<{width}} {'recorded':<{wide}} {'shape':<18} {'max abs':>9} {'max rel':>9}"
        ]
        for row in self.rows:
            shape = "x".join(map(str, row.shape)) or "scalar"
            numbers = (
                f"{row.max_absolute:9.2e} {row.max_relative:9.2e}"
                if row.verdict in ("ok", "differs")
                else " " * 19
            )
            lines.append(
                f"{row.run:<10} {row.port:<{width}} {row.recorded:<{wide}} {shape:<18} {numbers}  {row.verdict}"
            )
        for run, node in self.first.items():
            lines.append(f"run {run}: the first diverging node is `{node}`")
        good = sum(row.verdict == "ok" for row in self.rows)
        lines.append(f"{self.case}: {good} of {len(self.rows)} tensors agree" + ("" if self.ok else ": MISS"))
        return "\n".join(lines)


def compare_case(
    path: str | Path, data: str | Path | None = None, *, registry: Registry | None = None
) -> Comparison:
    """Run a case on its own data, or on another folder of the same kind.

    Raises InputError for a faulty case or folder, WeightsError for weights that do not fit, DocumentError for the
    document.
    """
    case = load_case(Path(path))
    registry = registry if registry is not None else load_registry()
    folder = Path(data) if data is not None else case.directory / case.data
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder of recorded tensors; name one with --data")
    config = published_config(folder)
    inputs, outputs = _tensors(folder / "inputs.safetensors"), _tensors(folder / "outputs.safetensors")
    common = {**_from_config(case, config), **case.settings}
    rows: list[Row] = []
    first: dict[str, str] = {}
    models: dict[str, Model] = {}
    for name, run in case.runs.items():
        key = json.dumps(run.settings, sort_keys=True, default=str) + run.task
        if key not in models:
            models[key] = load(
                _document(case),
                weights=folder / "weights.safetensors",
                layout=case.layout,
                config=config,
                settings=_settings({**common, **run.settings}, folder),
                tasks=[run.task],
                registry=registry,
            )
        found = _run(name, run, models[key], inputs, outputs, case.tolerance, registry)
        rows.extend(found)
        missed = next((row.port.partition(".")[0] for row in found if not row.ok), None)
        if missed is not None:
            first[name] = missed
    return Comparison(Path(path).stem, tuple(rows), first)


def _settings(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Settings in which `$data/name` became a file of the data folder, such as a vocabulary."""
    return {
        name: str(folder.resolve() / value.removeprefix("$data/"))
        if isinstance(value, str) and value.startswith("$data/")
        else value
        for name, value in settings.items()
    }


def _from_config(case: Case, config: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for parameter, key in case.config.items():
        value: Any = config
        for step in key.split("."):
            if not isinstance(value, Mapping) or step not in value:
                raise InputError(f"config: config.json has no `{key}` (for parameter {parameter})")
            value = value[step]
        found[parameter] = value
    return found


def _document(case: Case) -> str | Path:
    path = case.directory / case.document
    return path if path.exists() else case.document


def _tensors(path: Path) -> dict[str, Tensor]:
    checkpoint = read_checkpoint(path)
    return {key: checkpoint[key] for key in checkpoint}


@torch.inference_mode()
def _run(
    name: str,
    run: Run,
    model: Model,
    inputs: Mapping[str, Tensor],
    outputs: Mapping[str, Tensor],
    default: Tolerance,
    registry: Registry,
) -> list[Row]:
    task = model.report.tasks[run.task]
    plan = plan_objective(task) if run.objective else plan_task(task)
    program = build_program(plan, model.modules).eval()
    generators = generators_of(plan.steps, model.modules, registry)
    slots = program(_fed(plan, run.feeds, inputs, registry))
    hypotheses: dict[str, Any] = {}
    for stage in plan.stages:
        if stage.kind == "decode":
            step = stage.steps[0].name
            hypotheses[step] = generators[step].run(slots)
        elif stage.kind == "finish":
            program.run_stage(stage.name, slots)
    rank = {step.name: index for index, step in enumerate(plan.steps)}
    rows = []
    for port, written in run.compare.items():
        target = Target(recorded=written) if isinstance(written, str) else written
        if target.recorded not in outputs:
            if not target.optional:
                known = ", ".join(sorted(outputs))
                raise InputError(
                    f"run {name}: nothing is recorded as `{target.recorded}` (recorded: {known})"
                )
            rows.append(Row(name, port, target.recorded, (), 0.0, 0.0, "not recorded"))
            continue
        recorded = outputs[target.recorded]
        ours = _value(port, plan, slots, hypotheses, recorded, registry)
        rows.append(_compared(name, port, target, ours, recorded, default))
    return sorted(rows, key=lambda row: rank.get(row.port.partition(".")[0], -1))


def _fed(
    plan: Plan, feeds: Mapping[str, str | Ones], inputs: Mapping[str, Tensor], registry: Registry
) -> dict[str, dict[str, Any]]:
    """Input ports filled with recorded tensors: `input.port`, or `input.port.field` for a record."""
    fed: dict[str, dict[str, Any]] = {name: {} for name in plan.inputs}
    fields: dict[tuple[str, str], dict[str, Tensor]] = {}
    for place, recorded in feeds.items():
        parts = place.split(".")
        if len(parts) not in (2, 3) or parts[0] not in fed:
            raise InputError(f"feeds: `{place}` is no input port of this task (inputs: {', '.join(fed)})")
        key = recorded.ones_like if isinstance(recorded, Ones) else recorded
        if key not in inputs:
            raise InputError(f"feeds: nothing is recorded as `{key}` (inputs: {', '.join(sorted(inputs))})")
        value = torch.ones_like(inputs[key]) if isinstance(recorded, Ones) else inputs[key]
        if len(parts) == 2:
            fed[parts[0]][parts[1]] = value
        else:
            fields.setdefault((parts[0], parts[1]), {})[parts[2]] = value
    for (item_name, port), values in fields.items():
        record = registry.kinds[plan.inputs[item_name].ports[port].kind].record
        if record is None:
            raise InputError(
                f"feeds: port {item_name}.{port} is one tensor, so it has no field {next(iter(values))}"
            )
        fed[item_name][port] = record(**values)
    for name, item in plan.inputs.items():
        for port, declared in item.ports.items():
            if port not in fed[name]:
                raise InputError(f"feeds: input port `{name}.{port}` ({declared}) is fed by nothing")
            kind = registry.kinds[declared.kind]
            if kind.record is not None and not isinstance(fed[name][port], tuple):
                fed[name][port] = kind.record(fed[name][port])
    return fed


def _value(
    port: str,
    plan: Plan,
    slots: list[Any],
    hypotheses: Mapping[str, Any],
    recorded: Tensor,
    registry: Registry,
) -> Tensor:
    node, _, rest = port.partition(".")
    if rest.startswith("hypotheses."):
        if node not in hypotheses:
            raise InputError(f"compare: `{node}` is no generate node of this task")
        return _hypotheses(hypotheses[node], rest.partition(".")[2], recorded)
    name, _, field = rest.partition(".")
    if (node, name) not in plan.slots:
        known = ", ".join(".".join(endpoint) for endpoint in plan.slots)
        raise InputError(f"compare: `{port}` is no port of this task (ports: {known})")
    value = slots[plan.slot((node, name))]
    if isinstance(value, tuple):
        value = getattr(value, field or type(value)._fields[0])  # type: ignore[attr-defined]
    if not isinstance(value, Tensor):
        raise InputError(f"compare: `{port}` holds no tensor")
    return value


def _hypotheses(found: list[list[Any]], what: str, recorded: Tensor) -> Tensor:
    """All hypotheses of all samples, padded as recordings are: ids with -1, scores with -inf."""
    if what == "count":
        return torch.tensor([len(h) for h in found])
    if what == "scores":
        scores = torch.full(recorded.shape, -math.inf)
        for row, hypotheses in enumerate(found):
            for column, hypothesis in enumerate(hypotheses[: recorded.shape[1]]):
                scores[row, column] = hypothesis.score
        return scores
    if what == "ids":
        ids = torch.full(recorded.shape, -1, dtype=torch.int64)
        for row, hypotheses in enumerate(found):
            for column, hypothesis in enumerate(hypotheses[: recorded.shape[1]]):
                tokens = torch.tensor(hypothesis.ids)[: recorded.shape[2]]
                ids[row, column, : len(tokens)] = tokens
        return ids
    raise InputError(f"compare: hypotheses have ids, scores and count, not {what}")


def _compared(run: str, port: str, target: Target, ours: Tensor, recorded: Tensor, default: Tolerance) -> Row:
    if ours.shape != recorded.shape:
        return Row(
            run,
            port,
            target.recorded,
            tuple(ours.shape),
            math.inf,
            math.inf,
            f"shape {tuple(recorded.shape)}",
        )
    absolute = default.absolute if target.absolute is None else target.absolute
    relative = default.relative if target.relative is None else target.relative
    if not recorded.is_floating_point():
        absolute = relative = 0.0
    a, b = ours.detach().to(torch.float64), recorded.to(torch.float64)
    same = (a == b) | (a.isnan() & b.isnan())  # equal infinities pad unused places
    difference = torch.where(same, 0.0, (a - b).abs())
    fine = bool((same | (difference <= absolute + relative * b.abs())).all())
    ratio = torch.where(same, 0.0, difference / b.abs().clamp_min(1e-12))
    worst, share = (float(t.max()) if t.numel() else 0.0 for t in (difference, ratio))
    return Row(run, port, target.recorded, tuple(ours.shape), worst, share, "ok" if fine else "differs")


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
