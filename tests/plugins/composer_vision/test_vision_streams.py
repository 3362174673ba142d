"""Which stream of a file is the clip, which of its frames are shown, and which way up."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import add_cover, add_sound, display_matrix, grey, levels, noise, write_clip
from composer_vision import surveying
from PIL import Image

from composer.problems import InputError

LEVELS = [6 * index + 5 for index in range(40)]


def jpeg(colour: str = "red") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(
        tmp_path_factory.mktemp("streams") / "clip.mp4", [grey(level) for level in LEVELS], sound=True
    )


def close(found: Sequence[int], expected: Sequence[int]) -> bool:
    return len(found) == len(expected) and int(np.abs(np.subtract(found, expected)).max()) <= 3


def test_a_cover_is_not_the_clip(processor: Any, clip: Path, tmp_path: Path) -> None:
    path = add_cover(clip, tmp_path / "covered.mp4", jpeg())
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"  # otherwise this shows nothing
    frames = processor("video", frames=4, size=8).encode([path])["frames"]
    assert close(levels(frames), [LEVELS[index] for index in (4, 14, 24, 34)])


@pytest.mark.parametrize(
    ("name", "codec"), [("song.mp4", "aac"), ("song.mp3", "libmp3lame"), ("song.flac", "flac")]
)
def test_a_song_with_a_cover_is_not_a_clip(processor: Any, tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        tone = add_sound(container, codec, 44100)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        packet = av.Packet(jpeg())
        packet.pts = packet.dts = 0
        packet.stream, packet.is_keyframe = cover, True
        container.start_encoding()
        container.mux(packet)
        form = tone.codec_context.format.name
        for index in range(8):
            kind = np.float32 if "flt" in form else np.int16 if "16" in form else np.int32
            layout = tone.codec_context.layout.name
            channels = tone.codec_context.layout.nb_channels
            shape = (channels, 1152) if tone.codec_context.format.is_planar else (1, 1152 * channels)
            frame = av.AudioFrame.from_ndarray(np.zeros(shape, kind), format=form, layout=layout)
            frame.sample_rate, frame.pts = 44100, index * 1152
            container.mux(tone.encode(frame))
        container.mux(tone.encode())
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(InputError, match="holds no video, only sound and a cover picture") as caught:
        processor("video", frames=4, size=8).encode([path])
    assert str(path) in str(caught.value)


def test_subtitles_alone_are_not_a_clip(processor: Any, tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    with pytest.raises(InputError, match="video"):
        processor("video", frames=4, size=8).encode([tmp_path / "words.srt"])


@pytest.mark.parametrize("order", ["marked first", "marked last", "larger last", "still first"])
def test_of_several_streams_the_marked_or_larger_one_plays(
    processor: Any, tmp_path: Path, order: str
) -> None:
    """Two streams, 200 and 50 bright; the bright one is the clip."""
    bright = {"marked first": 0, "marked last": 1, "larger last": 1, "still first": 1}[order]
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for index in range(2):
            stream = container.add_stream("libx264", rate=25)
            larger = order == "larger last" and index == bright
            stream.width, stream.height, stream.pix_fmt = (96 if larger else 64), 48, "yuv420p"
            marked = order.startswith("marked") and index == bright
            stream.disposition = Disposition.default if marked else Disposition(0)
            streams.append(stream)
        for time in range(8):
            for index, stream in enumerate(streams):
                if order == "still first" and index != bright and time:
                    continue
                picture = grey(200 if index == bright else 50, width=stream.width)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = time, Fraction(1, 25)
                container.mux(stream.encode(frame.reformat(format="yuv420p")))
        for stream in streams:
            container.mux(stream.encode())
    frames = processor("video", frames=2, size=8).encode([path])["frames"]
    assert close(levels(frames), [200, 200])


def edited(content: bytes, entries: Sequence[tuple[int, int]], scale: int) -> bytes:
    """An MP4 with another edit list: pairs of a length (in 1/1000 s) and a start (in 1/`scale` s)."""
    rows = b"".join(struct.pack(">iiI", length, start, 1 << 16) for length, start in entries)
    body = struct.pack(">II", 0, len(entries)) + rows
    box = struct.pack(">I4sI4s", 16 + len(body), b"edts", 8 + len(body), b"elst") + body
    place = content.index(b"edts") - 4
    old = int.from_bytes(content[place : place + 4], "big")
    grown = len(box) - old
    content = content[:place] + box + content[place + old :]
    for name in (b"moov", b"trak"):
        at = content.index(name) - 4
        size = int.from_bytes(content[at : at + 4], "big") + grown
        content = content[:at] + struct.pack(">I", size) + content[at + 4 :]
    return content


@pytest.mark.parametrize(
    ("entries", "shown"),
    [
        ([(1600, 0)], range(40)),
        ([(800, 0)], range(20)),  # the second half is cut off
        ([(800, 20)], range(20, 40)),  # the first half
        ([(400, 7)], range(7, 17)),  # a piece that does not begin with a keyframe
        ([(400, 0), (400, 30)], [*range(10), *range(30, 40)]),  # the middle is cut out
        ([(1000, -1), (1600, 0)], range(40)),  # shown a second later
    ],
)
def test_the_frames_that_are_shown_count(
    processor: Any, tmp_path: Path, entries: list[tuple[int, int]], shown: Sequence[int]
) -> None:
    path = write_clip(tmp_path / "clip.mp4", [grey(level) for level in LEVELS], encoder={"bf": "0"})
    with av.open(str(path)) as container:
        base = container.streams.video[0].time_base
    assert base is not None
    scale = base.denominator
    per_frame = scale // 25
    content = edited(
        path.read_bytes(),
        [(length, start * per_frame if start >= 0 else -1) for length, start in entries],
        scale,
    )
    for frames in (1, 4):
        read = processor("video", frames=frames, size=8).encode([content])["frames"]
        count = len(shown)
        chosen = [
            ((count * part // frames) + (count * (part + 1) // frames) - 1) // 2 for part in range(frames)
        ]
        assert close(levels(read), [LEVELS[shown[index]] for index in chosen])


def test_a_cut_is_seen_beside_an_edit_list(processor: Any, tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "clip.mp4",
        [grey(level) for level in LEVELS],
        encoder={"bf": "0"},
        options={"movflags": "faststart"},
    )
    with av.open(str(path)) as container:
        start = [packet.pos for packet in container.demux(video=0) if packet.size][30]
    with pytest.raises(InputError, match="cut short: it ends after 30 of 40 frames"):
        processor("video", frames=4, size=8).encode([path.read_bytes()[:start]])


CORNERS = np.zeros((48, 64, 3), np.uint8)
CORNERS[:24, :32], CORNERS[:24, 32:], CORNERS[24:, :32], CORNERS[24:, 32:] = 40, 100, 160, 220


def corners(frames: np.ndarray) -> list[int]:
    """The brightness of the four quarters, row by row."""
    picture = frames[0, 0].astype(int)
    return [
        round(picture[rows, columns].mean() / 20) * 20
        for rows, columns in product((slice(3), slice(5, 8)), repeat=2)
    ]


def quarters(a: float, b: float, c: float, d: float) -> list[int]:
    """What a viewer shows: the quarter in the middle of which (x, y) lies goes to (a x + c y, b x + d y)."""
    places = {}
    for level, (x, y) in {40: (-1, -1), 100: (1, -1), 160: (-1, 1), 220: (1, 1)}.items():
        places[b * x + d * y > 0, a * x + c * y > 0] = level
    return [places[below, right] for below, right in product((False, True), repeat=2)]


SQUARE = [
    (1, 0, 0, 1),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (-1, 0, 0, -1),
    (0, 1, -1, 0),
    (0, -1, 1, 0),
    (0, 1, 1, 0),
]


@pytest.mark.parametrize(
    "matrix", [*SQUARE, (0, -1, -1, 0), (2, 0, 0, -1), (0, 0.5, 3, 0), (1, 0.005, -0.005, 1)]
)
def test_the_whole_display_matrix_is_applied(
    processor: Any, tmp_path: Path, matrix: tuple[float, ...]
) -> None:
    content = write_clip(tmp_path / "clip.mp4", [CORNERS] * 3).read_bytes()
    frames = processor("video", frames=1, size=8).encode([display_matrix(content, matrix)])["frames"]
    assert corners(frames) == quarters(*matrix)


def test_an_empty_matrix_turns_nothing(processor: Any, tmp_path: Path) -> None:
    content = write_clip(tmp_path / "clip.mp4", [CORNERS] * 3).read_bytes()
    frames = processor("video", frames=1, size=8).encode([display_matrix(content, (0, 0, 0, 0))])["frames"]
    assert corners(frames) == [40, 100, 160, 220]


@pytest.mark.parametrize("matrix", [(0.9, 0.4, -0.4, 0.9), (1, 1, 0, 1), (0.7, 0.7, -0.7, 0.7), (1, 0, 0, 0)])
def test_an_angle_that_is_not_right_is_refused(
    processor: Any, tmp_path: Path, matrix: tuple[float, ...]
) -> None:
    content = write_clip(tmp_path / "clip.mp4", [CORNERS] * 3).read_bytes()
    with pytest.raises(InputError, match="angle that is not a right one"):
        processor("video", frames=1, size=8).encode([display_matrix(content, matrix)])


def test_a_turned_frame_is_cropped_as_it_is_shown(processor: Any, tmp_path: Path) -> None:
    """A quarter turn makes 64 x 48 to 48 x 64: a square from the middle leaves out rows of the turned picture."""
    striped = np.zeros((48, 64, 3), np.uint8)
    striped[:, :8] = 255
    content = write_clip(tmp_path / "clip.mp4", [striped] * 3).read_bytes()
    encode = processor("video", frames=1, size=8, crop="center").encode
    assert encode([display_matrix(content, (0, 1, -1, 0))])["frames"].max() < 10
    assert encode([content])["frames"].max() < 10


@pytest.mark.parametrize("times", [[0, 1, 2, 9, 10, 40, 41, 99], [0, 5, 6, 7, 100, 101, 102, 103]])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_frames_that_are_shown_at_uneven_times_count_alike(
    processor: Any, tmp_path: Path, times: list[int], name: str
) -> None:
    path = write_clip(tmp_path / name, [grey(level) for level in LEVELS[:8]], times=times)
    frames = processor("video", frames=4, size=8).encode([path])["frames"]
    assert close(levels(frames), [LEVELS[index] for index in (0, 2, 4, 6)])


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm", "clip.avi", "clip.gif", "clip.mpg"])
def test_a_clip_of_one_or_two_frames(processor: Any, tmp_path: Path, name: str, count: int) -> None:
    path = write_clip(tmp_path / name, [grey(level) for level in (40, 200)[:count]])
    frames = processor("video", frames=3, size=8).encode([path])["frames"]
    assert np.abs(np.array(levels(frames)) - ([40] * 3 if count == 1 else [40, 200, 200])).max() <= 20


@pytest.mark.parametrize(("width", "height"), [(65, 47), (2, 2), (18, 250)])
def test_odd_sizes(processor: Any, tmp_path: Path, width: int, height: int) -> None:
    picture = grey(40, width, height)
    picture[:, width // 2 :] = 200
    path = write_clip(tmp_path / "clip.mkv", [picture] * 3, codec="ffv1", pix_fmt="yuv444p")
    frames = processor("video", frames=1, size=2).encode([path])["frames"]
    assert np.abs(frames[0, 0, :, :, 0].astype(int) - [[40, 200]] * 2).max() <= 3


def test_interlaced_frames_count_once(processor: Any, tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "clip.mp4",
        [grey(level) for level in LEVELS],
        encoder={"x264-params": "interlaced=1:tff=1", "flags": "+ildct"},
    )
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    frames = processor("video", frames=4, size=8).encode([path])["frames"]
    assert close(levels(frames), [LEVELS[index] for index in (4, 14, 24, 34)])


def test_frames_that_are_walked_are_bounded(
    processor: Any, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSER_MEDIA", "inline")  # where the limits are ours to change
    monkeypatch.setattr(surveying, "MAX_FRAMES", 39)
    with pytest.raises(InputError, match="more than 39 frames: cut out the part"):
        processor("video", frames=1, size=8).encode([clip])
    monkeypatch.setattr(surveying, "MAX_FRAMES", 40)
    monkeypatch.setattr(surveying, "MAX_WALKED_PIXELS", 40 * 48 * 64 - 1)
    with pytest.raises(InputError, match="40 frames of 64 x 48 pixels, and 122,879 pixels are allowed"):
        processor("video", frames=1, size=8).encode([clip])


def test_a_bad_clip_of_a_batch_is_named_with_its_number(processor: Any, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_bytes(b"no clip " * 99)
    for bad, word in ((tmp_path / "notes.mp4", "notes.mp4"), (b"no clip", "7 bytes"), (None, "NoneType")):
        with pytest.raises(InputError, match=r"^clip 2 of the batch: ") as caught:
            processor("video", frames=4, size=8).encode([clip, bad, clip])
        assert word in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("modality", ["image", "video"])
def test_a_pipe_or_a_device_is_refused_and_never_waited_for(
    processor: Any, tmp_path: Path, modality: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    config = {"size": 8} if modality == "image" else {"size": 8, "frames": 2}
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/stdin")):
        with pytest.raises(InputError, match=r"is not a regular file|does not exist"):
            processor(modality, **config).encode([path])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"])
def test_a_picture_given_as_a_clip_is_read_as_a_picture(processor: Any, form: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(CORNERS).save(stream, form)
    video = processor("video", frames=2, size=8, resize="bicubic").encode([stream.getvalue()])["frames"]
    image = processor("image", size=8).encode([stream.getvalue()])["frames"]
    np.testing.assert_array_equal(video[0], [image[0, 0]] * 2)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_frames_of_an_animation_are_counted(processor: Any, form: str) -> None:
    pictures = [Image.fromarray(grey(level)) for level in (10, 60, 110, 160, 210)]
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    stream = io.BytesIO()
    pictures[0].save(stream, form, save_all=True, append_images=pictures[1:], **options)
    for frames, expected in ((5, [10, 60, 110, 160, 210]), (1, [110]), (2, [10, 160])):
        read = processor("video", frames=frames, size=8).encode([stream.getvalue()])["frames"]
        assert close(levels(read), expected)


def chunks_of_webp(content: bytes) -> list[int]:
    """Where each chunk ends."""
    places = [12]
    while places[-1] < len(content):
        length = int.from_bytes(content[places[-1] + 4 : places[-1] + 8], "little")
        places.append(places[-1] + 8 + length + (length & 1))
    return places


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_that_is_cut_short_is_refused(processor: Any, form: str) -> None:
    pictures = [Image.fromarray(picture) for picture in noise(4)]
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    stream = io.BytesIO()
    pictures[0].save(stream, form, save_all=True, append_images=pictures[1:], **options)
    content = stream.getvalue()
    cuts = [len(content) * tenths // 10 + 1 for tenths in range(3, 10)]
    if form == "WEBP":  # between two chunks nothing else is missing
        cuts += [place for place in chunks_of_webp(content)[3:-1] for place in (place, place + 5)]
    for cut in cuts:
        with pytest.raises(InputError, match="cut short"):
            processor("video", frames=4, size=8).encode([content[:cut]])


def test_a_container_that_sends_its_reader_beyond_the_file_is_refused(processor: Any, tmp_path: Path) -> None:
    content = write_clip(tmp_path / "clip.nut", noise(8), codec="ffv1").read_bytes()
    cut = tmp_path / "cut.nut"  # a file: bytes in memory refuse such a place in another way
    for missing in (*range(150, 200, 7), len(content) // 20):
        cut.write_bytes(content[:-missing])
        with pytest.raises(InputError, match="cut short"):
            processor("video", frames=4, size=8).encode([cut])


def test_a_row_of_jpegs_is_a_clip(processor: Any, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mjpeg", [grey(level) for level in (40, 120, 200)])
    assert close(levels(processor("video", frames=3, size=8).encode([path])["frames"]), [40, 120, 200])
