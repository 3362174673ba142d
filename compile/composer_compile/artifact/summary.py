"""What `composer inspect` says of an artifact, from its manifest alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from composer.types import Several
from composer_compile.artifact.container import Container
from composer_compile.artifact.manifest import (
    GenerateEntry,
    HostCallEntry,
    Manifest,
    ProgramEntry,
    ReadEntry,
    Task,
    Weight,
)
from composer_compile.artifact.requirements import needs_lines

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


@dataclass(frozen=True)
class Sharing:
    """How many bytes each task uses, and how many the artifact stores for all of them."""

    tasks: Mapping[str, int]
    stored: int

    @property
    def saved(self) -> int:
        """Bytes that one artifact per task would store on top."""
        return sum(self.tasks.values()) - self.stored

    @staticmethod
    def of_weights(manifest: Manifest) -> Sharing:
        """Of what lies in `weights.safetensors`."""
        sizes = {key: _weight_bytes(weight) for key, weight in manifest.weights.items()}
        used = {
            name: {key for program in task.programs for key in program.weights if key}
            for name, task in manifest.tasks.items()
        }
        return _sharing(used, sizes)

    @staticmethod
    def of_programs(manifest: Manifest) -> Sharing:
        """Of the program files, which hold weights of their own where the backend builds engines."""
        used = {name: {program.file for program in task.programs} for name, task in manifest.tasks.items()}
        files = set().union(*used.values())
        return _sharing(used, {name: manifest.files[name].bytes for name in files})

    def as_json(self) -> dict[str, Any]:
        return {"tasks": dict(self.tasks), "stored": self.stored, "saved": self.saved}


def _sharing(used: Mapping[str, set[str]], sizes: Mapping[str, int]) -> Sharing:
    return Sharing(
        {name: sum(sizes[key] for key in keys) for name, keys in used.items()}, sum(sizes.values())
    )


def summary_lines(container: Container) -> list[str]:
    """The text of `composer inspect`."""
    manifest = container.manifest
    total = sum(entry.bytes for entry in manifest.files.values())
    made = ", ".join(f"{key} {value}" for key, value in manifest.backend.made_with.items())
    weights, programs = Sharing.of_weights(manifest), Sharing.of_programs(manifest)
    apart = sum(weights.tasks.values()) + sum(programs.tasks.values())
    files = {program.file for task in manifest.tasks.values() for program in task.programs}
    lines = [
        f"{manifest.name}: {len(manifest.tasks)} tasks, {_size(total)} in {len(manifest.files)} files",
        *([f"  {manifest.summary}"] if manifest.summary else []),
        f"  backend   {manifest.backend.id} ({made})",
        f"  weights   {_size(weights.stored)}, {len(manifest.weights)} tensors, each stored once",
        f"  programs  {_size(programs.stored)}, {len(files)} files, each stored once",
        f"  sharing   saves {_size(weights.saved)} of weights and {_size(programs.saved)} of programs: apart, "
        f"the tasks would take {_size(apart)}",
        *(f"  from      {line}" for line in _origins(manifest)),
        *(f"  needs     {line}" for line in needs_lines(manifest)),
        f"  rebuild   {container.rebuild}",
    ]
    for name, task in manifest.tasks.items():
        lines += ["", *_task_lines(name, task, manifest, weights.tasks[name])]
    return lines


def _origins(manifest: Manifest) -> Iterator[str]:
    """Where the weights came from, each source with its modules."""
    modules: dict[str, list[str]] = {}
    for name, origin in manifest.sources.items():
        commit = (
            f" (commit {origin.commit[:12]})" if origin.commit and origin.commit not in origin.source else ""
        )
        modules.setdefault(f"{origin.source}{commit}", []).append(name)
    for source, names in modules.items():
        yield f"{source}: {', '.join(names)}"


def as_json(container: Container) -> dict[str, Any]:
    """The manifest, with what tasks share: weights, and under `programs` program files."""
    data: Mapping[str, Any] = container.manifest.model_dump(mode="json")
    programs = Sharing.of_programs(container.manifest).as_json()
    return {**data, "sharing": {**Sharing.of_weights(container.manifest).as_json(), "programs": programs}}


def _task_lines(name: str, task: Task, manifest: Manifest, weights: int) -> Iterator[str]:
    yield f"task {name} ({task.precision}, reads {_size(weights)} of weights)"
    if task.summary:
        yield f"  {task.summary}"
    names = [getattr(part, "node", "") or getattr(part, "name", "") for part in task.order]
    stages = [part.decode.name for part in task.order if isinstance(part, GenerateEntry)]
    width = max((20, *map(len, (*task.inputs, *task.ranges, *task.outputs, *names, *stages))))
    for label, entry in task.inputs.items():
        many = "" if entry.several is None else f", {Several(*entry.several)}"
        yield f"  input   {label:<{width}} {entry.modality}{many}"
    for label, span in task.ranges.items():
        yield f"  range   {label:<{width}} {span}, best {span.best}"
    for part in task.order:
        if isinstance(part, HostCallEntry):
            yield f"  host    {part.node:<{width}} {part.uses}"
            continue
        if isinstance(part, ReadEntry):
            spans = ", ".join(f"{name} {span}" for name, span in part.ranges.items())
            yield f"  host    {part.node:<{width}} {part.read.modality}" + (f" ({spans})" if spans else "")
            continue
        stage = part.decode if isinstance(part, GenerateEntry) else part
        programs = ", ".join(_program(program, manifest) for program in stage.programs)
        yield f"  program {stage.name:<{width}} {programs}"
    for label, output in task.outputs.items():
        yield f"  output  {label:<{width}} {output.kind}"
    for label, metric in (task.evaluation.metrics if task.evaluation is not None else {}).items():
        yield f"  score   {label:<{width}} {metric.uses}"
    parity = manifest.parity.get(name)
    if parity is not None:
        worst = max((each.max_rel for each in parity.differences), default=0.0)
        verdict = "within" if parity.passed else "ACCEPTED BEYOND"
        if parity.not_measured is not None:
            yield f"  parity  not measured: {parity.not_measured}; run `composer verify` where it runs"
            return
        yield f"  parity  worst difference {worst:.2g}, {verdict} the tolerance {parity.tolerance:g}"


def _program(program: ProgramEntry, manifest: Manifest) -> str:
    """A program's file, with what it takes and what it reads of the weights that are stored once for all."""
    keys = {key for key in program.weights if key is not None}
    read = sum(_weight_bytes(manifest.weights[key]) for key in keys)
    own = manifest.files[program.file].bytes
    name = program.file.rpartition("/")[2]
    return f"{name} ({_fits(program.fixed)}; {_size(own)}, and reads {_size(read)} of the stored weights)"


def _weight_bytes(weight: Weight) -> int:
    return prod(weight.shape) * BYTES.get(weight.dtype, 4)


def _fits(fixed: Mapping[str, int]) -> str:
    return ", ".join(f"{key} {size}" for key, size in fixed.items()) or "any size in range"


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
