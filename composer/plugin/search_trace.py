"""What a beam search decided, step by step, left on the device until it ends: the host reads it once.

A policy that looks at its numbers after every token makes an accelerator wait for the host at every token. With a trace
it hands its tensors over as they are, lets samples leave now and then, and reads texts off at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Moment", "SearchTrace"]

STEPS_BETWEEN_LOOKS = 8
"""Steps of an accelerator between two looks of the host. Those beyond the end of a text change nothing."""


@dataclass(frozen=True)
class Moment:
    """One step of one sample, on the host: parents[K] and tokens[K] of the beams, and what the policy noted besides."""

    parents: list[int]
    tokens: list[int]
    noted: list[Any]
    is_end: bool
    """Whether the sample is done with it."""


class SearchTrace:
    """The steps of all samples of one search. A row is a sample that is still searched; `rows` says which one each is.

    On the processor a sample leaves its search when it is done. An accelerator goes on with all of them until the
    last one is, so that each of its steps is the same program.
    """

    def __init__(self, batch: int, *, start: int, device: torch.device) -> None:
        self.start = start
        self.batch = batch
        self.rows = list(range(batch))
        self._on_host = device.type == "cpu"
        self._done = torch.zeros(batch, dtype=torch.bool, device=device)
        self._steps: list[tuple[list[int], tuple[Tensor, ...]]] = []

    def add(self, parents: Tensor, tokens: Tensor, *noted: Tensor, done: Tensor) -> None:
        """A step: parents[R, K] and tokens[R, K] of the beams, notes [R, ...], and which samples it ends, done[R]."""
        self._done = self._done | done
        self._steps.append((self.rows, (parents, tokens, *noted, self._done)))

    def narrow(self) -> Tensor | None:
        """Let done samples leave: the rows[R] (int64) that go on, none at the end; None where nothing changes."""
        if not self._on_host:
            looks = len(self._steps) % STEPS_BETWEEN_LOOKS == 0
            return self._kept([]) if looks and bool(self._done.all()) else None
        done = self._done.tolist()
        return self._kept([row for row, ended in enumerate(done) if not ended]) if any(done) else None

    def _kept(self, rows: list[int]) -> Tensor:
        kept = torch.tensor(rows, dtype=torch.int64, device=self._done.device)
        self.rows = [self.rows[row] for row in rows]
        self._done = self._done[kept]
        return kept

    def moments(self) -> list[list[Moment]]:
        """Of every sample its steps, up to the one that ended it."""
        found: list[list[Moment]] = [[] for _ in range(self.batch)]
        ended: set[int] = set()
        for rows, tensors in _as_lists(self._steps):
            for row, sample in enumerate(rows):
                if sample not in ended:
                    parents, tokens, *noted, done = (tensor[row] for tensor in tensors)
                    found[sample].append(Moment(parents, tokens, noted, done))
                    if done:
                        ended.add(sample)
        return found

    def ids(self, moments: Sequence[Moment], step: int, beam: int) -> list[int]:
        """The text of a beam after a step: its tokens behind the start token. Before the first step it is -1."""
        tokens = []
        for moment in reversed(moments[: step + 1]):
            tokens.append(moment.tokens[beam])
            beam = moment.parents[beam]
        return [self.start, *reversed(tokens)]


def _as_lists(steps: list[tuple[list[int], tuple[Tensor, ...]]]) -> Iterator[tuple[list[int], list[Any]]]:
    """Every step with its tensors as lists. Steps of the same rows are read together."""
    at = 0
    while at < len(steps):
        rows = steps[at][0]
        end = next((i for i in range(at, len(steps)) if steps[i][0] is not rows), len(steps))
        columns = [
            torch.stack(tensors).tolist()
            for tensors in zip(*(each for _, each in steps[at:end]), strict=True)
        ]
        yield from ((rows, list(step)) for step in zip(*columns, strict=True))
        at = end
