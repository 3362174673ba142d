"""A beam over full prefixes, as published code searches: the decoder keeps nothing from one token to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from composer.types import States, Tokens

__all__ = ["Prefixes", "ids_of", "prefix_beam", "starting_prefixes", "step_over_prefixes"]


class Prefixes(NamedTuple):
    """The state of a decoder without a cache: the memory of every beam, and all tokens so far."""

    decoder: Any
    memory: States
    ids: Tensor
    """[B, K, L] int64."""

    @property
    def device(self) -> torch.device:
        return self.ids.device

    def reorder(self, parents: Tensor) -> Prefixes:
        return self._replace(ids=self.ids.gather(1, parents.unsqueeze(-1).expand_as(self.ids)))

    def select(self, rows: Tensor) -> Prefixes:
        beams = self.ids.shape[1]
        kept = (rows.unsqueeze(1) * beams + torch.arange(beams, device=rows.device)).flatten()
        mask = None if self.memory.mask is None else self.memory.mask[kept]
        return self._replace(memory=States(self.memory.values[kept], mask), ids=self.ids[rows])


def step_over_prefixes(last: Tensor, state: Prefixes) -> tuple[Tensor, Prefixes]:
    """Run the decoder over every beam's whole text, keys and values of its memory included."""
    ids = torch.cat((state.ids, last.unsqueeze(-1)), dim=-1)
    rows = ids.flatten(0, 1)
    logits = state.decoder(memory=state.memory, tokens=Tokens(rows, torch.ones_like(rows)))
    return logits[:, -1].unflatten(0, ids.shape[:2]), state._replace(ids=ids)


def starting_prefixes(generator: Any, memory: States) -> Prefixes:
    """No token yet; the memory is repeated for every beam."""
    beams, batch = generator.search.beams, memory.values.shape[0]
    mask = None if memory.mask is None else memory.mask.repeat_interleave(beams, 0)
    repeated = States(memory.values.repeat_interleave(beams, 0), mask)
    ids = torch.empty(batch, beams, 0, dtype=torch.int64, device=memory.values.device)
    return Prefixes(generator.decoder, repeated, ids)


def prefix_beam(generator: Any, memory: States) -> Callable[[], Any]:
    """The generator's own search, over a decoder that keeps nothing from one token to the next."""
    return lambda: generator.search.search(
        step_over_prefixes, starting_prefixes(generator, memory), memory.values.shape[0], 0
    )


def ids_of(found: Any) -> list[list[list[int]]]:
    """The ids of every hypothesis of every sample, best first."""
    return [[list(hypothesis.ids) for hypothesis in hypotheses] for hypotheses in found]
