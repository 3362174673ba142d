"""Sound files that end too early, in every container that is heard, and decoders that crash on one."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from composer_transformers.audio_config import AudioConfig
from composer_transformers.audio_processor import DECODER, AudioProcessor

from composer.media import decoders, decoding_process
from composer.media.decoder_pool import DecoderPool
from composer.problems import InputError

RATE, SECONDS = 48_000, 1.5
SERVE = 'serve(start["read"], start["ahead"])\n'


def encoded(container: str, codec: str, **options: str) -> bytes:
    """A tone amid noise."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    noise = np.random.default_rng(0).normal(size=len(time)) * 300
    samples = (np.sin(2 * np.pi * 440 * time) * 9_000 + noise).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as target:
        stream: Any = target.add_stream(codec, rate=RATE)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE)
        waiting = av.AudioFifo()
        for part in resampler.resample(frame):
            waiting.write(part)
        for part in waiting.read_many(stream.codec_context.frame_size or 1_024, partial=True):
            target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    return file.getvalue()


def heard(*contents: Any) -> list[int]:
    """How long each is."""
    found = AudioProcessor(AudioConfig()).encode(contents)["waveform"]
    assert found.mask is not None
    return [int(each) for each in found.mask.sum(axis=1)]


CONTAINERS = {
    "mp3": ("mp3", "libmp3lame", {}),
    "mp3 without a count": ("mp3", "libmp3lame", {"write_xing": "0"}),
    "ogg": ("ogg", "libopus", {}),
    "flac": ("flac", "flac", {}),
    "adts": ("adts", "aac", {}),
    "mp4": ("mp4", "aac", {}),
    "matroska": ("matroska", "libopus", {}),
    "live webm": ("webm", "libopus", {"live": "1"}),
    "wav": ("wav", "pcm_s16le", {}),
    "rf64": ("wav", "pcm_s16le", {"rf64": "always"}),
    "w64": ("w64", "pcm_s16le", {}),
    "aiff": ("aiff", "pcm_s16be", {}),
    "au": ("au", "pcm_s16be", {}),
    "caf": ("caf", "pcm_s16le", {}),
    "avi": ("avi", "libmp3lame", {}),
    "flv": ("flv", "libmp3lame", {}),
    "mpegts": ("mpegts", "aac", {}),
    "mpeg": ("mpeg", "mp2", {}),
    "ac3": ("ac3", "ac3", {}),
    "eac3": ("eac3", "eac3", {}),
}


