"""The stages of a generating task under one form, however they are run: encode, one decode step, the whole search."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from benchmarks.prefixes import Prefixes, starting_prefixes, step_over_prefixes

__all__ = ["Begun", "Stages", "live", "of_artifact", "over_prefixes", "torch_compiled"]


class Begun(NamedTuple):
    """The state before the first token: what a search calls for every token, and the cache that it begins with.

    On a GPU both may belong to captured steps, whose places serve one search at a time: drop one before the next.
    """

    step: Callable[[Tensor, Any], tuple[Tensor, Any]]
    cache: Any
    rows: int


@dataclass(frozen=True)
class Stages:
    """`encode()` gives the state before the first token, from which `search(state)` goes on.

    Encoding includes the keys and values of the decoder's memory, where the decoder keeps any.
    """

    encode: Callable[[], Begun]
    search: Callable[[Begun], list[list[Any]]]
    beams: int
    start: int
    """The token before the first."""

    def answer(self) -> list[list[Any]]:
        return self.search(self.encode())

    def step(self, state: Begun) -> Tensor:
        """The logits[B, K, V] of the first token; the state is as it was, unless its steps are captured."""
        return _next(state, self.beams, self.start)[0]

    def stepping(self, most: int) -> Callable[[], Tensor]:
        """One step of a search per call, each after the one before; anew from the encoding after `most` of them."""
        held: list[Begun] = []
        left = 0

        def run() -> Tensor:
            nonlocal left
            if not left:
                held.clear()  # the places of captured steps are free again
                held.append(self.encode())
                left = most
            left -= 1
            logits, cache = _next(held[0], self.beams, self.start)
            held[0] = held[0]._replace(cache=cache)
            return logits

        return run

    def state_bytes(self) -> int:
        """What the cache of a search takes."""
        state = self.encode()
        rows = torch.arange(state.rows, device=state.cache.device)
        kept = state.cache.select(rows)
        leaves = tree_leaves(getattr(kept, "tensors", kept))
        return sum(leaf.nbytes for leaf in leaves if isinstance(leaf, Tensor))


def live(runner: Any, tensors: Any) -> Stages:
    """The live program and its generator, with its steps captured where they are in an answer."""
    (generator,) = runner.generators.values()

    def encode() -> Begun:
        step, cache, batch = generator.start(generator.step.read(runner.program(tensors)))
        return Begun(step, cache, batch)

    return _stages(generator, encode)


def torch_compiled(runner: Any, tensors: Any) -> Stages:
    """The live program and the decoder's step, each through torch.compile."""
    (generator,) = runner.generators.values()
    plain = copy.copy(generator)
    plain.captured = None
    encode = torch.compile(lambda: plain.start(plain.step.read(runner.program(tensors)))[1])
    step = torch.compile(generator.decoder.step)

    def begin() -> Begun:
        cache = encode()
        return Begun(step, cache, cache.memory[0].keys.shape[0])

    return _stages(generator, begin)


def over_prefixes(runner: Any, tensors: Any) -> Stages:
    """The live encoding; every beam's whole text goes through the decoder at every token, as in published code."""
    (generator,) = runner.generators.values()
    (port,) = generator.step.sources.values()

    def encode() -> Begun:
        state: Prefixes = starting_prefixes(generator, runner.program(tensors)[port])
        return Begun(step_over_prefixes, state, state.ids.shape[0])

    return _stages(generator, encode)


def of_artifact(task: Any, raw: Mapping[str, Any]) -> Stages:
    """A loaded task of an artifact, on what its processors make of a request."""
    fitted, sizes, _ = task.requests.read(raw)
    named = {name: tensor.to(task.device) for name, tensor in fitted.items()}
    first, search = task.order[:2]
    batch = sizes[search.entry.batch]

    def encode() -> Begun:
        results: Sequence[Any] = first.run([named[name] for name in first.inputs], sizes)
        step, cache = search.begin(dict(zip(first.outputs, results, strict=True)), batch, sizes)
        return Begun(step, cache, batch)

    def whole(state: Begun) -> list[list[Any]]:
        return list(search.search.search(state.step, state.cache, batch, 0))

    return Stages(encode, whole, search.decoder.beams, search.entry.framing.start)


def _stages(generator: Any, encode: Callable[[], Begun]) -> Stages:
    def search(state: Begun) -> list[list[Any]]:
        return list(generator.search.search(state.step, state.cache, state.rows, 0))

    return Stages(encode, search, generator.search.beams, generator.search.framing.start)


def _next(state: Begun, beams: int, token: int) -> tuple[Tensor, Any]:
    """A step with the same token everywhere; beams are reordered before it, as before every other."""
    device = state.cache.device
    cache = state.cache
    if beams > 1:
        cache = cache.reorder(torch.arange(beams, device=device).repeat(state.rows, 1))
    return state.step(torch.full((state.rows, beams), token, device=device), cache)
