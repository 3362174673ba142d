"""How much of a stop string texts end with, as tensors beside a search, from the table of `stop_table`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["StopTracker"]


@dataclass(frozen=True)
class StopTracker:
    """States of texts: the last one is that of a text that holds a whole stop string."""

    table: Sequence[Sequence[int]]
    """The state after a token, by the state before it and the id."""
    _made: dict[torch.device, tuple[Tensor, Tensor]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def over(self) -> int:
        """The state of a text that holds a stop string."""
        return len(self.table) - 1

    def opening(self, size: tuple[int, int], device: torch.device) -> Tensor:
        """The states [B, K] of texts without a token."""
        self._tensors(device)
        return torch.full(size, self.over - 1, device=device)

    def after(self, states: Tensor, ids: Tensor) -> Tensor:
        """The states [B, K] after the tokens ids[B, K]."""
        table, _ = self._tensors(ids.device)
        return table[states, ids.clamp(max=table.shape[1] - 1)]

    def closing(self, states: Tensor, vocabulary: int) -> Tensor:
        """Which tokens complete a stop string in texts of these states [B, K]: [B, K, V] bool."""
        _, closes = self._tensors(states.device)
        found = closes[states]
        beyond = vocabulary - found.shape[-1]
        return found[..., :vocabulary] if beyond <= 0 else torch.nn.functional.pad(found, (0, beyond))

    def _tensors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The table with one id more, of those that the tokenizer does not know, and which tokens complete a string."""
        if device not in self._made:
            rows = [[*row, self.over if state == self.over else 0] for state, row in enumerate(self.table)]
            with torch.inference_mode(False):
                table = torch.tensor(rows, device=device)
                # A tokenizer's ids alone: those beyond part what is before and after, and complete nothing.
                self._made[device] = table, table[:, :-1] == self.over
        return self._made[device]