@pytest.mark.parametrize(("container", "codec", "options"), CONTAINERS.values(), ids=CONTAINERS)
def test_a_whole_file_is_heard_and_a_cut_one_refused(
    container: str, codec: str, options: dict[str, str]
) -> None:
    content = encoded(container, codec, **options)
    (whole,) = heard(content)
    assert whole == pytest.approx(16_000 * SECONDS, abs=1_600)
    for cut in (len(content) // 2 + 7, len(content) * 4 // 5 + 3, len(content) - 120):
        with pytest.raises(InputError, match="cut short") as told:
            heard(content[:cut])
        assert "\n" not in str(told.value)


MP3, OGG = encoded("mp3", "libmp3lame"), encoded("ogg", "libopus")
FRAME = len(encoded("mp3", "libmp3lame", write_xing="0")) // 64  # 128 kbit/s: all are as long


def test_an_mp3_that_ends_between_two_frames_lacks_what_its_first_one_counts() -> None:
    starts = [place for place in range(len(MP3)) if MP3[place : place + 2] == MP3[-FRAME : -FRAME + 2]]
    with pytest.raises(InputError, match="is cut short"):
        heard(MP3[: starts[len(starts) // 2]])


def test_an_flv_that_ends_between_two_tags_lacks_what_its_header_tells() -> None:
    content = encoded("flv", "libmp3lame")
    place, ends = 13, []
    while place < len(content):
        place += 11 + int.from_bytes(content[place + 1 : place + 4], "big") + 4
        ends.append(place)
    with pytest.raises(InputError, match="is cut short"):
        heard(content[: ends[len(ends) // 2]])


def test_an_ogg_that_ends_between_two_pages_lacks_its_last() -> None:
    with pytest.raises(InputError, match="is cut short"):
        heard(OGG[: OGG.rindex(b"OggS")])


def test_a_page_of_an_ogg_that_libav_leaves_out_is_missed() -> None:
    broken = bytearray(OGG)
    broken[len(OGG) // 2] ^= 0xFF
    with pytest.raises(InputError, match=r"cut short or damaged: it says that it lasts 1\.5 s"):
        heard(bytes(broken))


def note(size: int) -> bytes:
    return b"ID3\x04\0\0" + bytes([0, 0, size >> 7, size & 0x7F]) + bytes(size)


@pytest.mark.parametrize(
    "around",
    [
        lambda mp3: note(1_000) + note(30) + mp3,
        lambda mp3: mp3 + b"TAG" + bytes(125),
        lambda mp3: mp3 + b"APETAGEX" + bytes(300),
    ],
)
def test_notes_around_an_mp3_are_no_fault(around: Callable[[bytes], bytes]) -> None:
    assert heard(around(MP3)) == heard(MP3)


def test_the_end_of_what_is_not_heard_is_not_looked_at() -> None:
    processor = AudioProcessor(AudioConfig(max_s=0.25, longer="cut"))
    assert processor.encode([MP3[: len(MP3) // 2]])["waveform"].values.shape == (1, 4_000)


MISBEHAVES = """
import os, signal
from composer_transformers import audio_files
right = audio_files.read_samples
def read_samples(source, **how):
    if source.name.endswith("crash.wav"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if source.name.endswith("many.wav"):
        return right(source, **{**how, "most": 9 * how["most"]})
    return right(source, **how)
audio_files.read_samples = read_samples
"""


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(decoding_process, "START", decoding_process.START.replace(SERVE, MISBEHAVES + SERVE))
    pool = DecoderPool(DECODER)
    monkeypatch.setitem(decoders._POOLS, DECODER, pool)
    yield
    pool.close()


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.parametrize("name", ["crash.wav", "many.wav"])
def test_a_decoder_that_crashes_costs_one_request(tmp_path: Path, name: str) -> None:
    """So does one that gives more than was asked for: it is in foreign hands."""
    content = encoded("wav", "pcm_s16le")
    for each in ("good.wav", name):
        (tmp_path / each).write_bytes(content)
    config = AudioConfig(max_s=0.5, longer="cut")
    with pytest.raises(InputError, match=r"^recording 2 of the batch: .*the decoder crashed on it") as told:
        AudioProcessor(config).encode([tmp_path / "good.wav", tmp_path / name, tmp_path / "good.wav"])
    assert name in str(told.value)
    assert AudioProcessor(config).encode([tmp_path / "good.wav"])["waveform"].values.shape == (1, 8_000)


def test_files_and_arrays_of_a_batch_stay_in_their_order() -> None:
    sound = np.zeros(700, np.float32)
    assert heard(sound, MP3, sound[:300], encoded("wav", "pcm_s16le")) == [700, 24_000, 300, 24_000]


def test_the_same_is_heard_without_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = AudioProcessor(AudioConfig())
    apart = processor.encode([MP3])["waveform"].values
    monkeypatch.setenv(decoding_process.INLINE, "inline")
    assert np.array_equal(processor.encode([MP3])["waveform"].values, apart)
    with pytest.raises(InputError, match="is cut short"):
        processor.encode([MP3[:-20]])


def test_who_asks_imports_no_decoder(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(MP3)
    code = """
import sys
from composer_transformers.audio_config import AudioConfig
from composer_transformers.audio_processor import AudioProcessor
assert AudioProcessor(AudioConfig()).encode([sys.argv[1]])["waveform"].values.shape == (1, 24000)
assert "av" not in sys.modules
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.mp3")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
