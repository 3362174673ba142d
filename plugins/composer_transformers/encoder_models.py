"""Encoders of transformers as modules: the library's layers, with ports and masks as documents have them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from composer.plugin.masks import to_front
from composer.types import States, Tokens
from composer_transformers.encoder_configs import (
    LibraryDualConfig,
    LibraryEncoderConfig,
    LibraryTextConfig,
    LibraryVisionConfig,
)
from composer_transformers.encoder_signatures import first_position
from composer_transformers.library_model import library_model

__all__ = ["LibraryDual", "LibraryText", "LibraryVision", "build_dual", "build_text", "build_vision"]


class LibraryText(nn.Module):
    """tokens[B, L] → states[B, L, D]. Padding is hidden, wherever it stands, and positions do not count it."""

    def __init__(self, *, model: nn.Module, first: int | None, token_types: bool) -> None:
        super().__init__()
        self.model = model
        self.first = first
        """The number of the first position; None where the model counts distances alone."""
        self.token_types = token_types

    def forward(self, *, tokens: Tokens, token_types: Tensor | None = None) -> States:
        given: dict[str, Any] = {"input_ids": tokens.ids, "attention_mask": tokens.mask}
        if self.first is not None:
            counted = torch.cumsum(tokens.mask, dim=1) - 1
            given["position_ids"] = counted.clamp(min=0) + self.first
        if self.token_types:
            given["token_type_ids"] = torch.zeros_like(tokens.ids) if token_types is None else token_types
        return States(self.model(**given).last_hidden_state, tokens.mask)


class LibraryVision(nn.Module):
    """pixels[B, 3, T, H, W] → states:vision[B, N, D]; T is 1 but for families that read clips."""

    def __init__(self, *, model: nn.Module, pooling: str, reads_clips: bool) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling
        self.reads_clips = reads_clips

    def forward(self, *, pixels: Tensor) -> States:
        return States(_flat(self._run(pixels).last_hidden_state))

    def frames(self, *, pixels: Tensor) -> States:
        """pixels[B, 3, T, H, W] → states[B, T * N, D]: those of all frames, one frame after the other."""
        flat = pixels.transpose(1, 2).flatten(0, 1)
        found = _flat(self.model(pixel_values=flat).last_hidden_state)
        return States(found.reshape(pixels.shape[0], pixels.shape[2] * found.shape[1], found.shape[2]))

    def pooled(self, *, pixels: Tensor) -> Tensor:
        """embedding[B, D]: the first state, the mean of all, or what the model makes itself."""
        found = self._run(pixels)
        if self.pooling == "own":
            return found.pooler_output.flatten(1)
        states = _flat(found.last_hidden_state)
        return states[:, 0] if self.pooling == "first" else states.mean(dim=1)

    def _run(self, pixels: Tensor) -> Any:
        return self.model(pixel_values=pixels.transpose(1, 2) if self.reads_clips else pixels[:, :, 0])


def _flat(states: Tensor) -> Tensor:
    """[B, N, D], of a map [B, D, h, w] too."""
    return states.flatten(2).transpose(1, 2) if states.dim() == 4 else states


class LibraryDual(nn.Module):
    """Pictures and texts as vectors of one space, of length one, and how alike they are."""

    def __init__(self, *, model: nn.Module, padding: int, places: int | None) -> None:
        super().__init__()
        self.model = model
        self.padding = padding
        self.places = places
        """Texts are filled up to so many places, where the model was trained without a mask."""

    def forward(self, *, pixels: Tensor, tokens: Tokens) -> Tensor:
        """scores[B, K] of every picture with every text."""
        return self.similarity(images=self.image(pixels=pixels), texts=self.text(tokens=tokens))

    def image(self, *, pixels: Tensor) -> Tensor:
        """pixels[B, 3, 1, H, W] → embedding[B, D]."""
        return _unit(self._call("get_image_features", pixel_values=pixels[:, :, 0]))

    def text(self, *, tokens: Tokens) -> Tensor:
        """tokens[K, L] → embedding[K, D]."""
        mask = to_front(tokens.mask, tokens.mask)
        ids = torch.where(mask.bool(), to_front(tokens.ids, tokens.mask), self.padding)
        if self.places is None:
            return _unit(self._call("get_text_features", input_ids=ids, attention_mask=mask))
        filled = ids.new_full((ids.shape[0], self.places), self.padding)
        filled = torch.cat([ids, filled], dim=1)[:, : self.places]
        return _unit(self._call("get_text_features", input_ids=filled))

    def similarity(self, *, images: Tensor, texts: Tensor) -> Tensor:
        """images[B, D], texts[K, D] → scores[B, K], with the model's scale, and its bias where it has one."""
        scale, bias = self.model.logit_scale, getattr(self.model, "logit_bias", None)
        scores = images @ texts.T * scale.exp()  # type: ignore[operator]
        return scores if bias is None else scores + bias

    def _call(self, name: str, **given: Tensor) -> Tensor:
        found = getattr(self.model, name)(**given)
        return found if isinstance(found, Tensor) else found.pooler_output


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(p=2, dim=-1, keepdim=True)


def built(config: LibraryEncoderConfig, **changes: Any) -> nn.Module:
    """The library's model of a config, without its heads."""
    row = config.row
    values = {key: value for key, value in config.values.items() if key != "model_type"}
    return library_model(
        row.model_class,
        row.config_class,
        {**values, **changes},
        attention="sdpa" if row.fused else "eager",
        options=dict.fromkeys(row.options, False),
    )


def build_text(config: LibraryTextConfig) -> LibraryText:
    return LibraryText(
        model=built(config),
        first=first_position(config) if config.row.positions else None,
        token_types=config.row.token_types,
    )


def build_vision(config: LibraryVisionConfig) -> LibraryVision:
    clips = config.row.shape == "tubelets"
    return LibraryVision(model=built(config), pooling=config.row.pooled, reads_clips=clips)


def build_dual(config: LibraryDualConfig) -> LibraryDual:
    siglip = config.row.name == "siglip"
    family = "Siglip" if siglip else "CLIP"
    text = config.sizes.inside("text_config", f"{family}TextConfig")
    padding = text.value("pad_token_id")
    return LibraryDual(
        model=built(config),
        padding=padding if isinstance(padding, int) else 0,
        places=text.size("max_position_embeddings") if siglip else None,
    )
