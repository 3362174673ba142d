"""What `composer inspect` says of an artifact, from its manifest alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from composer_compile.container import Container
from composer_compile.manifest import Generate, HostCall, Manifest, Stage, Task

__all__ = ["Sharing", "as_json", "summary_lines"]

BYTES = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "uint8": 1,
    "bool": 1,
    "float64": 8,
}


class Sharing:
    """How many bytes of weights each task reads, and how many the artifact stores."""

    def __init__(self, manifest: Manifest) -> None:
        sizes = {
            key: prod(weight.shape) * BYTES.get(weight.dtype, 4) for key, weight in manifest.weights.items()
        }
        self.tasks: dict[str, int] = {}
        for name, task in manifest.tasks.items():
            keys = {
                key for stage in _stages(task) for program in stage.programs for key in program.weights if key
            }
            self.tasks[name] = sum(sizes[key] for key in keys)
        self.stored = sum(sizes.values())

    @property
    def saved(self) -> int:
        """Bytes that one artifact per task would store on top."""
        return sum(self.tasks.values()) - self.stored


def summary_lines(container: Container) -> list[str]:
    """The text of `composer inspect`."""
    manifest = container.manifest
    total = sum(entry.bytes for entry in manifest.files.values())
    made = ", ".join(f"{key} {value}" for key, value in manifest.backend.made_with.items())
    shared = Sharing(manifest)
    lines = [
        f"{manifest.name}: {len(manifest.tasks)} tasks, {_size(total)} in {len(manifest.files)} files",
        *([f"  {manifest.summary}"] if manifest.summary else []),
        f"  backend   {manifest.backend.id} ({made})",
        f"  weights   {_size(shared.stored)}, {len(manifest.weights)} tensors, each stored once",
        f"  sharing   saves {_size(shared.saved)}: apart, the tasks would take {_size(sum(shared.tasks.values()))}",
        f"  rebuild   {container.rebuild}",
    ]
    for name, task in manifest.tasks.items():
        lines += ["", *_task_lines(name, task, manifest, shared)]
    return lines


def as_json(container: Container) -> dict[str, Any]:
    """The manifest, with the sharing of weights."""
    shared = Sharing(container.manifest)
    data: Mapping[str, Any] = container.manifest.model_dump(mode="json")
    return {**data, "sharing": {"tasks": shared.tasks, "stored": shared.stored, "saved": shared.saved}}


def _task_lines(name: str, task: Task, manifest: Manifest, shared: Sharing) -> Iterator[str]:
    yield f"task {name} ({task.precision}, reads {_size(shared.tasks[name])} of weights)"
    if task.summary:
        yield f"  {task.summary}"
    for label, entry in task.inputs.items():
        yield f"  input   {label:<20} {entry.modality}"
    for label, span in task.ranges.items():
        yield f"  range   {label:<20} {span}, best {span.best}"
    for part in task.order:
        if isinstance(part, HostCall):
            yield f"  host    {part.node:<20} {part.uses}"
            continue
        stage = part.decode if isinstance(part, Generate) else part
        programs = ", ".join(
            f"{program.file.rpartition('/')[2]} ({_fits(program.fixed)})" for program in stage.programs
        )
        yield f"  program {stage.name:<20} {programs}"
    for label, output in task.outputs.items():
        yield f"  output  {label:<20} {output.kind}"
    parity = manifest.parity.get(name)
    if parity is not None:
        worst = max((each.max_rel for each in parity.differences), default=0.0)
        verdict = "within" if parity.passed else "ACCEPTED BEYOND"
        if parity.not_measured is not None:
            yield f"  parity  not measured: {parity.not_measured}; run `composer verify` where it runs"
            return
        yield f"  parity  worst difference {worst:.2g}, {verdict} the tolerance {parity.tolerance:g}"


def _fits(fixed: Mapping[str, int]) -> str:
    return ", ".join(f"{key} {size}" for key, size in fixed.items()) or "any size in range"


def _stages(task: Task) -> list[Stage]:
    parts = [part for part in task.order if not isinstance(part, HostCall)]
    return [part.decode if isinstance(part, Generate) else part for part in parts]


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
