"""Clips: the right frames, in order, from every container; a bad clip gives one clear sentence."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import grey, write_clip
from composer_vision.sampling import middle_frames
from memory import most_allocated
from PIL import Image

from composer.problems import InputError

LEVELS = [6 * index + 5 for index in range(40)]
"""Grey levels of the written clips, far enough apart to survive encoding."""


def levels(frames: np.ndarray) -> list[int]:
    """The mean grey level of each frame of the first clip of a batch."""
    return frames[0].mean(axis=(1, 2, 3)).round().astype(int).tolist()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "grey.mp4", [grey(level) for level in LEVELS])


def close(found: list[int], indices: list[int]) -> bool:
    return np.abs(np.array(found) - np.array(LEVELS)[indices]).max() <= 2


@pytest.mark.parametrize(
    ("config", "indices"),
    [
        ({"frames": 4}, [4, 14, 24, 34]),
        ({"frames": 1}, [19]),
        ({"frames": 40}, list(range(40))),
        ({"frames": 50}, [*range(40), *[39] * 10]),
        ({"frames": 2, "sampling": "rate"}, [12, 38]),
        ({"frames": 5, "sampling": "rate"}, [12, 38, 38, 38, 38]),
        ({"frames": 3, "sampling": "rate", "rate": 2.0}, [6, 19, 31]),
        ({"frames": 2, "sampling": "rate", "rate": 0.1}, [19, 19]),
    ],
)
def test_the_chosen_frames_are_read(processor: Any, clip: Path, config: Any, indices: list[int]) -> None:
    encode = processor("video", size=8, **config).encode
    for value in (clip, clip.read_bytes()):
        frames = encode([value])["frames"]
        assert frames.shape == (1, config["frames"], 8, 8, 3)
        assert frames.dtype == np.uint8
        assert close(levels(frames), indices)


@pytest.mark.parametrize("name", ["clip.avi", "clip.mkv", "clip.webm", "clip.mov"])
def test_containers_are_read_alike(processor: Any, tmp_path: Path, name: str) -> None:
    codec = {"clip.avi": "mpeg4", "clip.webm": "libvpx"}.get(name, "libx264")
    path = write_clip(tmp_path / name, [grey(level) for level in LEVELS], codec=codec)
    frames = processor("video", frames=4, size=8).encode([path])["frames"]
    assert np.abs(np.array(levels(frames)) - np.array(LEVELS)[[4, 14, 24, 34]]).max() <= 4


def test_an_array_is_sampled_like_a_file(processor: Any) -> None:
    array = np.stack([grey(level) for level in LEVELS])
    frames = processor("video", frames=4, size=8).encode([array])["frames"]
    assert levels(frames) == [LEVELS[index] for index in (4, 14, 24, 34)]


def test_an_animated_gif_is_a_clip(processor: Any) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pictures = [Image.new("RGB", (6, 6), colour) for colour in colours]
    stream = io.BytesIO()
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:], duration=100)
    frames = processor("video", frames=3, size=2).encode([stream.getvalue()])["frames"]
    assert frames[0, :, 0, 0].tolist() == [list(colour) for colour in colours]


def test_transparency_in_a_gif_is_laid_on_white(processor: Any) -> None:
    picture = Image.new("P", (6, 6), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (0, 0, 3, 6))
    stream = io.BytesIO()
    picture.save(stream, "GIF", transparency=0)
    frames = processor("video", frames=1, size=6).encode([stream.getvalue()])["frames"]
    assert frames[0, 0, 0, [0, 5]].tolist() == [[0, 0, 255], [255, 255, 255]]


def test_transparency_in_a_video_is_laid_on_white(processor: Any, tmp_path: Path) -> None:
    path = tmp_path / "clear.mov"
    picture = np.zeros((6, 6, 4), np.uint8)
    picture[:, :3] = (0, 0, 255, 255)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 6, 6, "rgba"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgba")))
        container.mux(stream.encode())
    frames = processor("video", frames=1, size=6).encode([path])["frames"]
    assert frames[0, 0, 0, [0, 5]].tolist() == [[0, 0, 255], [255, 255, 255]]


def test_a_picture_is_a_clip_of_one_frame(processor: Any, media: Path) -> None:
    frames = processor("video", frames=3, size=16).encode([media / "cat.jpg"])["frames"]
    assert (frames[0] == frames[0, 0]).all()
    assert frames.std() > 10


def test_the_rotation_of_a_phone_clip_is_applied(processor: Any, tmp_path: Path) -> None:
    left_dark = grey(240)
    left_dark[:, :32] = 10
    path = write_clip(tmp_path / "phone.mp4", [left_dark] * 3)
    data = bytearray(path.read_bytes())
    # The matrix of the track header (ISO 14496-12): (x, y) is shown at (-y, x), a quarter turn clockwise.
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 48 << 16, 0, 1 << 30)
    frames = processor("video", frames=1, size=8).encode([bytes(data)])["frames"].astype(int)
    top, bottom = frames[0, 0, :3].mean(), frames[0, 0, 5:].mean()
    assert top < 40  # the left side is now on top
    assert bottom > 200


def test_the_shipped_clip_is_read(processor: Any, media: Path) -> None:
    frames = processor("video", frames=8, size=32).encode([media / "cyclist.mp4"] * 2)["frames"]
    assert frames.shape == (2, 8, 32, 32, 3)
    np.testing.assert_array_equal(frames[0], frames[1])
    with av.open(str(media / "cyclist.mp4")) as container:
        picture = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][3]
    # 61 frames in 8 parts: the first part is frames 0 to 6.
    rows = [204 * row // 32 for row in range(32)]
    columns = [480 * column // 32 for column in range(32)]
    np.testing.assert_array_equal(frames[0, 0], picture[rows][:, columns])


def test_a_long_clip_needs_little_memory(tmp_path: Path) -> None:
    pictures = [grey(level % 256, width=320, height=240) for level in range(300)]
    path = write_clip(tmp_path / "long.mp4", pictures)
    peak = most_allocated(
        """
