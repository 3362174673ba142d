"""Sound files: what they hold is heard at the rate that is asked for, and a bad one is one sentence."""

from __future__ import annotations

import io
import wave as wave_files
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from composer_transformers.audio_config import AudioConfig
from composer_transformers.audio_processor import AudioProcessor
from numpy.typing import NDArray

from composer.problems import InputError


def tone(seconds: float, rate: int, channels: int = 1, pitch: float = 440.0) -> NDArray[np.int16]:
    """[samples, channels]; every channel is half as loud as the one before."""
    samples = np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate) * 20_000
    return np.stack([samples / 2**n for n in range(channels)], axis=1).astype(np.int16)


def wav(samples: NDArray[np.int16], rate: int) -> bytes:
    file = io.BytesIO()
    with wave_files.open(file, "wb") as target:
        target.setnchannels(samples.shape[1])
        target.setsampwidth(2)
        target.setframerate(rate)
        target.writeframes(samples.tobytes())
    return file.getvalue()


def encoded(samples: NDArray[np.int16], rate: int, container: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream: Any = target.add_stream(codec, rate=rate)
        stream.layout = layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            target.mux(packet)
    return file.getvalue()


def heard(value: Any, **config: Any) -> NDArray[np.float32]:
    found: NDArray[np.float32] = AudioProcessor(AudioConfig(**config)).encode([value])["waveform"].values[0]
    return found


def test_a_file_at_the_rate_is_its_samples(tmp_path: Path) -> None:
    samples = tone(0.3, 16_000)
    (tmp_path / "a.wav").write_bytes(wav(samples, 16_000))
    for value in (str(tmp_path / "a.wav"), tmp_path / "a.wav", wav(samples, 16_000)):
        assert heard(value) == pytest.approx(samples[:, 0] / 32_768, abs=1e-6)


@pytest.mark.parametrize("channels", [2, 6, 8, 12])
def test_several_channels_become_their_mean(channels: int) -> None:
    samples = tone(0.3, 16_000, channels=channels)
    assert heard(wav(samples, 16_000)) == pytest.approx(samples.mean(axis=1) / 32_768, abs=1e-5)


@pytest.mark.parametrize("container", ["aiff", "caf", "mov"])
@pytest.mark.parametrize("layout", ["7.1", "octagonal"])
def test_channels_of_an_unusual_order_become_their_mean(container: str, layout: str) -> None:
    """Such a file names the place of each channel."""
    channels = av.AudioLayout(layout).nb_channels
    samples = tone(0.3, 16_000, channels=channels)
    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream: Any = target.add_stream("pcm_s16be", rate=16_000)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.pts = 16_000, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            target.mux(packet)
    assert heard(file.getvalue()) == pytest.approx(samples.mean(axis=1) / 32_768, abs=1e-5)


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 192_000])
def test_another_rate_is_resampled(rate: int) -> None:
    found = heard(wav(tone(0.5, rate), rate))
    expected = tone(0.5, 16_000)[:, 0] / 32_768
    assert abs(len(found) - len(expected)) <= 16
    inner = slice(500, 7_000)
    assert found[inner] == pytest.approx(expected[inner], abs=0.01)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        *(("flac", "flac"), ("matroska", "flac"), ("ogg", "flac"), ("mp4", "aac")),
        *(("flv", "aac"), ("wv", "wavpack"), ("tta", "tta")),
    ],
)
def test_other_containers_are_heard(container: str, codec: str) -> None:
    samples = tone(0.5, 16_000)
    found = heard(encoded(samples, 16_000, container, codec))
    assert abs(len(found) - len(samples)) <= 2_048
    assert np.abs(np.fft.rfft(found, 16_000)).argmax() == pytest.approx(440, abs=2)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_alaw"])
