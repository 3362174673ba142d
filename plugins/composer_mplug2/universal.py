"""The universal layers: the last layers of the text encoder, through which vision goes as well."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from composer.types import States
from composer_mplug2.bert import blocks_of, initialise
from composer_mplug2.configs import UniversalConfig
from composer_mplug2.masks import cross_mask, self_mask
from composer_mplug2.text_encoder import build_blocks

__all__ = ["UniversalLayers", "build_universal_layers"]


class UniversalLayers(nn.Module):
    """Layers with one set of self-attention and feed-forward weights for text and vision.

    Vision also uses the cross-attention: all layers but the last let learned latents read the vision states, and in the
    last one the vision states read what the latents gathered.
    """

    def __init__(self, *, layers: nn.ModuleList, latents: int, width: int) -> None:
        super().__init__()
        self.layers = layers
        self.latents = nn.Parameter(torch.randn(latents, width))

    def text(self, *, states: States) -> States:
        """states[B, L, D] → states[B, L, D]: self-attention and feed-forward alone."""
        hidden = states.values
        mask = self_mask(states.mask, hidden.dtype)
        for layer in self.layers:
            hidden = layer(hidden, mask=mask)
        return States(hidden, states.mask)

    def vision(self, *, states: States) -> States:
        """states[B, N, D] → states[B, N, D], not yet added to what came in."""
        gathered = self._gather(states)
        last = blocks_of(self.layers)[-1]
        values = last(
            states.values,
            mask=self_mask(states.mask, states.values.dtype),
            memory=last.cross_attention.project(gathered),
        )
        return States(values, states.mask)

    def _gather(self, states: States) -> Tensor:
        """What the latents[B, latents, D] read from the vision states; a single layer leaves them raw."""
        hidden = self.latents.expand(states.values.shape[0], -1, -1)  # [B, latents, D]
        memory_mask = cross_mask(states.mask, states.values.dtype)
        for layer in blocks_of(self.layers)[:-1]:
            hidden = layer(
                hidden, memory=layer.cross_attention.project(states.values), memory_mask=memory_mask
            )
        return hidden


def build_universal_layers(config: UniversalConfig) -> UniversalLayers:
    blocks = build_blocks(config, [True] * config.layers)
    universal = UniversalLayers(layers=blocks, latents=config.latents, width=config.hidden)
    universal.apply(initialise)
    return universal
