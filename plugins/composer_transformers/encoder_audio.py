"""Encoders of sound: of log-mel spectrograms (whisper, ast) and of waveforms (wav2vec2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from composer.plugin.masks import hides_nothing
from composer.types import States
from composer_transformers.encoder_configs import LibraryAudioConfig
from composer_transformers.encoder_models import built

__all__ = ["MelEncoder", "WaveEncoder", "build_audio"]


class EncoderAlone(nn.Module):
    """The encoder of a model with a decoder, under the name that checkpoints give it."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, **given: Tensor) -> Any:
        return self.encoder(**given)


class MelEncoder(nn.Module):
    """mels[B, T, M], the frames of a log-mel spectrogram, → states:audio[B, N, D]."""

    def __init__(self, *, model: nn.Module, argument: str, bins_first: bool, pooling: str) -> None:
        super().__init__()
        self.model = model
        self.argument = argument
        self.bins_first = bins_first
        self.pooling = pooling

    def forward(self, *, mels: States) -> States:
        return States(self._run(mels).last_hidden_state)

    def pooled(self, *, mels: States) -> Tensor:
        """embedding[B, D]: the mean of all states, or what the model makes itself."""
        found = self._run(mels)
        pooled: Tensor = found.pooler_output if self.pooling == "own" else found.last_hidden_state.mean(dim=1)
        return pooled

    def _run(self, mels: States) -> Any:
        values = mels.values.transpose(1, 2) if self.bins_first else mels.values
        return self.model(**{self.argument: values})


class WaveEncoder(nn.Module):
    """waveform[B, T] → states:audio[B, N, D]. Sound is heard as it is alone, whatever longer one stands beside it."""

    def __init__(self, *, model: Any, kernels: list[int], strides: list[int], normalises: bool) -> None:
        super().__init__()
        self.model = model
        self.kernels = kernels
        self.strides = strides
        self.normalises = normalises
        """Whether the first layer is normalised over time, where padding must not count."""

    def forward(self, *, waveform: States) -> States:
        values, mask = waveform
        layers = self.model.feature_extractor.conv_layers
        if mask is None or hides_nothing(mask):
            found = values[:, None]
            for layer in layers:
                found = layer(found)
            return self._states(found, None)
        lengths = mask.sum(dim=1)
        found = (values * mask.to(values.dtype))[:, None]
        for index, layer in enumerate(layers):
            lengths = (lengths - self.kernels[index]) // self.strides[index] + 1
            if index == 0 and self.normalises:
                found = layer.activation(_normalised(layer.conv(found), lengths, layer.layer_norm))
            else:
                found = layer(found)
        heard = torch.arange(found.shape[2], device=found.device)[None] < lengths[:, None]
        return self._states(found, heard)

    def _states(self, found: Tensor, heard: Tensor | None) -> States:
        """found[B, C, N], what the convolutions gave, → states; `heard`[B, N]: the places that count, None for all."""
        hidden, _ = self.model.feature_projection(found.transpose(1, 2))
        states = self.model.encoder(hidden, attention_mask=heard).last_hidden_state
        if heard is None:
            return States(states, states.new_ones(states.shape[:2], dtype=torch.int64))
        return States(states, heard.to(torch.int64))


def _normalised(found: Tensor, lengths: Tensor, norm: nn.GroupNorm) -> Tensor:
    """GroupNorm of every channel by itself, over the places that are heard."""
    heard = (torch.arange(found.shape[2], device=found.device)[None] < lengths[:, None])[:, None].to(
        found.dtype
    )
    count = lengths[:, None, None].to(found.dtype)
    mean = (found * heard).sum(dim=2, keepdim=True) / count
    spread = (((found - mean) * heard) ** 2).sum(dim=2, keepdim=True) / count
    scaled = (found - mean) * torch.rsqrt(spread + norm.eps)
    return (scaled * norm.weight[:, None] + norm.bias[:, None]) * heard


def build_audio(config: LibraryAudioConfig) -> MelEncoder | WaveEncoder:
    row = config.row
    if row.shape == "waves":
        sizes = config.sizes
        # Masked pieces of what is learned from are a matter of pre-training.
        model = built(config, apply_spec_augment=False, mask_time_prob=0.0, mask_feature_prob=0.0)
        return WaveEncoder(
            model=model,
            kernels=sizes.sizes("conv_kernel"),
            strides=sizes.sizes("conv_stride"),
            normalises=sizes.value("feat_extract_norm") == "group",
        )
    if row.shape == "mels":
        whole: Any = built(config, decoder_layers=1)
        return MelEncoder(
            model=EncoderAlone(whole.encoder), argument="input_features", bins_first=True, pooling=row.pooled
        )
    return MelEncoder(model=built(config), argument="input_values", bins_first=False, pooling=row.pooled)
