"""Fusion: text that attends to vision, and now and then both attending to both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from composer.types import States
from composer_mplug2.attention import KeyValues
from composer_mplug2.bert import blocks_of, initialise
from composer_mplug2.configs import FusionConfig
from composer_mplug2.masks import cross_mask, joined_mask, self_mask
from composer_mplug2.text_encoder import build_blocks

__all__ = ["Fusion", "build_fusion"]


class Fusion(nn.Module):
    """text[B, L, D] and vision[B, N, D] → both, fused.

    A layer with cross-attention changes the text alone. A connected layer (one without) attends over vision and text
    joined; the text is replaced by the result, to the vision it is added.
    """

    def __init__(self, *, layers: nn.ModuleList, connected: list[bool]) -> None:
        super().__init__()
        self.layers = layers
        self.connected = connected

    def forward(self, *, text: States, vision: States) -> dict[str, States]:
        hidden, seen = text.values, vision.values
        text_mask = self_mask(text.mask, hidden.dtype)
        vision_mask = cross_mask(vision.mask, hidden.dtype)
        for layer, connected in zip(blocks_of(self.layers), self.connected, strict=True):
            if connected:
                joined = layer(
                    torch.cat((seen, hidden), dim=1), mask=self_mask(joined_mask(vision, text), hidden.dtype)
                )
                seen = seen + joined[:, : seen.shape[1]]
                hidden = joined[:, seen.shape[1] :]
            else:
                memory = layer.cross_attention.project(seen)
                hidden = layer(hidden, mask=text_mask, memory=memory, memory_mask=vision_mask)
        return {"text": States(hidden, text.mask), "vision": States(seen, vision.mask)}

    def grouped(self, *, text: States, vision: States, counts: Tensor) -> States:
        """Several texts per picture: text[R, L, D], vision[B, N, D], counts[B] texts of each, in order → text[R, L, D].

        The same as repeating the vision rows first, but keys and values are projected once per picture.
        """
        rows = torch.repeat_interleave(counts, output_size=text.values.shape[0])
        vision_mask = None if vision.mask is None else vision.mask[rows]
        if any(self.connected):
            return self(text=text, vision=States(vision.values[rows], vision_mask))["text"]
        hidden = text.values
        text_mask = self_mask(text.mask, hidden.dtype)
        added = cross_mask(vision_mask, hidden.dtype)
        for layer in blocks_of(self.layers):
            once = layer.cross_attention.project(vision.values)
            memory = KeyValues(once.keys[rows], once.values[rows])
            hidden = layer(hidden, mask=text_mask, memory=memory, memory_mask=added)
        return States(hidden, text.mask)


def build_fusion(config: FusionConfig) -> Fusion:
    connected = [config.connected(layer) for layer in range(config.layers)]
    fusion = Fusion(layers=build_blocks(config, [not joined for joined in connected]), connected=connected)
    fusion.apply(initialise)
    return fusion
