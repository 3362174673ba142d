"""The network of silero-vad (Silero Team, MIT): a Fourier transform, four convolutions, and an LSTM over the chunks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, relu

from composer.plugin import NoConfig
from composer.types import States
from composer_vad import CHUNK

__all__ = ["Detector", "build_detector"]

BEFORE = 64
"""Samples of the chunk before that each chunk is heard with; silence before the first."""
FREQUENCIES = 129
SPEECH = 0.5


class Detector(nn.Module):
    """waveform[B, T] → speech[B, N, 1], the probability for each of N chunks, and the share[B] of those with speech."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * FREQUENCIES, kernel_size=256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(FREQUENCIES, 128, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, kernel_size=3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, kernel_size=3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, kernel_size=3, padding=1)
        self.lstm = nn.LSTM(128, 128, batch_first=True)
        self.final_conv = nn.Conv1d(128, 1, kernel_size=1)

    def forward(self, *, waveform: States) -> dict[str, States | Tensor]:
        values, mask = waveform
        mask = torch.ones_like(values, dtype=torch.int64) if mask is None else mask
        batch, length = values.shape
        count = (length + CHUNK - 1) // CHUNK
        missing = (0, count * CHUNK - length)
        own = pad(values * mask.to(values.dtype), missing).reshape(batch, count, CHUNK)
        before = pad(own[:, :, -BEFORE:], (0, 0, 1, 0))[:, :count]
        chunks = torch.cat((before, own), dim=2)  # [B, N, 64 + 512]
        encoded = self._encoded(chunks.flatten(0, 1)).unflatten(0, (batch, count))
        states = _scanned(self.lstm, encoded) if torch.compiler.is_exporting() else self.lstm(encoded)[0]
        speech = self.final_conv(relu(states).transpose(1, 2)).sigmoid().transpose(1, 2)  # [B, N, 1]
        shown = pad(mask, missing).reshape(batch, count, CHUNK).amax(2)  # [B, N]
        share = ((speech[..., 0] > SPEECH) & (shown > 0)).sum(1) / shown.sum(1)
        return {"speech": States(speech, shown), "share": share.to(values.dtype)}

    def _encoded(self, chunks: Tensor) -> Tensor:
        """chunks[M, 576] → [M, 128]."""
        found = self.stft_conv(pad(chunks.unsqueeze(1), (0, BEFORE), mode="reflect"))  # [M, 258, 4]
        loud = (found[:, :FREQUENCIES] ** 2 + found[:, FREQUENCIES:] ** 2).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            loud = relu(layer(loud))
        return loud.squeeze(2)


def _scanned(lstm: nn.LSTM, found: Tensor) -> Tensor:
    """What the LSTM makes of found[B, N, 128], as one step that is repeated: export would write out a fixed number."""
    from torch._higher_order_ops.scan import scan

    gates = linear(found, lstm.weight_ih_l0, lstm.bias_ih_l0 + lstm.bias_hh_l0).transpose(0, 1)  # [N, B, 512]
    recurrent = lstm.weight_hh_l0.t()
    start = found.new_zeros(found.shape[0], lstm.hidden_size)

    def step(before: tuple[Tensor, Tensor], gate: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        hidden, cell = before
        taken, kept, new, given = (gate + hidden @ recurrent).chunk(4, dim=1)
        cell = kept.sigmoid() * cell + taken.sigmoid() * new.tanh()
        hidden = given.sigmoid() * cell.tanh()
        return (hidden, cell), hidden.clone()

    _, states = scan(step, (start, start.clone()), gates)
    return states.transpose(0, 1)


def build_detector(config: NoConfig) -> Detector:
    return Detector()
