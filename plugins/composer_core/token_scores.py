"""The torch module that says of each text how well its hidden tokens are told."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from composer.plugin import NoConfig
from composer_core.masking import NOT_SCORED

__all__ = ["TokenScores", "build_token_scores"]


class TokenScores(nn.Module):
    """logits[B, L, V] against labels[B, L], of which those other than -100 count → three numbers[B] of each text.

    `right`: tokens whose best id is the label; `cost`: the sum of their negative log-likelihoods, in nats; `count`: how
    many there are. A text without any has zeros.
    """

    def forward(self, *, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        scores, counts = logits.float(), labels != NOT_SCORED
        wanted = labels.masked_fill(~counts, 0).unsqueeze(-1)
        cost = torch.logsumexp(scores, dim=-1) - scores.gather(-1, wanted).squeeze(-1)
        right = (scores.argmax(dim=-1) == labels) & counts
        found = {"right": right, "cost": cost.masked_fill(~counts, 0.0), "count": counts}
        # Only the sum is rounded to half precision, not each of its terms.
        return {name: each.float().sum(dim=1).to(logits.dtype) for name, each in found.items()}


def build_token_scores(config: NoConfig) -> TokenScores:
    return TokenScores()
