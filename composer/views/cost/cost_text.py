"""The cost of a document as tables."""

from __future__ import annotations

from collections.abc import Iterator

from composer.views.columns import columns
from composer.views.cost.cost import Cost, StageCost, StepCost, TaskCost

__all__ = ["bytes_text", "cost_text", "flops_text"]

Row = tuple[str, ...]
LEGEND_OF_ADAPTERS = (
    "`text+qa` is the module text called with its adapter qa. Where tasks call a module in one way alone, its adapter",
    "is added to its weights when they are loaded, and costs nothing.",
)

LEGEND = (
    "Parameters are counted once per module, however many nodes and tasks call it. A multiply-add is 2 FLOPs;",
    "matrix products, convolutions and attention count, elementwise work does not. Peak is the most memory alive",
    "at one moment, weights excluded: inputs and node outputs, kept until the task ends, and what the node itself",
    "holds.",
)


def cost_text(cost: Cost) -> str:
    """Modules with their parameters, then every task with its stages and nodes."""
    blocks = [[f"{cost.name}: weights and activations in {cost.dtype}"], _modules(cost)]
    blocks += [_task(cost, task) for task in cost.tasks]
    adapted = any(module.adapter for module in cost.modules.values())
    blocks.append([*LEGEND, *(LEGEND_OF_ADAPTERS if adapted else ())])
    return "\n\n".join("\n".join(block) for block in blocks)


def _modules(cost: Cost) -> list[str]:
    modules = list(cost.modules.values())
    split = any(m.frozen or m.adapter for m in modules)

    def row(name: str, uses: str, parameters: int, trained: int | None, weights: int) -> Row:
        counts = ("", "") if trained is None else (f"{trained:,}", f"{parameters - trained:,}")
        return (name, uses, f"{parameters:,}", *(counts if split else ()), bytes_text(weights))

    rows: list[Row] = [
        ("modules", "uses", "parameters", *(("trained", "frozen") if split else ()), "weights")
    ]
    rows += [row(f"  {m.name}", m.type, m.parameters, m.trained, m.weight_bytes) for m in modules]
    for name, members in (
        ("all, each once", modules),
        ("of these in adapters", [m for m in modules if m.adapter]),
    ):
        if members:
            total, trained, weights = (
                sum(getattr(m, key) for m in members) for key in ("parameters", "trained", "weight_bytes")
            )
            rows.append(row(f"  {name}", "", total, trained, weights))
    apart, weights = sum(map(cost.weight_bytes_of, cost.tasks)), sum(m.weight_bytes for m in modules)
    if len(cost.tasks) > 1 and apart > weights:
        parameters = sum(cost.parameters_of(task) for task in cost.tasks)
        rows.append(row("  if no task shared", "", parameters, None, apart))
    return columns(rows, right=frozenset(range(2, len(rows[0]))))


def _task(cost: Cost, task: TaskCost) -> list[str]:
    at = ", ".join(f"{name} {size}" for name, size in task.sizes.items())
    parameters, weights = cost.parameters_of(task), bytes_text(cost.weight_bytes_of(task))
    head = f"task {task.name}{' at ' + at if at else ''}: {parameters:,} parameters, {weights} of weights"
    rows: list[Row] = [("", "", "FLOPs", "peak")]
    for stage in task.stages:
        rows += _stage(stage)
    rows.append(("  whole task", "", flops_text(task.flops), bytes_text(task.peak_bytes)))
    notes = [
        f"  ? node {step.name} cannot run without values, so its cost is not in the sums: {step.unknown}"
        for stage in task.stages
        for step in stage.steps
        if step.unknown
    ]
    return [head, *columns(rows, right=frozenset((2, 3))), *notes]


def _stage(stage: StageCost) -> Iterator[Row]:
    yield f"  stage {stage.name}", "", flops_text(stage.flops), bytes_text(stage.peak_bytes)
    for step in stage.steps:
        yield from _step(step)


def _step(step: StepCost) -> Iterator[Row]:
    if step.unknown or step.host:
        sign = "?" if step.unknown else "on the host"
        yield f"    {step.name}", step.callee, sign, sign if step.unknown else ""
        return
    yield f"    {step.name}", step.callee, flops_text(step.flops), bytes_text(step.peak_bytes)
    found = step.generating
    if found is not None:
        yield "      before the first token", "", flops_text(found.start_flops), ""
        if found.tokens == 1 or found.first_flops == found.last_flops:
            each = "the token" if found.tokens == 1 else f"each of {found.tokens} tokens"
            yield f"      {each}", "", flops_text(found.first_flops), ""
        else:
            yield "      first token", "", flops_text(found.first_flops), ""
            yield f"      token {found.tokens}, the last", "", flops_text(found.last_flops), ""


def flops_text(number: int) -> str:
    """`17.2 G`: thousands as k, M, G, T, P."""
    return _scaled(number, 1000, ("", " k", " M", " G", " T", " P"))


def bytes_text(number: int) -> str:
    """`1.3 GiB`: multiples of 1024."""
    return _scaled(number, 1024, (" B", " KiB", " MiB", " GiB", " TiB"))


def _scaled(number: int, base: int, units: tuple[str, ...]) -> str:
    value, index = float(number), 0
    while round(value, 1) >= base and index + 1 < len(units):
        value /= base
        index += 1
    return f"{number}{units[0]}" if index == 0 else f"{value:.1f}{units[index]}"
