"""The contrastive loss of CLIP: each row's partner is the row of the same number, and the temperature is learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from composer_core.configs import ContrastiveConfig

__all__ = ["Contrastive", "build_contrastive"]


class Contrastive(nn.Module):
    """Compares embeddings by their angle; parameter `log_scale`, the logarithm of the inverse temperature."""

    def __init__(self, *, temperature: float, least_temperature: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))
        self.largest = math.log(1 / least_temperature)

    def forward(self, *, first: Tensor, second: Tensor) -> Tensor:
        """first[B, D] and second[B, D] → the mean loss of finding row i among all second, and back: scalar."""
        scores = self.scores(queries=first, candidates=second)
        labels = torch.arange(first.shape[0], device=first.device)
        return (functional.cross_entropy(scores, labels) + functional.cross_entropy(scores.T, labels)) / 2

    def scores(self, *, queries: Tensor, candidates: Tensor) -> Tensor:
        """queries[B, D] and candidates[K, D] → cosines over the temperature: scores[B, K]."""
        cosines = functional.normalize(queries, dim=-1) @ functional.normalize(candidates, dim=-1).T
        return cosines * self.log_scale.clamp(max=self.largest).exp()


def build_contrastive(config: ContrastiveConfig) -> Contrastive:
    return Contrastive(temperature=config.temperature, least_temperature=config.least_temperature)