from composer_vision.configs import VideoConfig
from composer_vision.processors import VideoProcessor
encode = VideoProcessor(VideoConfig(frames=4, size=8)).encode
""",
        f"encode([{str(path)!r}])",
    )
    # All 300 frames would take 69 MB.
    assert peak < 5_000_000


def _rewritten(clip: Path, target: Path, change: Callable[[int, bytes], bytes]) -> list[np.ndarray]:
    """Write the packets of `clip` with their bytes changed; returns what a plain decoder then shows."""
    with av.open(str(clip)) as given, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        for index, packet in enumerate(given.demux(video=0)):
            if packet.size:
                written = av.Packet(change(index, bytes(packet)))
                written.pts, written.dts, written.time_base = packet.pts, packet.dts, packet.time_base
                written.is_keyframe = packet.is_keyframe
                written.stream = stream
                container.mux(written)
    with av.open(str(target)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _hide(index: int, packet: bytes) -> bytes:
    """Clear the show_frame bit of a VP8 packet (RFC 6386, section 9.1) in every eighth packet."""
    return bytes([packet[0] & ~0x10]) + packet[1:] if index % 8 == 1 else packet


def _skip(index: int, packet: bytes) -> bytes:
    """Put MPEG-4 pictures that are "not coded" (vop_coded = 0) in place of the second half of the packets."""
    return packet if index < 20 else b"\0\0\1\xb6\x50\x5f"


@pytest.mark.parametrize(
    ("name", "codec", "change"), [("hidden.webm", "libvpx", _hide), ("skipped.avi", "mpeg4", _skip)]
)
def test_packets_that_show_nothing_are_no_frames(
    processor: Any, tmp_path: Path, name: str, codec: str, change: Callable[[int, bytes], bytes]
) -> None:
    whole = write_clip(tmp_path / f"whole-{name}", [grey(level) for level in LEVELS], codec=codec)
    shown = _rewritten(whole, tmp_path / name, change)
    assert 15 <= len(shown) < 40  # otherwise the change did nothing
    frames = processor("video", frames=4, size=8).encode([tmp_path / name])["frames"]
    expected = [round(shown[index].mean()) for index in middle_frames(4, len(shown))]
    assert levels(frames) == expected


def _without_frames(path: Path) -> Path:
    """A file with a header and no frame. An MP4 then has no track at all, an AVI has an empty one."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return path