def test_other_samples_are_heard(codec: str) -> None:
    """Of 8 bits, of 24, fractions, and of telephones."""
    samples = tone(0.3, 16_000)
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as target:
        stream: Any = target.add_stream(codec, rate=16_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples.T.copy(), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        for part in av.AudioResampler(format=stream.codec_context.format, layout="mono").resample(frame):
            target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    assert heard(file.getvalue()) == pytest.approx(samples[:, 0] / 32_768, abs=0.03)


@pytest.mark.parametrize(("scale", "refused"), [(1.0, False), (8.0, False), (32_768.0, True)])
def test_fractions_that_were_never_scaled_are_refused(scale: float, refused: bool) -> None:
    """As programs write them that make fractions of 16 bits without dividing; a loud take stays as it is."""
    samples = (tone(0.3, 16_000)[:, 0] / 32_768 * scale).astype(np.float32)
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as target:
        stream: Any = target.add_stream("pcm_f32le", rate=16_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        target.mux([*stream.encode(frame), *stream.encode(None)])
    if refused:
        with pytest.raises(
            InputError, match=r"holds samples up to 2\d{4}, and a recording's lie between -1 and 1"
        ):
            heard(file.getvalue())
    else:
        assert heard(file.getvalue()) == pytest.approx(samples, abs=1e-6)


def test_a_header_that_does_not_know_the_length_is_no_fault() -> None:
    """As a synthesiser writes into a pipe."""
    content = bytearray(wav(tone(0.3, 16_000), 16_000))
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    assert len(heard(bytes(content))) == 4_800


@pytest.mark.parametrize(
    ("container", "codec", "second"),
    [
        ("adts", "aac", (48_000, 1)),
        ("ac3", "ac3", (48_000, 6)),
        ("ac3", "ac3", (32_000, 2)),
    ],
)
def test_sound_that_changes_on_the_way_is_heard_to_its_end(
    container: str, codec: str, second: tuple[int, int]
) -> None:
    """As broadcasts do between a film and what interrupts it, and files that were put one behind the other."""
    rate, channels = second
    parts = [
        encoded(tone(1.0, 48_000, 2), 48_000, container, codec),
        encoded(tone(1.0, rate, channels, pitch=880), rate, container, codec),
    ]
    apart = [heard(part) for part in parts]
    together = heard(b"".join(parts))
    assert len(together) == pytest.approx(sum(map(len, apart)), abs=3_000)
    pitches = [
        np.abs(np.fft.rfft(half, 16_000)).argmax()
        for half in (together[2_000:14_000], together[-14_000:-2_000])
    ]
    assert pitches == pytest.approx([440, 880], abs=3)


SOUND = wav(tone(1.0, 16_000), 16_000)
PICTURES = io.BytesIO()
with av.open(PICTURES, "w", format="mp4") as _clip:
    _stream = _clip.add_stream("mpeg4", rate=5)
    _stream.width, _stream.height, _stream.pix_fmt = 32, 32, "yuv420p"
    for _n in range(3):
        _clip.mux(_stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
    _clip.mux(_stream.encode(None))


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("missing.wav", "recording missing.wav does not exist: check the path"),
        ("https://example.org/a.wav", "it is an address, and nothing is fetched"),
        (b"", "no bytes were given as recording"),
        (b"no sound at all, but some text", "cannot be decoded as sound"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "cannot be decoded as sound"),
        (PICTURES.getvalue(), "has no sound: it holds only a picture; give a file that can be heard"),
        (
            SOUND[: len(SOUND) // 2],
            "is cut short: the file ends before its last part does; fetch it again",
        ),
        (encoded(tone(1.0, 16_000), 16_000, "flac", "flac")[:3_000], "cut short"),
        (encoded(tone(1.0, 16_000), 16_000, "mp4", "aac")[:3_000], "is cut short"),
        (wav(tone(0, 16_000), 16_000), "holds no sample of sound"),
        (SOUND[:20] + b"\x77\x77" + SOUND[22:], "cannot be decoded as sound (no decoder for it is known)"),
        (wav(tone(31, 8_000), 8_000), "is longer than the 30 s that are heard"),
        (np.full(100, np.nan, np.float32), "holds samples that are no numbers"),
        (np.zeros((2, 100), np.float32), "has one channel, [samples], not the shape [2, 100]"),
        (np.zeros(0, np.float32), "has one channel"),
        (tone(0.1, 16_000)[:, 0], "lie between -1 and 1"),
        (tone(0.1, 16_000)[:, 0].astype(np.float32), "lie between -1 and 1"),
        (7, "has one channel"),
        ({"rate": 3}, "a recording is a path, bytes, or an array of samples, not a dict"),
    ],
    ids=range(19),
)
def test_a_bad_recording_is_one_sentence(
    value: Any, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as told:
        heard(value)
    assert cause in str(told.value)
    assert "\n" not in str(told.value)


def test_one_of_a_batch_is_named_by_its_number() -> None:
    good = np.zeros(400, np.float32)
    with pytest.raises(InputError, match=r"recording 2 of the batch: .* no numbers"):
        AudioProcessor(AudioConfig()).encode([good, np.full(9, np.inf, np.float32)])


def test_a_long_one_is_cut_where_the_document_says_so() -> None:
    assert len(heard(SOUND, max_s=0.25, longer="cut")) == 4_000
    with pytest.raises(InputError, match=r"longer than the 0.25 s that are heard"):
        heard(SOUND, max_s=0.25)


def test_what_is_shorter_than_a_frame_is_told() -> None:
    processor = AudioProcessor(AudioConfig(features="fbank", bins=8, frames=20))
    with pytest.raises(InputError, match=r"has 100 samples at 16,000 per second, and one frame .* takes 400"):
        processor.encode([np.zeros(100, np.float32)])


@pytest.mark.parametrize("form", ["wav", "mp3"])
def test_titles_may_be_in_other_letters_than_utf8(form: str) -> None:
    """Recorders and old players write them in the letters of their country."""
    content = (
        wav(tone(0.3, 16_000), 16_000) if form == "wav" else encoded(tone(0.3, 16_000), 16_000, "mp3", "mp3")
    )
    title = "Müsli\0".encode("latin-1")
    if form == "wav":
        notes = b"INFOINAM" + len(title).to_bytes(4, "little") + title
        named = content + b"LIST" + len(notes).to_bytes(4, "little") + notes
        named = named[:4] + (len(named) - 8).to_bytes(4, "little") + named[8:]
    else:
        named = content + b"TAG" + title.ljust(124, b"\0") + b"\0"
    assert heard(named)[:4_800] == pytest.approx(
        heard(content)[:4_800]
    )  # behind notes, libav cuts no padding off
