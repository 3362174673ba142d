"""Torch modules for learning which pairs belong together: hard negatives, and pairs with their labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from composer.plugin import NoConfig
from composer.types import States
from composer_core.objective_configs import HardNegativesConfig, RescoredConfig, TopPairsConfig
from composer_core.seeded import generator_of

__all__ = [
    "HardNegatives",
    "MatchingPairs",
    "Rescored",
    "TopPairs",
    "build_hard_negatives",
    "build_matching_pairs",
    "build_rescored",
    "build_top_pairs",
]

NOT_SCORED = -100


class HardNegatives(nn.Module):
    """For each row of scores[B, B] a candidate that does not belong to it, the likelier the higher its score.

    Row i belongs to candidate i, and to all of its group. `rows`[B] is -1 where a row has no negative in the batch;
    `chances`[B, B] is what was drawn from: the softmax of a row without what belongs to it.
    """

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def forward(self, *, scores: Tensor, groups: Tensor | None = None) -> dict[str, Tensor]:
        with torch.no_grad():
            batch = scores.shape[0]
            own = (
                torch.eye(batch, dtype=torch.bool, device=scores.device)
                if groups is None
                else groups.unsqueeze(1) == groups
            )
            chances = scores.softmax(dim=1).masked_fill(own, 0)
            # On the processor, so that a run draws the same wherever it computes; what underflowed may be drawn too.
            left = torch.where(own, 0.0, chances.float().clamp(min=1e-12)).cpu()
            none = left.sum(dim=1) == 0
            left[none] = 1.0
            drawn = torch.multinomial(left, 1, generator=generator_of(self)).squeeze(1)
            return {"rows": drawn.masked_fill(none, -1).to(scores.device), "chances": chances}


class MatchingPairs(nn.Module):
    """All pairs of a batch with their labels: first[B, N, D] and second[B, M, E] → 3 * B pairs.

    First the pairs that belong together (class 1), then each first one with a negative second one, then each second one
    with a negative first one (class 0; -100 where there is no negative).
    """

    def forward(
        self, *, first: States, second: States, first_negatives: Tensor, second_negatives: Tensor
    ) -> dict[str, States | Tensor]:
        batch = first.values.shape[0]
        own = torch.arange(batch, device=first.values.device)
        firsts = torch.cat((own, own, first_negatives.clamp(min=0)))
        seconds = torch.cat((own, second_negatives.clamp(min=0), own))
        negatives = torch.cat((second_negatives, first_negatives))
        labels = torch.cat((torch.ones_like(own), torch.where(negatives < 0, NOT_SCORED, 0)))
        return {"first": _rows(first, firsts), "second": _rows(second, seconds), "classes": labels}


class TopPairs(nn.Module):
    """The `top` best candidates of each query as pairs: scores[B, K], queries[B, N, D], candidates[K, M, E].

    `places`[B, top] are the candidates, best first; pair b * top + t is query b with its candidate t.
    """

    def __init__(self, *, top: int) -> None:
        super().__init__()
        self.top = top

    def forward(self, *, scores: Tensor, queries: States, candidates: States) -> dict[str, States | Tensor]:
        places = scores.topk(self.top, dim=1).indices
        owners = torch.arange(scores.shape[0], device=scores.device).repeat_interleave(self.top)
        return {
            "queries": _rows(queries, owners),
            "candidates": _rows(candidates, places.flatten()),
            "places": places,
        }


class Rescored(nn.Module):
    """Closer scores in place of the first ones: scores[B, K], places[B, top], matches[top * B, C] → scores[B, K]."""

    def __init__(self, config: RescoredConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, *, scores: Tensor, places: Tensor, matches: Tensor) -> Tensor:
        closer = matches[:, self.config.column].reshape(places.shape)
        if self.config.add:
            closer = closer + scores.gather(1, places)
        return torch.full_like(scores, self.config.others).scatter(1, places, closer.to(scores.dtype))


def _rows(states: States, rows: Tensor) -> States:
    return States(states.values[rows], None if states.mask is None else states.mask[rows])


def build_hard_negatives(config: HardNegativesConfig) -> HardNegatives:
    return HardNegatives(seed=config.seed)


def build_matching_pairs(config: NoConfig) -> MatchingPairs:
    return MatchingPairs()


def build_top_pairs(config: TopPairsConfig) -> TopPairs:
    return TopPairs(top=config.top)


def build_rescored(config: RescoredConfig) -> Rescored:
    return Rescored(config)
