"""The stages of a generating task under one form, however they are run: encode, one decode step, the whole search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from benchmarks.prefixes import Prefixes, starting_prefixes, step_over_prefixes
from composer.execution.captured_search import DecoderSearch
from composer.plugin.search_loop import Turn, Turns

__all__ = ["Begun", "Stages", "live", "of_artifact", "over_prefixes", "torch_compiled"]


class Begun(NamedTuple):
    """The state before the first token: the decoder's cache, its samples, the first scores where a prompt gave them.

    On a GPU a search may have the places of captured turns, which serve one at a time.
    """

    cache: Any
    rows: int
    first: Tensor | None = None


@dataclass(frozen=True)
class Stages:
    """`encode()` gives the state before the first token, from which `search(state)` goes on.

    Encoding includes the keys and values of the decoder's memory, where the decoder keeps any.
    """

    encode: Callable[[], Begun]
    searching: DecoderSearch

    def search(self, state: Begun) -> list[Any]:
        return list(self.searching.find(state.cache, state.rows, 0, first=state.first))

    def answer(self) -> list[Any]:
        return self.search(self.encode())

    def step(self, state: Begun) -> Tensor:
        """The logits[B, K, V] of the first token, by the decoder alone; the state is as it was."""
        beams, device = self.searching.search.beams, state.cache.device
        start = self.searching.search.framing.start
        cache = state.cache
        if beams > 1:  # as before every other token
            cache = cache.reorder(torch.arange(beams, device=device).repeat(state.rows, 1))
        logits: Tensor = self.searching.decoder.step(
            torch.full((state.rows, beams), start, device=device), cache
        )[0]
        return logits

    def turning(self, most: int) -> Callable[[], Any]:
        """One turn of the search per call (reordering, the decoder's step, what the search makes of its scores), each
        after the one before; anew from the encoding after `most` of them."""
        held: list[Turns] = []
        left = 0

        def run() -> Turn:
            nonlocal left
            if not left:
                held.clear()  # the places of captured turns are free again
                state = self.encode()
                held.append(self.searching.turns(state.cache, state.rows, 0, first=state.first))
                left = most
            left -= 1
            return held[0].take()

        return run

    def state_bytes(self) -> int:
        """What the cache of a search takes."""
        state = self.encode()
        rows = torch.arange(state.rows, device=state.cache.device)
        kept = state.cache.select(rows)
        leaves = tree_leaves(getattr(kept, "tensors", kept))
        return sum(leaf.nbytes for leaf in leaves if isinstance(leaf, Tensor))


def live(runner: Any, tensors: Any) -> Stages:
    """The live program and its generator, with its turns captured where they are in an answer."""
    (generator,) = runner.generators.values()

    def encode() -> Begun:
        first, cache, rows = generator.start(generator.step.read(runner.program(tensors)))
        return Begun(cache, rows, first)

    return Stages(encode, generator.searching)


def torch_compiled(runner: Any, tensors: Any) -> Stages:
    """The live program and the decoder's step, each through torch.compile."""
    (generator,) = runner.generators.values()
    encode = torch.compile(lambda: generator.start(generator.step.read(runner.program(tensors)))[1])
    decoder = SimpleNamespace(step=torch.compile(generator.decoder.step))

    def begin() -> Begun:
        cache = encode()
        return Begun(cache, cache.memory[0].keys.shape[0])

    return Stages(begin, DecoderSearch(generator.search, decoder, captures=False))


def over_prefixes(runner: Any, tensors: Any) -> Stages:
    """The live encoding; every beam's whole text goes through the decoder at every token, as in published code."""
    (generator,) = runner.generators.values()
    (port,) = generator.step.sources.values()

    def encode() -> Begun:
        state: Prefixes = starting_prefixes(generator, runner.program(tensors)[port])
        return Begun(state, state.ids.shape[0])

    decoder = SimpleNamespace(step=step_over_prefixes)
    return Stages(encode, DecoderSearch(generator.search, decoder, captures=False))


def of_artifact(task: Any, raw: Mapping[str, Any]) -> Stages:
    """A loaded task of an artifact, on what its processors make of a request."""
    fitted, sizes, _ = task.requests.read(raw)
    named = {name: tensor.to(task.device) for name, tensor in fitted.items()}
    first, search = task.order[:2]
    batch = sizes[search.entry.batch]

    def encode() -> Begun:
        results: Sequence[Any] = first.run([named[name] for name in first.inputs], sizes)
        values = dict(zip(first.outputs, results, strict=True))
        return Begun(search.decoder.start(values, batch, sizes), batch)

    return Stages(encode, search.searching)
