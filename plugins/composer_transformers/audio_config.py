"""The config of the modality `audio`: what of a recording a model hears."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from composer.plugin import Config, refuse_all

__all__ = ["AudioConfig"]

USUAL_S = 30.0


class AudioConfig(Config):
    """`with` of an input of modality `audio`: decoded, mixed to one channel, resampled, made into features."""

    features: Literal["waveform", "log_mel", "fbank"] = "waveform"
    """`waveform`: the samples themselves. `log_mel`: a mel spectrogram as Whisper's (bands of Slaney, powers of ten, 80
    dB below the loudest). `fbank`: the mel filter bank of Kaldi (with its pre-emphasis, natural logarithms)."""
    rate: int = Field(default=16_000, ge=1_000, le=384_000)
    """Samples per second to which recordings are resampled."""
    normalise: bool = False
    """With `waveform`: every recording is shifted and scaled to mean 0 and deviation 1."""
    bins: int = Field(default=80, ge=1, le=1_024)
    """With `log_mel` and `fbank`: bands of the spectrogram."""
    window: int = Field(default=400, ge=16, le=65_536)
    """With `log_mel` and `fbank`: samples of one frame."""
    hop: int = Field(default=160, ge=1, le=65_536)
    """With `log_mel` and `fbank`: samples from one frame to the next."""
    frames: int | None = Field(default=None, ge=1, le=1_000_000)
    """With `log_mel` and `fbank`: every recording becomes so many frames, and shorter ones are filled up: with silence
    (`log_mel`) or with zeros (`fbank`). Left out, a recording has as many as it is long, and a mask."""
    mean: float = 0.0
    """With `fbank`: subtracted from every value."""
    std: float = Field(default=1.0, gt=0)
    """With `fbank`: divides every value after that."""
    max_s: float | None = Field(default=None, gt=0, le=36_000)
    """The longest recording, in seconds; left out, as long as `frames` are, or else 30."""
    longer: Literal["refuse", "cut"] = "refuse"
    """What becomes of a longer one: an error, or its end is cut off."""

    @model_validator(mode="after")
    def _in_agreement(self) -> Self:
        if self.features == "waveform":
            return self
        faults = []
        if self.bins * 2 > self.window:
            faults.append(f"a window of {self.window} samples has no {self.bins} bands: lower `bins`")
        if self.frames is None and self.most_samples < self.window:
            faults.append(f"max_s {self.max_s:g} is shorter than one window of {self.window} samples")
        refuse_all(faults)
        return self

    @property
    def most_samples(self) -> int:
        """Of the longest recording."""
        found = [] if self.max_s is None else [max(1, int(self.max_s * self.rate))]
        if self.frames is not None and self.features == "log_mel":
            found.append(self.frames * self.hop)
        elif self.frames is not None and self.features == "fbank":
            found.append(self.window + self.frames * self.hop - 1)
        return min(found, default=int(USUAL_S * self.rate))

    def frames_of(self, samples: int) -> int:
        """How many frames a recording of so many samples has, where `frames` does not say it."""
        if self.features == "log_mel":
            return samples // self.hop
        return 1 + (samples - self.window) // self.hop
