"""The contrastive loss: each row's partner is the row of the same number, and the temperature is learned.

A teacher's embeddings may stand for the candidates, rows of one group may be partners too, and a queue keeps the
candidates of batches before (MoCo, ALBEF).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from composer_core.gathered import rows_of_all
from composer_core.objective_configs import ContrastiveConfig

__all__ = ["Contrastive", "build_contrastive"]

NO_GROUP = -100
"""The group of a place of the queue that no sample has come to."""


class Contrastive(nn.Module):
    """Compares embeddings by their angle; parameter `log_scale`, the logarithm of the inverse temperature.

    Buffers of a queue of Q: `first_queue` and `second_queue` [D, Q], `groups` [Q], `next` [1], the place that is
    written next. They change in training alone, after the loss was computed.
    """

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / config.temperature)))
        self.largest = math.log(1 / config.least_temperature)
        self.alpha = config.alpha
        self.size = config.queue
        if config.queue:
            width = config.width or 0
            # Random directions, as published: until samples have come they are candidates that fit nothing.
            for name in ("first_queue", "second_queue"):
                self.register_buffer(name, functional.normalize(torch.randn(width, config.queue), dim=0))
            self.register_buffer("groups", torch.full((config.queue,), NO_GROUP, dtype=torch.int64))
            self.register_buffer("next", torch.zeros(1, dtype=torch.int64))

    def forward(
        self,
        *,
        first: Tensor,
        second: Tensor,
        groups: Tensor | None = None,
        first_teacher: Tensor | None = None,
        second_teacher: Tensor | None = None,
    ) -> Tensor:
        """first[B, D] and second[B, D] → the mean loss of finding row i among all candidates, and back: scalar.

        Candidates are the rows of the other side, or those of its teacher, and the queue. Rows of one of groups[B]
        share the target; without groups every row stands alone.
        """
        first, second = _unit(first), _unit(second)
        with torch.no_grad():
            own = (
                first if first_teacher is None else _unit(first_teacher),
                second if second_teacher is None else _unit(second_teacher),
            )
        has_teacher = first_teacher is not None and second_teacher is not None
        firsts = self._candidates(own[0] if has_teacher else first, "first_queue")
        seconds = self._candidates(own[1] if has_teacher else second, "second_queue")
        targets = self._targets(first, groups)
        scale = self._scale()
        losses = [
            self._loss(rows @ candidates * scale, teacher @ candidates * scale, targets, soft=has_teacher)
            for rows, teacher, candidates in ((first, own[0], seconds), (second, own[1], firsts))
        ]
        if self.training and self.size:
            self._keep(own[0].detach(), own[1].detach(), groups)
        return (losses[0] + losses[1]) / 2

    def scores(self, *, queries: Tensor, candidates: Tensor) -> Tensor:
        """queries[B, D] and candidates[K, D] → cosines over the temperature: scores[B, K]."""
        return _unit(queries) @ _unit(candidates).T * self._scale()

    def _scale(self) -> Tensor:
        return self.log_scale.clamp(max=self.largest).exp()

    def _candidates(self, rows: Tensor, queue: str) -> Tensor:
        """The batch and what the queue holds, [D, B + Q]."""
        if not self.size:
            return rows.T
        return torch.cat((rows.T, self.get_buffer(queue).detach().to(rows.dtype)), dim=1)

    def _targets(self, rows: Tensor, groups: Tensor | None) -> Tensor:
        """What each row's probabilities should be, [B, B + Q]: equal among the candidates of its group."""
        if groups is None:
            alone = torch.eye(rows.shape[0], device=rows.device, dtype=rows.dtype)
            return functional.pad(alone, (0, self.size))
        others = torch.cat((groups, self.get_buffer("groups"))) if self.size else groups
        same = (groups.unsqueeze(1) == others).to(rows.dtype)
        return same / same.sum(dim=1, keepdim=True)

    def _loss(self, scores: Tensor, taught: Tensor, targets: Tensor, *, soft: bool) -> Tensor:
        if soft and self.alpha:
            targets = self.alpha * taught.detach().softmax(dim=1) + (1 - self.alpha) * targets
        return -(scores.log_softmax(dim=1) * targets).sum(dim=1).mean()

    @torch.no_grad()
    def _keep(self, firsts: Tensor, seconds: Tensor, groups: Tensor | None) -> None:
        """Put the samples of the batch into the queue, in place of the oldest; of too many, the last ones.

        Where several processes share the batch, those of all of them, so that their queues stay the same.
        """
        firsts, seconds = rows_of_all(firsts), rows_of_all(seconds)
        groups = None if groups is None else rows_of_all(groups)
        count = min(firsts.shape[0], self.size)
        start = self.get_buffer("next")
        places = (start + torch.arange(count, device=firsts.device)) % self.size
        self.get_buffer("first_queue")[:, places] = firsts[-count:].T.to(self.get_buffer("first_queue").dtype)
        self.get_buffer("second_queue")[:, places] = seconds[-count:].T.to(
            self.get_buffer("second_queue").dtype
        )
        self.get_buffer("groups")[places] = NO_GROUP if groups is None else groups[-count:]
        start.copy_((start + count) % self.size)


def _unit(rows: Tensor) -> Tensor:
    return functional.normalize(rows, dim=-1)


def build_contrastive(config: ContrastiveConfig) -> Contrastive:
    return Contrastive(config)
