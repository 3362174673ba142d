"""Whether the parts of a manifest fit together: what one names, another has. Imports no torch.

A manifest that was written by `composer compile` always does. One that somebody edited, digest and all, is refused here
rather than by an exception in the middle of a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.types import parse_form, parse_port_type

if TYPE_CHECKING:
    from composer_compile.artifact.manifest import (
        GenerateEntry,
        Manifest,
        ProgramEntry,
        RangeEntry,
        ReadEntry,
        StageEntry,
        Task,
        Tensor,
    )

__all__ = ["manifest_faults"]

NUMBER_FORMATS = frozenset(
    {"float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "float64", "int16", "int8"}
)


def manifest_faults(manifest: Manifest) -> Iterator[str]:
    """Every place where a manifest names what it does not have: `where: what`."""
    for key, weight in manifest.weights.items():
        if weight.dtype not in NUMBER_FORMATS or min(weight.shape, default=0) < 0:
            yield f"weights.{key}: it is {weight.dtype} {weight.shape}"
    for name, entry in manifest.files.items():
        if entry.bytes < 0:
            yield f"files.{name}: it has {entry.bytes} bytes"
    for name, task in manifest.tasks.items():
        if name not in manifest.parity:
            yield f"parity: it says nothing of task {name}"
        elif not 0 <= manifest.parity[name].tolerance < math.inf:
            yield f"parity.{name}.tolerance: it is {manifest.parity[name].tolerance}"
        for fault in _Walk(manifest, task).faults():
            yield f"tasks.{name}.{fault}"


@dataclass
class _Walk:
    """One task in its running order, with the names of the values that are there so far."""

    manifest: Manifest
    task: Task
    known: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    """The values of nodes on the host."""

    def faults(self) -> Iterator[str]:
        task = self.task
        yield from self._spans("ranges", task.ranges)
        if not task.inputs:
            yield "inputs: there is none"
        symbols: set[str] = set()
        for name, entry in task.inputs.items():
            yield from self._files(f"inputs.{name}", entry.files)
            yield from self._ports(f"inputs.{name}", entry.ports, symbols)
        for symbol, (low, high) in task.limits.items():
            if symbol not in symbols or not low <= high:
                yield f"limits.{symbol}: it goes from {low} to {high}, and no port of an input may have it"
        for tensor in task.given:
            yield from self._tensor("given", tensor, task.ranges, also="object")
            self.known.add(tensor.name)
        for number, part in enumerate(task.order):
            yield from (f"order.{number}.{fault}" for fault in self._part(part))
        for name, output in task.outputs.items():
            yield from self._unknown(f"outputs.{name}", [each for each in output.values if each is not None])
            if not output.values or output.values[0] is None:
                yield f"outputs.{name}: it has no value"
            if any(size is not None and size < 0 for size in output.sizes or ()):
                yield f"outputs.{name}: its sizes are {output.sizes}"

    def _ports(self, where: str, ports: Mapping[str, str], symbols: set[str]) -> Iterator[str]:
        """Faults of port types; `symbols` takes what stands in them."""
        for port, text in ports.items():
            try:
                found = parse_port_type(text)
            except ValueError:
                yield f"{where}.ports.{port}: it is {text!r}"
                continue
            symbols.update(symbol for dim in found.dims for symbol in dim.symbols)

    def _part(self, part: object) -> Iterator[str]:
        from composer_compile.artifact.manifest import GenerateEntry, HostCallEntry, ReadEntry, StageEntry

        if isinstance(part, StageEntry):
            yield from self._unknown("inputs", [tensor.name for tensor in part.inputs])
            yield from self._stage(part)
            self.known |= {tensor.name for tensor in part.outputs}
        elif isinstance(part, GenerateEntry):
            yield from self._generate(part)
            self.known |= set(part.ports.values())
        elif isinstance(part, HostCallEntry):
            named = [[each] if isinstance(each, str) else each for each in part.sources.values()]
            yield from self._unknown("sources", [name for names in named for name in names])
            self.made.update(part.ports.values())
        elif isinstance(part, ReadEntry):
            yield from self._unknown("sources", list(part.sources.values()))
            yield from self._read(part)
            self.made.update(f"{part.node}.{port}" for port in part.read.ports)

    def _read(self, part: ReadEntry) -> Iterator[str]:
        symbols: set[str] = set()
        yield from self._files("read", part.read.files)
        yield from self._ports("read", part.read.ports, symbols)
        yield from self._spans("ranges", part.ranges)
        for symbol in {*part.sizes, *part.limits} - symbols:
            yield f"sizes.{symbol}: no port has it"
        for symbol, (low, high) in part.limits.items():
            if not low <= high:
                yield f"limits.{symbol}: it goes from {low} to {high}"
        for name in part.ranges:
            if name not in part.sizes.values():
                yield f"ranges.{name}: no symbol has it"

    def _stage(self, stage: StageEntry) -> Iterator[str]:
        for tensor in (*stage.inputs, *stage.outputs):
            yield from self._tensor(stage.name, tensor, None)
        if stage.samples is not None and not any(stage.samples in tensor.dims for tensor in stage.inputs):
            yield f"{stage.name}: none of its inputs counts {stage.samples}"
        if not stage.programs:
            yield f"{stage.name}: it has no program"
        for program in stage.programs:
            yield from self._program(program)

    def _program(self, program: ProgramEntry) -> Iterator[str]:
        yield from self._files("programs", {"file": program.file})
        yield from self._spans("programs.ranges", program.ranges)
        for key in program.weights:
            if key is not None and key not in self.manifest.weights:
                yield f"programs.weights: there is no weight {key}"
        for name in program.operations:
            if name not in self.manifest.operations:
                yield f"programs.operations: there is no operation {name}"

    def _generate(self, entry: GenerateEntry) -> Iterator[str]:
        yield from self._stage(entry.decode)
        if not _counts(entry.beams) or not _counts(entry.framing.max_tokens) or not entry.framing.ends:
            yield f"framing: beams is {entry.beams} and max_tokens is {entry.framing.max_tokens}"
            return
        cached = entry.decode.inputs[2 if entry.beams > 1 else 1 :]
        yield from self._unknown("decode.inputs", [tensor.name for tensor in cached])
        yield from self._unknown("first", [] if entry.first is None else [entry.first])
        if not any(entry.batch in tensor.dims for tensor in cached):
            yield f"decode.inputs: none of the cache counts {entry.batch}"
        if not entry.decode.outputs:
            yield "decode.outputs: there are no logits"
        if entry.batch not in self.task.ranges:
            yield f"batch: there is no range {entry.batch}"
        for program in entry.decode.programs:
            if entry.batch not in program.fixed and entry.batch not in program.ranges:
                yield f"decode.programs: none says for which {entry.batch}"
        yield from self._files("text", entry.text.files)

    def _tensor(
        self, where: str, tensor: Tensor, ranges: Mapping[str, RangeEntry] | None, *, also: str = ""
    ) -> Iterator[str]:
        if tensor.dtype not in NUMBER_FORMATS and tensor.dtype != also:
            yield f"{where}: {tensor.name} is {tensor.dtype}"
        for size in tensor.dims:
            try:
                form = parse_form(size)
            except ValueError:
                yield f"{where}: {tensor.name} has the size {size!r}"
                continue
            yield from (
                f"{where}: there is no range {symbol}"
                for symbol in form.symbols
                if ranges is not None and symbol not in ranges
            )

    def _unknown(self, where: str, names: list[str]) -> Iterator[str]:
        for name in names:
            # A node on the host may make a record, whose parts programs read one by one.
            if name not in self.known and not {name, name.rpartition(".")[0]} & self.made:
                yield f"{where}: nothing gives {name}"

    def _files(self, where: str, files: Mapping[str, str]) -> Iterator[str]:
        yield from (
            f"{where}: there is no file {file}" for file in files.values() if file not in self.manifest.files
        )

    def _spans(self, where: str, spans: Mapping[str, RangeEntry]) -> Iterator[str]:
        yield from (
            f"{where}.{name}: it is {span}, best {span.best}"
            for name, span in spans.items()
            if not 1 <= span.low <= span.best <= span.high
        )


def _counts(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
