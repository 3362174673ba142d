"""The stages of a generating task under one form, however they are run: encode, one decode step, the whole search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.prefixes import Prefixes, starting_prefixes, step_over_prefixes

__all__ = ["Stages", "live", "of_artifact", "over_prefixes", "torch_compiled"]


@dataclass(frozen=True)
class Stages:
    """`encode()` gives the state before the first token; `step(state)` and `search(state)` do not change it.

    Encoding includes the keys and values of the decoder's memory, where the decoder keeps any.
    """

    encode: Callable[[], Any]
    step: Callable[[Any], Any]
    search: Callable[[Any], list[list[Any]]]

    def answer(self) -> list[list[Any]]:
        return self.search(self.encode())


def live(runner: Any, tensors: Any) -> Stages:
    """The live program and its generator."""
    (generator,) = runner.generators.values()
    return _stages(
        generator,
        lambda: generator.start(generator.step.read(runner.program(tensors)))[1],
        generator.decoder.step,
    )


def torch_compiled(runner: Any, tensors: Any) -> Stages:
    """The live program and the decoder's step, each through torch.compile."""
    (generator,) = runner.generators.values()
    return _stages(
        generator,
        torch.compile(lambda: generator.start(generator.step.read(runner.program(tensors)))[1]),
        torch.compile(generator.decoder.step),
    )


def over_prefixes(runner: Any, tensors: Any) -> Stages:
    """The live encoding; every beam's whole text goes through the decoder at every token, as in published code.

    The step is the one in the middle of a text of `max_tokens`.
    """
    (generator,) = runner.generators.values()
    (port,) = generator.step.sources.values()
    beams, framing = generator.search.beams, generator.search.framing

    def encode() -> Prefixes:
        return starting_prefixes(generator, runner.program(tensors)[port])

    def step(state: Prefixes) -> Any:
        batch = state.ids.shape[0]
        middle = torch.full((batch, beams, framing.max_tokens // 2), framing.start, device=state.device)
        return step_over_prefixes(middle[:, :, 0], state._replace(ids=middle))[0]

    def search(state: Prefixes) -> list[list[Any]]:
        return list(generator.search.search(step_over_prefixes, state, state.ids.shape[0], 0))

    return Stages(encode, step, search)


def of_artifact(task: Any, raw: Mapping[str, Any]) -> Stages:
    """A loaded task of an artifact, on what its processors make of a request."""
    fitted, sizes, _ = task.requests.read(raw)
    named = {name: tensor.to(task.device) for name, tensor in fitted.items()}
    first, search = task.order[:2]
    batch = sizes[search.entry.batch]

    def encode() -> Any:
        results: Sequence[Any] = first.run([named[name] for name in first.inputs], sizes)
        return search.decoder.start(dict(zip(first.outputs, results, strict=True)), batch, sizes)

    def whole(state: Any) -> list[list[Any]]:
        return list(search.search.search(search.decoder.step, state, batch, 0))

    start = search.entry.framing.start
    return Stages(encode, _first_step(search.decoder.step, search.decoder.beams, batch, start), whole)


def _stages(generator: Any, encode: Callable[[], Any], step: Callable[..., Any]) -> Stages:
    beams, start = generator.search.beams, generator.search.framing.start

    def search(state: Any) -> list[list[Any]]:
        return list(generator.search.search(step, state, _rows(state), 0))

    def one(state: Any) -> Any:
        return _first_step(step, beams, _rows(state), start)(state)

    return Stages(encode, one, search)


def _rows(state: Any) -> int:
    """Samples in a decoder's cache: its memory holds one row each."""
    return int(state.memory[0].keys.shape[0])


def _first_step(step: Callable[..., Any], beams: int, batch: int, start: int) -> Callable[[Any], Any]:
    """The logits of the first token; beams are reordered before it, as before every other."""

    def run(state: Any) -> Any:
        ids = torch.full((batch, beams), start, device=state.device)
        if beams > 1:
            state = state.reorder(torch.arange(beams, device=state.device).repeat(batch, 1))
        return step(ids, state)[0]

    return run
