"""Spectrograms of recordings, in NumPy alone: an artifact that hears needs neither torch nor transformers for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from composer_transformers.audio_config import AudioConfig

__all__ = ["features_of", "normalised"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

AT_A_TIME = 2_048
"""Frames that are made at once: an hour of sound has 360,000, and their windows overlap."""
FAINTEST = 1e-10
"""Of `log_mel`: the least power of a band."""
DYNAMIC = 8.0
"""Of `log_mel`: bands fainter than the loudest by more powers of ten are as loud as that."""
TOP_HZ = 8_000.0
"""Of `log_mel`: the highest frequency, whatever the rate."""
BOTTOM_HZ = 20.0
"""Of `fbank`: the lowest frequency."""
EMPHASIS = 0.97
"""Of `fbank`: what is subtracted of the sample before, which lifts high frequencies."""
EPSILON = 1.1920928955078125e-07
"""Of `fbank`: the least power of a band, that of a float32."""
LINEAR_HZ, LINEAR_MELS = 1_000.0, 15.0
"""Of Slaney's scale: up to here a mel is a fixed number of hertz, beyond it a ratio."""


def features_of(samples: Floats, config: AudioConfig) -> Floats:
    """samples[S] → [T, bins] as `features` says, T those of the config or as many as the recording has."""
    if config.features == "log_mel":
        if config.frames is not None:
            samples = np.pad(samples, (0, max(0, config.frames * config.hop - len(samples))))
        return _log_mel(samples, config)
    bands = _fbank(samples, config)[: config.frames]
    if config.frames is not None:
        bands = np.pad(bands, ((0, config.frames - len(bands)), (0, 0)))
    return ((bands - config.mean) / config.std).astype(np.float32)


def normalised(samples: Floats) -> Floats:
    """samples[S] shifted and scaled to mean 0 and deviation 1; the constant keeps silence from becoming noise."""
    found: Floats = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    return found.astype(np.float32)


def _log_mel(samples: Floats, config: AudioConfig) -> Floats:
    """As of Whisper (Radford et al., 2022): frames are centred, the one beyond the end is left out."""
    half = config.window // 2
    padded = np.pad(samples.astype(np.float64), half, mode="reflect")
    filters = _slaney_filters(config.window // 2 + 1, config.bins, config.rate)
    window = np.hanning(config.window + 1)[:-1]
    parts = [
        np.log10(np.maximum(_power(frames * window, config.window) @ filters, FAINTEST))
        for frames in _frames(padded, config.window, config.hop, config.frames_of(len(samples)))
    ]
    bands = np.concatenate(parts)
    found: Floats = ((np.maximum(bands, bands.max() - DYNAMIC) + 4.0) / 4.0).astype(np.float32)
    return found


def _fbank(samples: Floats, config: AudioConfig) -> Doubles:
    """As of Kaldi (Povey et al., 2011), without its dither: only whole frames, each without its mean."""
    length = 1 << (config.window - 1).bit_length()
    filters = _kaldi_filters(length // 2 + 1, config.bins, config.rate)
    window = np.hanning(config.window)
    parts = []
    for frames in _frames(
        samples.astype(np.float64), config.window, config.hop, config.frames_of(len(samples))
    ):
        flat = frames - frames.mean(axis=1, keepdims=True)
        before = np.concatenate((flat[:, :1], flat[:, :-1]), axis=1)
        parts.append(
            np.log(np.maximum(_power((flat - EMPHASIS * before) * window, length) @ filters, EPSILON))
        )
    found: Doubles = np.concatenate(parts)
    return found


def _frames(samples: Doubles, window: int, hop: int, count: int) -> Iterator[Doubles]:
    """The frames [n, window], some at a time."""
    every = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop][:count]
    for start in range(0, count, AT_A_TIME):
        yield every[start : start + AT_A_TIME]


def _power(frames: Doubles, length: int) -> Doubles:
    """frames[T, window] → [T, length / 2 + 1]."""
    found: Doubles = np.abs(np.fft.rfft(frames, length, axis=1)) ** 2
    return found


@lru_cache(maxsize=8)
def _slaney_filters(frequencies: int, bins: int, rate: int) -> Doubles:
    """[frequencies, bins]: triangles on Slaney's mel scale (1998), each with the same area."""
    edges = _slaney_hertz(np.linspace(0.0, _slaney_mels(TOP_HZ), bins + 2))
    filters = _triangles(np.linspace(0.0, rate // 2, frequencies), edges)
    return filters * (2.0 / (edges[2:] - edges[:-2]))


@lru_cache(maxsize=8)
def _kaldi_filters(frequencies: int, bins: int, rate: int) -> Doubles:
    """[frequencies, bins]: triangles in mels, up to half the rate."""
    hertz = rate / 2 * np.arange(frequencies) / (frequencies - 1)
    edges = np.linspace(_kaldi_mels(BOTTOM_HZ), _kaldi_mels(rate // 2), bins + 2)
    return _triangles(_kaldi_mels(hertz), edges)


def _triangles(places: Doubles, edges: Doubles) -> Doubles:
    """[places, bins]: each rises from one of the edges to the next and falls to the one after it."""
    widths = np.diff(edges)
    away = edges - places[:, None]  # [places, bins + 2]
    rising = -away[:, :-2] / widths[:-1]
    falling = away[:, 2:] / widths[1:]
    found: Doubles = np.maximum(0.0, np.minimum(rising, falling))
    return found


def _slaney_mels(hertz: float) -> float:
    if hertz < LINEAR_HZ:
        return hertz * LINEAR_MELS / LINEAR_HZ
    return LINEAR_MELS + float(np.log(hertz / LINEAR_HZ)) * 27.0 / float(np.log(6.4))


def _slaney_hertz(mels: Doubles) -> Doubles:
    found: Doubles = np.where(
        mels < LINEAR_MELS,
        mels * LINEAR_HZ / LINEAR_MELS,
        LINEAR_HZ * np.exp((mels - LINEAR_MELS) * np.log(6.4) / 27.0),
    )
    return found


def _kaldi_mels(hertz: Doubles | float) -> Doubles:
    found: Doubles = 1127.0 * np.log(1.0 + np.asarray(hertz) / 700.0)
    return found
