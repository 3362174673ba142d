"""The parts of a loaded task: stages with their programs, searches over a decoder's program, nodes on the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Union

import torch
from torch import Tensor

from composer.execution import output_ports, seed_for
from composer.execution.captured_nodes import CapturedNode
from composer.execution.captured_search import DecoderSearch
from composer.execution.processors import Processors
from composer.plan import Sources
from composer.plugin import Framing, Hypothesis, Registry, Seed, Tokenizer
from composer.plugin.asking import ask
from composer.plugin.implementations import BoundSearch, bind_search, tokenizer_of
from composer.problems import InputError
from composer.types import parse_form
from composer_compile.artifact.container import Container
from composer_compile.artifact.manifest import (
    GenerateEntry,
    ProgramEntry,
    StageEntry,
)
from composer_compile.backends.contract import LoadedProgram
from composer_compile.errors import ArtifactError
from composer_compile.runtime.decoder import CompiledDecoder
from composer_compile.runtime.host_parts import LoadedHostCall, LoadedRead
from composer_compile.runtime.requests import config_of, processor_of

__all__ = [
    "LoadProgram",
    "LoadedGenerate",
    "LoadedStage",
    "Part",
    "ids_name",
    "loaded_generate",
    "logits_name",
    "new_sizes",
]

LoadProgram = Callable[[ProgramEntry], LoadedProgram]


def ids_name(node: str) -> str:
    """What the ids of a search's best hypothesis are called where results are compared."""
    return f"{node}.ids"


def logits_name(node: str) -> str:
    """What the scores after a search's start token are called there."""
    return f"{node}.logits"


class LoadedStage:
    """A stage with its programs: the first whose sizes fit is used, and loaded when it is first used.

    `captures` says that on a GPU it runs as one CUDA graph for each of its shapes, once these come a second time.
    """

    def __init__(self, entry: StageEntry, load: LoadProgram, *, captures: bool = False) -> None:
        self.entry = entry
        self.name = entry.name
        self.callee = ", ".join(entry.nodes)
        self.inputs = [tensor.name for tensor in entry.inputs]
        self.outputs = [tensor.name for tensor in entry.outputs]
        self.reads: Sources = tuple((name, name) for name in self.inputs)
        self.only: str | None = None
        self.dims = {tensor.name: tensor.dims for tensor in (*entry.inputs, *entry.outputs)}
        self.load = load
        self.captured: list[Callable[..., Sequence[Tensor]]] = (
            [CapturedNode(self.name, partial(self._run_by_name, program)) for program in entry.programs]
            if captures
            else []
        )

    def write(self, values: dict[str, Any], results: Sequence[Tensor]) -> None:
        """Keep its results by name."""
        values.update(zip(self.outputs, results, strict=True))

    def call(self, sizes: dict[str, int], /, **tensors: Tensor) -> Sequence[Tensor]:
        """Run on tensors by name; sizes that only they know, such as the length of generated ids, join the others."""
        sizes.update(new_sizes(self, tensors, sizes))
        return self.run(tuple(tensors.values()), sizes)

    def fits(self, sizes: Mapping[str, int]) -> bool:
        """Whether there is a program for these sizes."""
        return any(_holds(program, sizes) for program in self.entry.programs)

    def run(self, tensors: Sequence[Tensor], sizes: Mapping[str, int]) -> Sequence[Tensor]:
        """Run the program for these sizes; those that it does not depend on may be absent."""
        for index, program in enumerate(self.entry.programs):
            if _holds(program, sizes):
                if self.captured:
                    results = self.captured[index](**dict(zip(self.inputs, tensors, strict=True)))
                else:
                    results = self.load(program)(*tensors)
                if len(results) != len(self.outputs):
                    raise ArtifactError(
                        f"stage {self.entry.name}: its program gives {len(results)} tensors, and the manifest names "
                        f"{len(self.outputs)}: the artifact was changed, compile it anew"
                    )
                return results
        raise InputError(
            f"no program of stage {self.entry.name} fits the sizes {', '.join(f'{k}={v}' for k, v in sizes.items())}"
        )

    def _run_by_name(self, program: ProgramEntry, /, **tensors: Tensor) -> Sequence[Tensor]:
        return self.load(program)(*tensors.values())


def _holds(program: ProgramEntry, sizes: Mapping[str, int]) -> bool:
    return all(sizes.get(name, size) == size for name, size in program.fixed.items()) and all(
        span.low <= sizes.get(name, span.low) <= span.high for name, span in program.ranges.items()
    )


