"""What a model that hears was trained on, as the config of an `audio` input: by its folder, or by its family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from composer_transformers.model_folder import JSON

__all__ = ["flag", "recordings"]


def recordings(
    shape: str, said: Mapping[str, JSON], *, where: str, bins: int = 0, frames: int = 0
) -> dict[str, Any]:
    """The config of a recording, by the preprocessor of a folder (`said`; empty where there is none).

    `bins` and `frames` are those that the model takes, for what the preprocessor leaves out; other defaults are those
    of the library's feature extractors. Raises ValueError with one sentence for a value that is none.
    """
    values = _Values(said, where)
    if shape == "waves":
        return {
            "features": "waveform",
            "rate": values.whole("sampling_rate", 16_000),
            "normalise": flag(said, "do_normalize", where, default=True),
        }
    if shape == "mels":
        rate, hop = values.whole("sampling_rate", 16_000), values.whole("hop_length", 160)
        return {
            "features": "log_mel",
            "rate": rate,
            "hop": hop,
            "window": values.whole("n_fft", 400),
            "bins": values.whole("feature_size", bins),
            "frames": values.whole("chunk_length", 1) * rate // hop if "chunk_length" in said else frames,
        }
    scaled = flag(said, "do_normalize", where, default=True)
    return {
        "features": "fbank",
        "rate": values.whole("sampling_rate", 16_000),
        "bins": values.whole("num_mel_bins", bins),
        "frames": values.whole("max_length", frames),
        "mean": values.number("mean", -4.2677393) if scaled else 0.0,
        "std": 2 * values.number("std", 4.5689974)
        if scaled
        else 1.0,  # its extractor divides by twice as much
    }


def flag(said: Mapping[str, JSON], name: str, where: str, *, default: bool) -> bool:
    """What a preprocessor switches on or off. Raises ValueError for a value that is neither."""
    found = said.get(name, default)
    if not isinstance(found, bool):
        raise ValueError(f"{where}: `{name}` is {found!r:.60}, not true or false")
    return found


@dataclass(frozen=True)
class _Values:
    """A preprocessor_config.json, read with the types that its fields have."""

    said: Mapping[str, JSON]
    where: str

    def whole(self, name: str, usual: int) -> int:
        found = self.said.get(name, usual)
        if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found < 1 << 30:
            raise self._no_value(name, "a whole number")
        return found

    def number(self, name: str, usual: float) -> float:
        found = self.said.get(name, usual)
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise self._no_value(name, "a number")
        return float(found)

    def _no_value(self, name: str, wanted: str) -> ValueError:
        return ValueError(f"{self.where}: `{name}` is {self.said.get(name)!r:.60}, not {wanted}")
