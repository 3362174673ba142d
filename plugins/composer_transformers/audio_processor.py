"""Recordings on the host: files, bytes and arrays become waveforms or spectrograms.

Files and bytes are decoded by a process of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.media.decoders import MediaDecoder, Wanted, decode_all, read_each
from composer.problems import InputError
from composer.problems.media_source import MediaSource
from composer.types import States
from composer_transformers.audio_config import AudioConfig
from composer_transformers.audio_features import features_of, normalised

__all__ = ["DECODER", "AudioProcessor", "sample"]

Floats = NDArray[np.float32]
DECODER = MediaDecoder(
    "composer_transformers.audio_files:read_samples",
    "recordings",
    ahead=("composer_transformers.audio_files",),
)
LOUDEST = 4.0
"""Resampling takes sound a little beyond 1; samples that were never scaled are far beyond."""
LOUDEST_OF_FILES = 32.0
"""Recorders of fractions write what is louder than they expected; quiet sound that was never scaled is beyond that."""
SCALE = "divide them by the largest that their format has (32768 for 16 bits)"


class AudioProcessor:
    """Hears recordings as an `AudioConfig` says."""

    def __init__(self, config: AudioConfig) -> None:
        self.config = config

    def encode(self, values: Sequence[Any]) -> dict[str, States]:
        """`{"waveform": States of float32[B, T] and int64[B, T]}`, or `{"mels": States of float32[B, T, bins]}`, with a
        mask where recordings have frames of their own.

        Raises InputError for what is no recording; of several, the one that cannot be used is named by its number.
        """
        found = read_each(values, "recording", self._decoded, self._given)
        if self.config.features != "waveform" and self.config.frames is not None:
            return {"mels": States(np.stack(found))}
        return {"waveform" if self.config.features == "waveform" else "mels": _together(found)}

    def _decoded(self, sources: Sequence[MediaSource]) -> list[Floats | InputError]:
        """Files as samples [T], or as frames [T, bins], up to the first that cannot be heard."""
        rate, most = self.config.rate, self.config.most_samples
        wanted = Wanted({"rate": rate, "most": most}, (1,), (most + 1,), item_bytes=4)
        found: list[Floats | InputError] = []
        for source, answer in zip(sources, decode_all(DECODER, sources, wanted), strict=False):
            if isinstance(answer, InputError):
                return [*found, answer]
            try:
                samples = np.frombuffer(answer.content, np.float32)
                if (loudest := _loudest(samples)) > LOUDEST_OF_FILES:
                    raise InputError(
                        f"{source.name} holds samples up to {loudest:g}, and a recording's lie between -1 and 1: "
                        f"{SCALE} and write it again"
                    )
                found.append(self._heard(source.name, samples))
            except InputError as error:
                return [*found, error]
        return found

    def _given(self, value: Any) -> Floats:
        return self._heard("the recording given as array", _samples(value))

    def _heard(self, name: str, samples: Floats) -> Floats:
        """One recording as samples [T], or as frames [T, bins]."""
        config = self.config
        samples = self._held(name, samples)
        if config.features == "waveform":
            return normalised(samples) if config.normalise else samples
        return features_of(samples, config)

    def _held(self, name: str, samples: Floats) -> Floats:
        """No longer than it may be. Raises InputError for what is too long, too short, or no sound."""
        config = self.config
        if not np.isfinite(samples).all():
            raise InputError(f"{name} holds samples that are no numbers (NaN or infinite): export it again")
        if len(samples) > config.most_samples:
            if config.longer == "refuse":
                raise InputError(
                    f"{name} is longer than the {config.most_samples / config.rate:g} s that are heard: cut it into "
                    "parts, or write `longer: cut` to hear its beginning"
                )
            samples = samples[: config.most_samples]
        fills_up = config.features == "waveform" or (
            config.features == "log_mel" and config.frames is not None
        )
        if not fills_up and len(samples) < config.window:
            raise InputError(
                f"{name} has {len(samples)} samples at {config.rate:,} per second, and one frame of its spectrogram "
                f"takes {config.window}: give a longer one"
            )
        return samples


def _samples(value: Any) -> Floats:
    """An array of samples as it was given, at the rate already. Raises InputError for another thing."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        samples = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        samples = np.empty(0, dtype=object)
    if samples.dtype.kind not in "fiu":
        raise InputError(
            f"a recording is a path, bytes, or an array of samples, not a {type(value).__name__}: convert it"
        )
    if samples.ndim != 1 or not samples.size:
        raise InputError(
            f"a recording given as array has one channel, [samples], not the shape {list(samples.shape)}: take the "
            "mean of its channels"
        )
    if samples.dtype.kind in "iu" or _loudest(samples) > LOUDEST:
        raise InputError(
            f"the samples of a recording lie between -1 and 1, and {np.nanmax(np.abs(samples)):g} was given: {SCALE}"
        )
    return samples.astype(np.float32)


def _loudest(samples: NDArray[Any]) -> float:
    """Of those that are numbers."""
    return float(np.abs(samples[np.isfinite(samples)]).max(initial=0))


def _together(found: Sequence[Floats]) -> States:
    """As long as the longest: zeros fill up the others, and the mask hides that."""
    longest = max(map(len, found))
    values = np.zeros((len(found), longest, *found[0].shape[1:]), dtype=np.float32)
    mask = np.zeros((len(found), longest), dtype=np.int64)
    for row, shown, one in zip(values, mask, found, strict=True):
        row[: len(one)] = one
        shown[: len(one)] = 1
    return States(values, mask)


def sample(config: AudioConfig) -> list[Floats]:
    """Two tones of unequal length, for the conformance kit."""
    lengths = (config.most_samples, max(1, min(config.most_samples, config.window + 3 * config.hop)))
    return [
        np.sin(np.arange(length, dtype=np.float32) * np.float32(pitch)) * np.float32(0.5)
        for length, pitch in zip(lengths, (0.1, 0.3), strict=True)
    ]
