"""Spoken digits: a speech synthesiser says them, in many voices, speeds and pitches, once; then they are files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from composer.plugin import Sample
from composer.problems import InputError
from composer_sound.configs import SpokenConfig

__all__ = ["VOICES", "WORDS", "SpokenDigits"]

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VOICES = {
    "train": (
        *("en-us+m1", "en-gb+m2", "en-us+m3", "en-gb-scotland+m4", "en-us+f1", "en-gb+f2", "en-us+f3"),
        *("en-gb-x-rp+f1", "en-us+Andy", "en-gb+Alex", "en-us+belinda", "en-gb+linda", "en-us+john"),
        *("en-gb+steph", "en-us+klatt", "en-gb+adam"),
    ),
    "validation": ("en-us+m5", "en-gb+f4", "en-us+robert", "en-gb+anika"),
    "test": (
        *("en-us+m6", "en-gb+m7", "en-us+f5", "en-gb-x-gbcwmd+aunty"),
        *("en-029+Denis", "en-us+paul", "en-gb+shelby", "en-us+edward"),
    ),
}
"""Voices of each split: an accent, and a speaker. No speaker of one split is in another."""
SPEEDS = (120, 200)
"""Words per minute."""
PITCHES = (30, 75)


@dataclass(frozen=True)
class _Take:
    digit: int
    voice: str
    speed: int
    pitch: int

    @property
    def name(self) -> str:
        return f"{WORDS[self.digit]}-{self.voice}-{self.speed}-{self.pitch}"


class SpokenDigits:
    """Samples `{recording: path of a sound file, word, class, name}`; every split has voices of its own."""

    splits = tuple(VOICES)

    def __init__(self, config: SpokenConfig) -> None:
        self._config = config
        self._folder = Path(config.folder) if config.folder else _cache()

    def samples(self, split: str, epoch: int = 0) -> list[Sample]:
        """The recordings of a split, the same in every epoch. Those that are not there yet are made."""
        if split not in VOICES:
            raise InputError(f"the spoken digits have no split {split!r}; they have {', '.join(VOICES)}")
        return [
            {
                "recording": _spoken(take, self._folder),
                "word": WORDS[take.digit],
                "class": np.int64(take.digit),
                "name": take.name,
            }
            for take in self._takes(split)
        ]

    def _takes(self, split: str) -> list[_Take]:
        random = np.random.default_rng((self._config.seed, zlib.crc32(split.encode())))
        return [
            _Take(digit, voice, int(random.integers(*SPEEDS)), int(random.integers(*PITCHES)))
            for voice in VOICES[split][: self._config.voices]
            for digit in range(len(WORDS))
            for _ in range(self._config.takes)
        ]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "composer-sound" / "digits"


def _spoken(take: _Take, folder: Path) -> str:
    """The file with a take. It is written whole or not at all, so that an interrupted run leaves no half of one."""
    path = folder / f"{take.name}.wav"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / "take.wav"
            _say(take, made)
            made.replace(path)
    return str(path)


def _say(take: _Take, path: Path) -> None:
    program = shutil.which("espeak-ng")
    if program is None:
        raise InputError(
            "the spoken digits are made by espeak-ng, which is not installed: apt install espeak-ng"
        )
    options = ["-v", take.voice, "-s", str(take.speed), "-p", str(take.pitch), "-w", str(path)]
    done = subprocess.run([program, *options, WORDS[take.digit]], capture_output=True, text=True, check=False)
    if done.returncode or not path.is_file():
        raise InputError(f"espeak-ng cannot say {take.name}: {done.stderr.strip() or 'it wrote nothing'}")
