"""The modality `audio`, and the kind of waveforms. Imports no NumPy and no PyAV."""

from __future__ import annotations

from composer.plugin import Modality
from composer.types import Field, Kind, States
from composer_transformers.audio_config import AudioConfig

__all__ = ["AUDIO", "WAVEFORM"]

WAVEFORM = Kind(
    "transformers.waveform",
    "Sound as samples, with a mask over those of shorter recordings (1 = heard).",
    ("batch", "samples"),
    {"values": Field("float", (0, 1)), "mask": Field("int64", (0, 1), optional=True)},
    record=States,
    mask="mask",
)


def _ports(config: AudioConfig) -> dict[str, str]:
    if config.features == "waveform":
        return {"waveform": "transformers.waveform[B, T]"}
    return {"mels": f"states[B, {config.frames or 'T'}, {config.bins}]"}


def _ranges(config: AudioConfig) -> dict[str, tuple[int, int]]:
    if config.features == "waveform":
        return {"T": (1, config.most_samples)}
    return {} if config.frames is not None else {"T": (1, config.frames_of(config.most_samples))}


AUDIO = Modality(
    "audio",
    AudioConfig,
    _ports,
    "composer_transformers.audio_processor:AudioProcessor",
    "A recording: the path or the bytes of a sound file (or of a clip with sound), or an array of samples "
    "between -1 and 1 at the `rate`.",
    ranges=_ranges,
    counted="samples or frames",
    names_files=True,
    examples=(
        {"max_s": 0.2, "normalise": True},
        {"features": "log_mel", "bins": 8, "max_s": 0.2},
        {"features": "log_mel", "bins": 8, "frames": 20},
        {"features": "fbank", "bins": 8, "frames": 20, "mean": -4.0, "std": 9.0},
    ),
    sample="composer_transformers.audio_processor:sample",
)
