"""The live model beside an artifact: what it gives for the same request, and the one walk over both of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from composer.execution import Runner
from composer.plan import execute
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.parity.corner_samples import made_up_reading
from composer_compile.runtime.host_parts import LoadedRead
from composer_compile.runtime.loaded_parts import (
    LoadedGenerate,
    LoadedStage,
    Part,
    ids_name,
    logits_name,
    new_sizes,
)
from composer_compile.runtime.loaded_task import LoadedTask
from composer_compile.stages.stager import StagedTask
from composer_compile.tensors.specs import ProgramSpec

__all__ = [
    "entering",
    "first_logits",
    "live_logits",
    "live_outputs",
    "live_results",
    "live_values",
    "walk_beside",
]

Tensors = Mapping[str, Tensor]
AtProgram = Callable[[LoadedStage, Tensors, Tensors, Mapping[str, int]], None]
"""Called with a program, its inputs and outputs as the live model has them, and the sizes."""
AtSearch = Callable[[LoadedGenerate, Tensors, Mapping[str, int]], None]
"""Called with a search, its decoder's cache as the live model has it, and the sizes."""


def walk_beside(
    loaded: LoadedTask,
    staged: StagedTask,
    runner: Runner,
    slots: Sequence[object],
    raw: Tensors,
    *,
    at_program: AtProgram,
    at_search: AtSearch,
    made_up: bool = True,
) -> None:
    """Go through the programs and searches of a task in running order, each on what the live ones before it gave.

    `staged` holds the live stages in full precision; what comes after a search reads what the live search gave, which
    is among `slots`. What a node reads of a text is `made_up` at the ends of its range, as the inputs are, where
    programs alone take it. What is called may raise to end the walk.
    """

    def program(part: LoadedStage, /, **given: Tensor) -> Sequence[Tensor]:
        expected = _outcome(staged.specs[part.name], given)
        sizes.update(new_sizes(part, given, sizes))
        at_program(part, given, expected, sizes)
        return [expected[name] for name in part.outputs]

    def search(part: LoadedGenerate, /, **given: Tensor) -> dict[str, Any]:
        at_search(part, given, sizes)
        return _searched(part.name, runner, slots, loaded.device)

    def function(part: Part) -> Callable[..., Any]:
        if isinstance(part, LoadedStage):
            return partial(program, part)
        if isinstance(part, LoadedGenerate):
            return partial(search, part)
        if not isinstance(part, LoadedRead):
            return part.answer
        drawn = made_up_reading(loaded, part, sizes) if made_up else {}
        return (lambda **_: drawn) if drawn else partial(part.call, sizes)

    fitted, sizes = loaded.requests.fit(raw)
    last = max(
        n for n, part in enumerate(loaded.order) if isinstance(part, (LoadedStage, LoadedGenerate))
    )  # what comes after is compared as a result of the task
    execute([(part, function(part)) for part in loaded.order[: last + 1]], dict(fitted))


def entering(spec: ProgramSpec, given: Tensors) -> list[Tensor]:
    """What goes into a program, in its number formats and order."""
    return [given[each.name].to(DTYPES[each.dtype]) for each in spec.inputs]


def _outcome(spec: ProgramSpec, given: Tensors) -> dict[str, Tensor]:
    outcome = spec.module.outcome(*entering(spec, given))  # type: ignore[operator]
    return dict(outcome.tensors)


def _searched(node: str, runner: Runner, slots: Sequence[object], device: torch.device) -> dict[str, Any]:
    """What the live search of a `generate` node gave; texts, which nodes on the host read, too."""
    (step,) = (step for step in runner.plan.steps if step.name == node)
    found = {".".join(runner.plan.slots[slot]): slots[slot] for slot in step.targets.values()}
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in found.items()}


def first_logits(part: LoadedGenerate, given: Tensors, sizes: Mapping[str, int]) -> Tensor:
    """What the compiled decoder gives after the start token, on the cache among `given`."""
    rows = sizes[part.entry.batch]
    start = _start(part, given, rows)["ids"]
    logits, _ = part.decoder.step(start, part.decoder.start(given, rows, sizes))
    return logits


def live_logits(part: LoadedGenerate, staged: StagedTask, given: Tensors, sizes: Mapping[str, int]) -> Tensor:
    """What the live decoder gives there."""
    start = _start(part, given, sizes[part.entry.batch])
    return _outcome(staged.specs[part.entry.decode.name], {**given, **start})["logits"]


def _start(part: LoadedGenerate, given: Tensors, rows: int) -> dict[str, Tensor]:
    """The start token of every beam, and each beam as its own parent where there are several."""
    beams = part.decoder.beams
    device = next(iter(given.values())).device
    ids = torch.full((rows, beams), part.entry.framing.start, dtype=torch.int64, device=device)
    same = torch.arange(beams, device=device).expand(rows, -1)
    return {"ids": ids, "parents": same} if beams > 1 else {"ids": ids}


def live_outputs(
    loaded: LoadedTask, runner: Runner, slots: Sequence[object], hypotheses: Mapping[str, Any]
) -> Iterator[tuple[str, str, Tensor]]:
    """The live tensors among the results, but for what searches give: name of the result, name of the value, tensor."""
    for name, entry in loaded.task.outputs.items():
        value = slots[runner.plan.outputs[name]]
        parts = value if isinstance(value, tuple) else (value,)
        for value_name, part in zip(entry.values, parts, strict=False):
            if (
                value_name is not None
                and isinstance(part, Tensor)
                and not _is_generated(value_name, hypotheses)
            ):
                yield name, value_name, part


@torch.inference_mode()
def live_results(loaded: LoadedTask, runner: Runner, staged: StagedTask, raw: Tensors) -> dict[str, Tensor]:
    """What the live model gives where `loaded` would: its tensors, generated ids, and logits after the start token."""
    slots, hypotheses = live_values(runner, loaded, raw)
    results = {ids_name(node): torch.tensor(found[0][0].ids) for node, found in hypotheses.items()}
    results |= {value: part for _, value, part in live_outputs(loaded, runner, slots, hypotheses)}

    def logits(part: LoadedGenerate, given: Tensors, sizes: Mapping[str, int]) -> None:
        results[logits_name(part.name)] = live_logits(part, staged, given, sizes)

    walk_beside(
        loaded, staged, runner, slots, raw, at_program=lambda *_: None, at_search=logits, made_up=False
    )
    return results


def live_values(runner: Runner, loaded: LoadedTask, raw: Tensors) -> tuple[list[Any], dict[str, Any]]:
    """The live model's slots, and every node's hypotheses."""
    slots = runner.program.load_inputs(loaded.requests.records(raw))
    return slots, runner.walk(slots)


def _is_generated(name: str, hypotheses: Mapping[str, Any]) -> bool:
    """Whether a value is that of a search: such are compared by their ids."""
    return name.partition(".")[0] in hypotheses