@dataclass
class LoadedGenerate:
    """A `generate` node: the decoder's program under its search policy."""

    entry: GenerateEntry
    decoder: CompiledDecoder
    searching: DecoderSearch
    tokenizer: Tokenizer
    device: torch.device
    only: str | None = None

    @property
    def name(self) -> str:
        return self.entry.node

    @property
    def search(self) -> BoundSearch:
        """The policy that finds its tokens."""
        return self.searching.search

    @property
    def callee(self) -> str:
        return self.search.policy.id

    @property
    def reads(self) -> Sources:
        """The cache that a program made, and perhaps the scores of the first token."""
        first = self.entry.first
        return tuple((name, name) for name in (*self.decoder.cached, *([] if first is None else [first])))

    @property
    def outputs(self) -> list[str]:
        """The names of the values that it gives."""
        return list(self.entry.ports.values())

    def write(self, values: dict[str, Any], result: Mapping[str, Any]) -> None:
        """Keep the ports by name."""
        values.update(result)

    def call(
        self,
        sizes: Mapping[str, int],
        seed: Seed | None,
        found: dict[str, Sequence[Sequence[Hypothesis]]],
        /,
        **values: Tensor,
    ) -> dict[str, Any]:
        """The values of the ports; `found` takes the hypotheses under the node's name."""
        found[self.name] = self.run(values, sizes, seed)
        return self.ports(found[self.name])

    def run(
        self, values: Mapping[str, Tensor], sizes: Mapping[str, int], seed: Seed | None
    ) -> Sequence[Sequence[Hypothesis]]:
        """Every sample's hypotheses, best first."""
        batch = sizes[self.entry.batch]
        find = partial(self.searching.find, first=self._first(values))
        what = f"`search` of {self.search.policy.title}"
        cache = self.decoder.start(values, batch, sizes)
        found: Sequence[Sequence[Hypothesis]] = ask(
            find, cache, batch, seed_for(self.search, seed, batch), what=what
        )
        return found

    def stream(
        self, values: Mapping[str, Tensor], sizes: Mapping[str, int], seed: Seed | None
    ) -> Iterator[int]:
        """The tokens of one sample as they are found."""
        what = f"`stream` of {self.search.policy.title}"
        stream = partial(self.searching.stream, first=self._first(values))
        cache = self.decoder.start(values, 1, sizes)
        tokens = ask(stream, cache, seed_for(self.search, seed, 1), what=what, accept=iter)
        while (token := ask(next, tokens, None, what=what)) is not None:
            yield token

    def _first(self, values: Mapping[str, Tensor]) -> Tensor | None:
        """The scores of the first token, where a prompt gave them."""
        return None if self.entry.first is None else values[self.entry.first]

    def ports(self, found: Sequence[Sequence[Hypothesis]]) -> dict[str, Any]:
        """The values of the node's ports."""
        ports = self.entry.ports
        values = output_ports(
            tuple(ports), found, search=self.search, tokenizer=self.tokenizer, device=self.device
        )
        return {name: values[port] for port, name in ports.items()}


Part = Union[LoadedStage, LoadedGenerate, LoadedHostCall, LoadedRead]
"""What a task runs, one after the other."""


def new_sizes(part: LoadedStage, values: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, int]:
    """Free dimensions that only a result knows, such as the length of generated ids."""
    return {
        dim: values[tensor.name].shape[axis]
        for tensor in part.entry.inputs
        for axis, dim in enumerate(tensor.dims)
        if isinstance(dim, str) and dim not in sizes and parse_form(dim).is_symbol
    }


def loaded_generate(
    entry: GenerateEntry,
    load: LoadProgram,
    registry: Registry,
    container: Container,
    shared: Processors,
    device: torch.device,
    *,
    captures: bool,
) -> LoadedGenerate:
    stage = LoadedStage(entry.decode, load)
    beams = entry.beams
    leading = 2 if beams > 1 else 1
    cached = entry.decode.inputs[leading:]
    axes = {
        tensor.name: next((axis for axis, dim in enumerate(tensor.dims) if dim == entry.batch), None)
        for tensor in cached
    }
    fewest = min(
        program.fixed.get(entry.batch) or program.ranges[entry.batch].low for program in entry.decode.programs
    )
    decoder = CompiledDecoder(
        run=lambda tensors, rows, sizes: stage.run(tensors, {**sizes, entry.batch: rows}),
        cached=[tensor.name for tensor in cached],
        changed=[tensor.name for tensor in entry.decode.outputs[1:]],
        axes=axes,
        beams=beams,
        fewest=fewest,
    )
    processor = processor_of(entry.text, registry, container, shared)
    tokenizer = tokenizer_of(processor, f"modality `{entry.text.modality}`")
    search = _search(entry, registry, container, tokenizer)
    searching = DecoderSearch(search, decoder, captures=captures)
    return LoadedGenerate(entry, decoder, searching, tokenizer, device)


def _search(
    entry: GenerateEntry, registry: Registry, container: Container, tokenizer: Tokenizer
) -> BoundSearch:
    """The search of a `generate` node, as the artifact was compiled for it."""
    policy = registry.policies[entry.policy]
    config = config_of(policy, "policies", entry.config, container)
    frame = entry.framing
    framing = Framing(frame.start, tuple(frame.ends), frame.pad, frame.min_tokens, frame.max_tokens)
    return bind_search(policy, config, framing, beams=entry.beams, streams=entry.streams, tokenizer=tokenizer)
