"""The configs of the sound plugin: what a document or a recipe writes under `with`."""

from __future__ import annotations

from pydantic import Field

from composer.plugin import Config

__all__ = ["EncoderConfig", "SoundConfig", "SpokenConfig", "WrittenConfig"]


class SoundConfig(Config):
    """`with` of an input of modality `sound`."""

    rate: int = Field(default=16_000, ge=8_000)
    """Values per second to which recordings are resampled."""
    mels: int = Field(default=40, ge=8)
    """Bands of the spectrogram."""
    max_frames: int = Field(default=200, ge=1)
    """The longest recording, in frames of 10 ms; what is longer is cut."""


class EncoderConfig(Config):
    """`with` of `sound.encoder`."""

    mels: int = Field(default=40, ge=1)
    """Bands of the spectrogram that comes in."""
    width: int = Field(ge=1)
    """Width of the states."""
    max_frames: int = Field(default=200, ge=1)
    """The longest spectrogram that it has positions for."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of values dropped while training."""


class SpokenConfig(Config):
    """`with` of the dataset `sound.spoken_digits`."""

    takes: int = Field(default=4, ge=1)
    """Recordings of each digit by each voice, every one at a speed and a pitch of its own."""
    voices: int | None = Field(default=None, ge=1)
    """At most so many voices per split; all of them when not given."""
    seed: int = 0
    """Draws the speeds and the pitches."""
    folder: str | None = None
    """Where the recordings are kept; a folder of the user's cache when not given."""


class WrittenConfig(Config):
    """`with` of the dataset `sound.written_digits`."""

    size: int = Field(default=32, ge=8)
    """Height and width of a picture in pixels."""
    pictures: int | None = Field(default=None, ge=1)
    """At most so many pictures per split; all of them when not given."""
