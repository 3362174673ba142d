"""What listens: two convolutions over a spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, gelu

from composer.types import States
from composer_sound.configs import EncoderConfig
from composer_sound.values import LogMel

__all__ = ["SoundEncoder", "build_encoder"]


class SoundEncoder(nn.Module):
    """log_mel[B, T, M] → states[B, (T + 3) // 4, D]; what the mask hides has no part in what is visible."""

    def __init__(self, *, mels: int, width: int, positions: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv1d(mels, width, kernel_size=3, stride=2, padding=1)
        self.second = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.randn(positions, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, *, mel: LogMel) -> States:
        hidden = mel.values.transpose(1, 2)  # [B, M, T]
        shown = mel.mask.unsqueeze(1).to(hidden.dtype)
        for convolution in (self.first, self.second):
            hidden = gelu(convolution(hidden * shown))
            shown = conv1d(shown, shown.new_ones(1, 1, 1), stride=2)  # every second place, too
        values: Tensor = self.norm(hidden.transpose(1, 2)) + self.positions[: hidden.shape[2]]
        return States(self.dropout(values), shown.squeeze(1).to(torch.int64))


def build_encoder(config: EncoderConfig) -> SoundEncoder:
    return SoundEncoder(
        mels=config.mels,
        width=config.width,
        positions=(config.max_frames + 3) // 4,
        dropout=config.dropout,
    )
