"""The plugin keeps its promises, reads sound files of any rate, and hears the same alone and in a batch."""

from __future__ import annotations

import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from composer_sound.configs import SoundConfig, SpokenConfig
from composer_sound.listening import SoundProcessor
from composer_sound.spoken import VOICES, WORDS, SpokenDigits

import composer
from composer.conformance import check_plugin
from composer.problems import InputError

needs_voices = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed: apt install espeak-ng"
)


def tone(path: Path, *, rate: int, seconds: float, hertz: float = 1000.0) -> Path:
    """A sound file with one tone."""
    moments = np.arange(int(rate * seconds)) / rate
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.sin(moments * hertz * 2 * np.pi) * 20_000).astype("<i2").tobytes())
    return path


def test_the_plugin_keeps_its_promises() -> None:
    report = check_plugin("sound")
    assert report.passed, report


def test_the_document_has_no_problems() -> None:
    assert composer.check("spoken-digits").problems == ()


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_a_tone_is_as_long_and_as_high_at_any_rate(tmp_path: Path, rate: int) -> None:
    processor = SoundProcessor(SoundConfig())
    mel = processor.encode([tone(tmp_path / "tone.wav", rate=rate, seconds=0.5)])["mel"]
    again = processor.encode([tone(tmp_path / "again.wav", rate=16_000, seconds=0.5)])["mel"]
    assert abs(mel.values.shape[1] - again.values.shape[1]) <= 2
    assert np.asarray(mel.values)[0].mean(0).argmax() == np.asarray(again.values)[0].mean(0).argmax()


@pytest.mark.parametrize("value", ["lost.wav", "https://127.0.0.1/a.wav", b"", b"noise", [2.0, 3.0], 7, None])
def test_what_is_not_a_recording_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="recording"):
        SoundProcessor(SoundConfig()).encode([value])


def test_a_recording_is_heard_the_same_beside_a_longer_one(tmp_path: Path) -> None:
    model = composer.load("spoken-digits", weights="initial", tasks=["hear"])
    short = tone(tmp_path / "short.wav", rate=16_000, seconds=0.3)
    long = tone(tmp_path / "long.wav", rate=16_000, seconds=0.7, hertz=400)
    alone = np.asarray(model.run("hear", recording=str(short))["scores"]).reshape(-1)
    both = np.asarray(model.run("hear", recording=[str(short), str(long)])["scores"])
    np.testing.assert_allclose(alone, both[0], rtol=1e-4, atol=1e-5)


def test_no_voice_is_in_two_splits() -> None:
    speakers = [{voice.partition("+")[2] for voice in voices} for voices in VOICES.values()]
    names = [set(voices) for voices in VOICES.values()]
    assert not names[0] & names[1] | names[0] & names[2] | names[1] & names[2]
    assert not speakers[0] & speakers[2]


@needs_voices
def test_digits_are_spoken_once_and_then_read(tmp_path: Path) -> None:
    data = SpokenDigits(SpokenConfig(takes=1, voices=1, folder=str(tmp_path)))
    samples = data.samples("test")
    assert [sample["word"] for sample in samples] == list(WORDS)
    times = [Path(sample["recording"]).stat().st_mtime_ns for sample in samples]
    assert [Path(s["recording"]).stat().st_mtime_ns for s in data.samples("test")] == times
