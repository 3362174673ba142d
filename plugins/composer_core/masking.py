"""Torch modules that make targets of texts: tokens to be told, prefixes to be gone on from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from composer.plugin.masks import first_visible, places_from_first
from composer.types import Tokens
from composer_core.objective_configs import MaskTokensConfig, PrefixSplitConfig
from composer_core.seeded import chances_of, generator_of

__all__ = ["MaskTokens", "PrefixSplit", "build_mask_tokens", "build_prefix_split"]

NOT_SCORED = -100


class MaskTokens(nn.Module):
    """Hides some of tokens[B, L]: `masked` with the mask in their places, `labels`[B, L] with the ids that stood there.

    All other labels are -100. Source: BERT (arXiv 1810.04805).
    """

    def __init__(self, config: MaskTokensConfig) -> None:
        super().__init__()
        self.config = config
        self.seed = config.seed
        usual = [id_ for id_ in range(config.vocabulary) if id_ not in {*config.special, config.mask}]
        self.register_buffer("usual", torch.tensor(usual or [config.mask]), persistent=False)

    def forward(self, *, tokens: Tokens) -> dict[str, Tokens | Tensor]:
        ids, config = tokens.ids, self.config
        usual = self.get_buffer("usual")
        chosen, how, drawn = self._drawn(tokens, len(usual))
        special = torch.isin(ids, torch.tensor(config.special, device=ids.device))
        can = (tokens.mask > 0) & ~special
        told = can & (chosen < config.rate)
        as_random = told & (how < config.random)
        as_mask = told & (how >= config.random + config.keep)
        masked = torch.where(as_mask, config.mask, torch.where(as_random, usual.to(ids.device)[drawn], ids))
        return {"masked": Tokens(masked, tokens.mask), "labels": ids.masked_fill(~told, NOT_SCORED)}

    def _drawn(self, tokens: Tokens, usual: int) -> tuple[Tensor, Tensor, Tensor]:
        """Of every token which it is of all, and how it is hidden, from 0 to 1; and one of the usual ids."""
        ids = tokens.ids
        if not self.training:
            chosen, how, other = (chances_of(tokens, self.seed, turn) for turn in range(3))
            return chosen, how, (other * usual).long().clamp(max=usual - 1)
        generator = generator_of(self)
        chosen, how = (torch.rand(ids.shape, generator=generator).to(ids.device) for _ in range(2))
        return chosen, how, torch.randint(usual, ids.shape, generator=generator).to(ids.device)


class PrefixSplit(nn.Module):
    """Cuts each of tokens[B, L] in two: `prefix` shows its beginning alone, `labels`[B, L] are the ids after it.

    `rest`[B, L] is a text of its own: the first token, and what comes after the prefix. The first token always belongs
    to the prefix, and one at least is left to be told where there are two.
    """

    def __init__(self, *, least: float, most: float, seed: int) -> None:
        super().__init__()
        self.least, self.most, self.seed = least, most, seed

    def forward(self, *, tokens: Tokens) -> dict[str, Tokens | Tensor]:
        mask = tokens.mask
        lengths = mask.sum(dim=1)
        share = self._drawn(tokens)
        share = self.least + (self.most - self.least) * share
        cut = (share * lengths).floor().long().clamp(min=1)
        cut = torch.minimum(cut, (lengths - 1).clamp(min=1)).unsqueeze(1)
        place = places_from_first(mask)
        prefix = mask * (place < cut)
        rest = (mask > 0) & (place >= cut)
        return {
            "prefix": Tokens(tokens.ids, prefix),
            "labels": tokens.ids.masked_fill(~rest, NOT_SCORED),
            "rest": _alone(tokens, cut, lengths.unsqueeze(1)),
        }

    def _drawn(self, tokens: Tokens) -> Tensor:
        if not self.training:
            first = first_visible(tokens.mask).clamp(max=tokens.mask.shape[1] - 1).unsqueeze(1)
            return chances_of(tokens, self.seed, 0).gather(1, first).squeeze(1)
        return torch.rand(tokens.mask.shape[:1], generator=generator_of(self)).to(tokens.mask.device)


def _alone(tokens: Tokens, cut: Tensor, lengths: Tensor) -> Tokens:
    """The first token and those behind `cut`[B, 1], at the front."""
    place = torch.arange(tokens.ids.shape[1], device=tokens.ids.device).expand_as(tokens.ids)
    begin = first_visible(tokens.mask).unsqueeze(1)
    source = begin + torch.where(place > 0, cut + place - 1, 0)
    ids = tokens.ids.gather(1, source.clamp(max=tokens.ids.shape[1] - 1))
    return Tokens(ids, (place < 1 + lengths - cut).to(tokens.mask.dtype))


def build_mask_tokens(config: MaskTokensConfig) -> MaskTokens:
    return MaskTokens(config)


def build_prefix_split(config: PrefixSplitConfig) -> PrefixSplit:
    return PrefixSplit(least=config.least, most=config.most, seed=config.seed)
