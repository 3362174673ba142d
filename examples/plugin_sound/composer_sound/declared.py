"""What the sound plugin offers, as declarations: ports, configs, and where the implementations are."""

from __future__ import annotations

from pathlib import Path

from composer.plugin import Dataset, Document, Method, Metric, Modality, ModuleType
from composer.types import Field, Kind, Signature
from composer_sound.configs import EncoderConfig, SoundConfig, SpokenConfig, WrittenConfig
from composer_sound.values import LogMel

__all__ = ["ACCURACY", "DOCUMENT", "ENCODER", "LOG_MEL", "SOUND", "SPOKEN", "WRITTEN"]

LOG_MEL = Kind(
    "log_mel",
    "Loudness of the bands of a recording over time, with its mask (1 = sound, 0 = filled up).",
    ("batch", "time", "mels"),
    {"values": Field("float", (0, 1, 2)), "mask": Field("int64", (0, 1))},
    record=LogMel,
    mask="mask",
)


def _sound_ports(config: SoundConfig) -> dict[str, str]:
    return {"mel": f"log_mel[B, T, {config.mels}]"}


def _sound_ranges(config: SoundConfig) -> dict[str, tuple[int, int]]:
    return {"T": (1, config.max_frames)}


SOUND = Modality(
    "sound",
    SoundConfig,
    _sound_ports,
    "composer_sound.listening:SoundProcessor",
    "A recording: the path of a sound file, bytes of one, or an array of numbers between -1 and 1.",
    ranges=_sound_ranges,
    limit="max_frames",
    counted="frames",
    names_files=True,
    examples=({"mels": 8, "max_frames": 12},),
    sample="composer_sound.listening:sample",
)


def _encode(config: EncoderConfig) -> Signature:
    """Four frames become one state: two convolutions, each of which takes every second place."""
    return Signature(
        {"mel": f"log_mel[B, T, {config.mels}]"},
        {"states": f"states[B, (T + 3) // 4, {config.width}]"},
        {"T": (1, config.max_frames)},
    )


ENCODER = ModuleType(
    "sound.encoder",
    EncoderConfig,
    {"forward": Method(_encode)},
    "composer_sound.encoder:build_encoder",
    "Two convolutions over a spectrogram, with learned positions: one state for every 40 ms.",
    examples=({"mels": 8, "width": 6},),
)

SPOKEN = Dataset(
    "sound.spoken_digits",
    SpokenConfig,
    "composer_sound.spoken:SpokenDigits",
    "Digits spoken by the synthesiser espeak-ng; each split has voices of its own.",
    programs=("espeak-ng",),
    gives=("recording", "word", "class"),
    examples=({"takes": 1, "voices": 1},),
)

WRITTEN = Dataset(
    "sound.written_digits",
    WrittenConfig,
    "composer_sound.written:WrittenDigits",
    "Scans of handwritten digits, of scikit-learn; test digits are unseen.",
    packages=("scikit-learn",),
    gives=("picture", "word", "class"),
    examples=({"pictures": 4},),
)

ACCURACY = Metric(
    "sound.accuracy",
    "composer_sound.scoring:accuracy",
    "Part of the samples whose best class is the right one.",
    takes=("scores",),
    sample="composer_sound.scoring:sample",
)

DOCUMENT = Document(
    "spoken-digits", Path(__file__).with_name("spoken-digits.yaml"), "Digits that are heard, seen and read."
)
