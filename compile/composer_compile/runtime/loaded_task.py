"""One task of a loaded artifact: its parts, and the walk through them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from composer.execution import (
    Flow,
    TextStream,
    check_one_sample,
    drawn_seed,
    last_search,
    leading_to,
    one_thread_in_forks,
    text_pieces,
)
from composer.execution.generation import first_text
from composer.execution.inputs import first_sample
from composer.execution.processors import Processors
from composer.execution.task_reader import OutputFacts, TaskReader
from composer.plan import current_watch, execute, pieces_inside, places_of, watched
from composer.plugin import Hypothesis, Registry, Seed
from composer.plugin.asking import ask
from composer.plugin.implementations import BoundSearch
from composer.types import Kind
from composer_compile.artifact.container import Container
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.artifact.manifest import (
    GenerateEntry,
    Output,
    ReadEntry,
    StageEntry,
    Task,
)
from composer_compile.runtime.host_parts import (
    LoadedHostCall,
    LoadedRead,
    loaded_host_call,
    loaded_read,
)
from composer_compile.runtime.loaded_parts import (
    LoadedGenerate,
    LoadedStage,
    LoadProgram,
    Part,
    loaded_generate,
    logits_name,
)
from composer_compile.runtime.requests import Requests

if TYPE_CHECKING:
    from composer_compile.runtime.shared_rows import SharedRows, SharedStages

__all__ = ["LoadedTask"]


class LoadedTask:
    """Answers requests. Thread-safe: a run changes nothing but values of its own."""

    def __init__(
        self,
        name: str,
        task: Task,
        *,
        load: LoadProgram,
        registry: Registry,
        container: Container,
        device: torch.device,
        shared: Processors,
        captures: bool = False,
        captures_stages: bool = False,
    ) -> None:
        self.name = name
        self.task = task
        self.device = device
        self.registry = registry
        self.load = load
        one_thread_in_forks()
        self.requests = Requests(
            name, task, registry=registry, container=container, shared=shared, device=device
        )
        self.order: list[Part] = []
        formats = {
            tensor.name: DTYPES[tensor.dtype]
            for entry in task.order
            if isinstance(entry, StageEntry)
            for tensor in entry.inputs
        }
        for entry in task.order:
            if isinstance(entry, StageEntry):
                self.order.append(LoadedStage(entry, load, captures=captures_stages))
            elif isinstance(entry, GenerateEntry):
                self.order.append(
                    loaded_generate(entry, load, registry, container, shared, device, captures=captures)
                )
            elif isinstance(entry, ReadEntry):
                self.order.append(loaded_read(name, entry, registry, container, shared, formats, device))
            else:
                self.order.append(loaded_host_call(entry, registry, container, formats, device))

    @cached_property
    def shared(self) -> SharedStages:
        """What runs once for rows that share values; one request alone needs none of it."""
        from composer_compile.runtime.shared_rows import SharedStages

        return SharedStages(self.requests, self.order)

    def warm_up(self) -> None:
        """Load every program now."""
        for program in self.task.programs:
            self.load(program)

    def run(self, raw: Mapping[str, Any], seed: Any = None) -> dict[str, Any]:
        """Raw values to answers: one per output, or lists of them where lists were given."""
        drawn, given = self.drawn(seed, raw)
        tensors, sizes, single = self.requests.read(given)
        values = self.values(tensors, sizes, drawn)
        return self.answer(values, single=single)

    @property
    def ranked(self) -> set[str]:
        """The values that hold scores, and those from which its searches start (`NODE.logits`)."""
        stages = [part.entry for part in self.order if isinstance(part, LoadedStage)]
        searches = [logits_name(part.name) for part in self.order if isinstance(part, LoadedGenerate)]
        return {
            *searches,
            *(each.name for stage in stages for each in stage.outputs if each.role == "ranked"),
        }

    @property
    def searches(self) -> list[BoundSearch]:
        """The searches of the task."""
        return [part.search for part in self.order if isinstance(part, LoadedGenerate)]

    def drawn(
        self, seed: object, raw: Mapping[str, Any], kept: Collection[str] = ()
    ) -> tuple[Seed | None, Mapping[str, Any]]:
        """The seed of a run and its raw inputs (see `drawn_seed`), beside those that are kept from before."""
        inputs = [name for name in self.task.inputs if name not in kept]
        return drawn_seed(seed, raw, self.name, inputs, self.searches)

    def values(
        self, tensors: Mapping[str, Tensor], sizes: Mapping[str, int], seed: Seed | None = 0
    ) -> dict[str, Any]:
        """Everything that comes out of the stages, by name. `tensors` are what `requests.fit` gives."""
        values: dict[str, Any] = dict(tensors)
        self.walk(values, dict(sizes), {}, seed)
        return values

    def walk(
        self,
        values: dict[str, Any],
        sizes: dict[str, int],
        found: dict[str, Sequence[Sequence[Hypothesis]]],
        seed: Seed | None = 0,
        parts: Sequence[Part] | None = None,
        batch: SharedRows | None = None,
    ) -> None:
        """Run every stage on named values, in place; `found` takes the hypotheses of every `generate` node, and `sizes`
        those that arise on the way.

        `parts` are those of `order` that run, where it is not all of them. `batch` is that of the values, where its
        rows share some of theirs.
        """

        def function(part: Part) -> Callable[..., Any]:
            if batch is not None and isinstance(part, LoadedStage) and part.name in self.shared.inputs:
                return partial(self.shared.call, part, batch, sizes)
            if isinstance(part, (LoadedStage, LoadedRead)):
                return partial(part.call, sizes)
            return part.answer if isinstance(part, LoadedHostCall) else partial(part.call, sizes, seed, found)

        order = self.order if parts is None else parts
        execute([(part, function(part)) for part in order], values, current_watch())

    def stream(self, raw: Mapping[str, Any], seed: Any = None) -> TextStream:
        """The last text of one sample as it is generated.

        Raises InputError, before anything runs, where it cannot be.
        """
        generators = {part.name: part for part in self.order if isinstance(part, LoadedGenerate)}
        flow = [Flow(part.name, places_of(part.reads), part.outputs) for part in self.order]
        name = last_search(self.name, {each: part.search for each, part in generators.items()}, flow)
        before = leading_to(flow, name)
        drawn, given = self.drawn(seed, raw)
        tensors, sizes, _ = self.requests.read(given)
        check_one_sample(sizes[generators[name].entry.batch])
        parts = [part for part in self.order if part.name in before]
        return TextStream(
            lambda earlier: self._pieces(generators[name], parts, dict(tensors), sizes, drawn, earlier)
        )

    def _pieces(
        self,
        generator: LoadedGenerate,
        before: Sequence[Part],
        values: dict[str, Any],
        sizes: Mapping[str, int],
        seed: Seed | None,
        earlier: dict[str, str],
    ) -> Iterator[str]:
        """Run what a `generate` node depends on, then give its text piece by piece; `earlier` takes texts before."""
        known = dict(sizes)
        self.walk(values, known, {}, seed, before)
        for part in before:
            if isinstance(part, LoadedGenerate):
                text = first_text(values[name] for name in part.entry.ports.values())
                if text is not None:
                    earlier[part.name] = text
        tokens = generator.stream(values, known, seed)
        pieces = text_pieces(tokens, generator.tokenizer, generator.search.framing, generator.search.stops)
        yield from pieces_inside(pieces, partial(watched, generator))

    def answer(self, values: Mapping[str, Any], *, single: bool) -> dict[str, Any]:
        """One value per output, or lists of them."""
        outputs = {name: self._output(entry, values) for name, entry in self.task.outputs.items()}
        if not single:
            return outputs
        kinds = {name: self.registry.kinds[entry.kind] for name, entry in self.task.outputs.items()}
        return {name: first_sample(value, kinds[name]) for name, value in outputs.items()}

    def reader(self) -> TaskReader:
        """What reads raw values apart from answering them."""
        return TaskReader(
            self.requests.host,
            fit=lambda arrays: self.requests.fit(self.requests.tensors(arrays)),
            answer=self._answers,
            outputs=output_facts(self.task, self.registry.kinds),
            sizes=self.requests.batch_sizes,
            searches=self.searches,
            check_seed=lambda seed: self.drawn(seed, {}),
            sharing=self.shared,
        )

    @torch.inference_mode()
    def _answers(
        self, fitted: tuple[dict[str, Tensor], dict[str, int]] | SharedRows, seed: object
    ) -> dict[str, Any]:
        drawn, _ = self.drawn(seed, {})
        if isinstance(fitted, tuple):
            return self.answer(self.values(*fitted, drawn), single=False)
        values: dict[str, Any] = dict(fitted.tensors)
        self.walk(values, dict(fitted.sizes), {}, drawn, batch=fitted)
        return self.answer(values, single=False)

    def _output(self, entry: Output, values: Mapping[str, Any]) -> Any:
        found = [None if name is None else values[name] for name in entry.values]
        record = self.registry.kinds[entry.kind].record
        return found[0] if record is None else ask(record, *found, what=f"the record of kind `{entry.kind}`")


def output_facts(task: Task, kinds: Mapping[str, Kind]) -> dict[str, OutputFacts]:
    """What the manifest says of every output before there is a value."""
    tensors = {
        each.name: each for part in task.order if isinstance(part, StageEntry) for each in part.outputs
    }
    searches = [part for part in task.order if isinstance(part, GenerateEntry)]
    pads = {part.ports["ids"]: part.framing.pad for part in searches if "ids" in part.ports}
    found = {}
    for name, output in task.outputs.items():
        kind = kinds[output.kind]
        value = next(each for each in output.values if each is not None)
        if value in tensors:
            sizes = [dim for axis, dim in enumerate(tensors[value].dims) if axis != kind.batch_axis]
            varies = any(isinstance(dim, str) and not dim.isdecimal() for dim in sizes)
        else:
            varies = len(kind.dims) > 1
        found[name] = OutputFacts(kind, varies=varies, pad=pads.get(value))
    return found