def _sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 800)
    return path


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _of_no_codec(path: Path) -> Path:
    whole = write_clip(path, [grey(level) for level in LEVELS], codec="mpeg4").read_bytes()
    return _written(path, whole.replace(b"FMP4", b"ZZZZ"))


BAD = {
    "missing": (lambda folder: folder / "none.mp4", "does not exist: check the path"),
    "directory": (lambda folder: folder, "is a directory"),
    "empty": (lambda folder: _written(folder / "empty.mp4", b""), "is an empty file"),
    "notes": (lambda folder: _written(folder / "notes.mp4", b"no clip " * 99), "cannot be decoded as video"),
    "no-frame-mp4": (lambda folder: _without_frames(folder / "zero.mp4"), "has no frame"),
    "no-frame-avi": (
        lambda folder: _without_frames(folder / "zero.avi"),
        "has no frame: check that it plays",
    ),
    "sound": (lambda folder: _sound(folder / "sound.wav"), "has no frame: it holds no video"),
    "no-codec": (
        lambda folder: _of_no_codec(folder / "odd.avi"),
        "cannot be decoded as video (no decoder for it is known)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_clip_gives_one_sentence_with_its_name(tmp_path: Path, processor: Any, case: str) -> None:
    make, message = BAD[case]
    path = make(tmp_path)
    with pytest.raises(InputError) as caught:
        processor("video", frames=4, size=8).encode([path])
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["late.mp4", "early.mp4", "cut.avi"])
def test_a_clip_that_is_cut_short_is_refused(tmp_path: Path, processor: Any, share: float, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8)
    path = tmp_path / name
    # The list of frames lies at the end of an MP4, or at its start for the web.
    options = {"movflags": "faststart"} if name.startswith("early") else {}
    codec = "mpeg4" if path.suffix == ".avi" else "libx264"
    whole = write_clip(path, list(noise), codec=codec, options=options).read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match="cut short") as caught:
        processor("video", frames=4, size=8).encode([path])
    assert str(path) in str(caught.value)


def test_a_cut_between_two_frames_is_seen(tmp_path: Path, processor: Any) -> None:
    path = write_clip(
        tmp_path / "clip.mp4", [grey(level) for level in LEVELS], options={"movflags": "faststart"}
    )
    with av.open(str(path)) as container:
        start = [packet.pos for packet in container.demux(video=0) if packet.size][30]
    cut = path.read_bytes()[:start]
    with pytest.raises(InputError, match="cut short: it ends after 30 of 40 frames"):
        processor("video", frames=4, size=8).encode([cut])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "no bytes were given as clip"),
        (np.zeros((4, 4, 3), np.uint8), r"uint8 \[frames, height, width, 3\], not uint8 \[4, 4, 3\]"),
        (np.zeros((0, 4, 4, 3), np.uint8), r"not uint8 \[0, 4, 4, 3\]"),
        (np.zeros((2, 4, 4, 3), np.float64), "not float64"),
        (Image.new("RGB", (4, 4)), "not a Image"),
        (None, "not a NoneType"),
    ],
)
def test_a_value_that_is_no_clip_is_refused(processor: Any, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        processor("video", frames=2, size=8).encode([value])


def test_an_array_has_no_frame_rate(processor: Any) -> None:
    with pytest.raises(InputError, match="says no frame rate: use sampling: middle"):
        processor("video", frames=2, size=8, sampling="rate").encode([np.zeros((4, 4, 4, 3), np.uint8)])


def test_a_play_list_opens_no_other_file(processor: Any, clip: Path, tmp_path: Path) -> None:
    play_list = tmp_path / "list.m3u8"
    play_list.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\n{clip}\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError):
        processor("video", frames=2, size=8).encode([play_list])
