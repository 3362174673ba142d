"""Recordings on the host: a file, bytes or an array becomes a log-mel spectrogram."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from composer.problems import InputError
from composer_sound.configs import SoundConfig
from composer_sound.values import LogMel

__all__ = ["SoundProcessor", "log_mel", "sample"]

Floats = NDArray[np.float32]
WINDOW_S, HOP_S = 0.025, 0.010
SILENCE = 1e-5


def sample(config: SoundConfig) -> list[Floats]:
    """Two tones of unequal length, with which the plugin is tried."""
    seconds = (0.05, 0.5)
    return [
        np.sin(np.arange(int(config.rate * s)) * (0.1 + s)).astype(np.float32) * np.float32(0.5)
        for s in seconds
    ]


class SoundProcessor:
    """Recordings → `mel`, LogMel of float[B, T, mels]: as long as the longest of the batch."""

    def __init__(self, config: SoundConfig) -> None:
        self._config = config

    def encode(self, values: Sequence[object]) -> dict[str, LogMel]:
        """Raises InputError for what is not a recording."""
        config = self._config
        found = [log_mel(_waves(value, config.rate), config)[: config.max_frames] for value in values]
        length = max(map(len, found))
        mel = np.zeros((len(found), length, config.mels), dtype=np.float32)
        mask = np.zeros((len(found), length), dtype=np.int64)
        for row, shown, spectrogram in zip(mel, mask, found, strict=True):
            row[: len(spectrogram)] = spectrogram
            shown[: len(spectrogram)] = 1
        return {"mel": LogMel(mel, mask)}  # type: ignore[arg-type]  # NumPy's on the host, torch's in the program


def log_mel(waves: Floats, config: SoundConfig) -> Floats:
    """Waves[S] between -1 and 1 → [T, mels], a frame for every 10 ms, each recording with the mean 0."""
    from transformers.audio_utils import spectrogram, window_function

    window, hop = int(config.rate * WINDOW_S), int(config.rate * HOP_S)
    waves = np.pad(waves, (0, max(0, window - len(waves))))
    bands = spectrogram(
        waves,
        window_function(window, "hann"),
        frame_length=window,
        hop_length=hop,
        fft_length=2 ** (window - 1).bit_length(),
        power=2.0,
        center=False,
        mel_filters=_filters(config.rate, config.mels, window),
        mel_floor=SILENCE,
        log_mel="log",
    ).T
    return np.ascontiguousarray(bands - bands.mean(), dtype=np.float32)


@lru_cache(maxsize=8)
def _filters(rate: int, mels: int, window: int) -> NDArray[np.float64]:
    from transformers.audio_utils import mel_filter_bank

    frequencies = 2 ** (window - 1).bit_length() // 2 + 1
    return np.asarray(mel_filter_bank(frequencies, mels, 60.0, rate / 2, rate, norm=None, mel_scale="htk"))


def _waves(value: object, rate: int) -> Floats:
    """One channel at the wanted rate. Arrays are taken to have it already."""
    if isinstance(value, (str, Path)):
        return _decoded(value, f"the recording {value}", rate)
    if isinstance(value, bytes):
        return _decoded(value, "the bytes of a recording", rate)
    try:
        waves = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        waves = np.empty((0, 0), dtype=np.float32)
    if waves.ndim != 1 or not waves.size or not (np.abs(waves) <= 1).all():
        raise InputError(
            f"a recording is a path, bytes of a sound file, or an array of numbers between -1 and 1, not {value!r:.60}"
        )
    return waves


def _decoded(value: str | Path | bytes, what: str, rate: int) -> Floats:
    try:
        # By its content: of a name, libav would open addresses, and of a play list all that it lists.
        content = io.BytesIO(value if isinstance(value, bytes) else Path(value).read_bytes())
        alone = {"protocol_whitelist": ""}
        with av.open(content, container_options=alone, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise InputError(f"{what} has no sound")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            parts = [
                part.to_ndarray()[0]
                for frame in [*container.decode(audio=0), None]
                for part in resampler.resample(frame)
            ]
    except (OSError, ValueError, av.FFmpegError) as error:
        raise InputError(f"{what} cannot be read: {error}") from error
    if not parts:
        raise InputError(f"{what} is empty")
    return np.clip(np.concatenate(parts), -1, 1)
