"""The colours of a clip are those that were put into it, whatever matrix, range and depth store them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import add_video
from composer_vision.clips import read_frames

from composer.problems import InputError
from composer.problems.media_source import MediaSource

COLOURS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (200, 100, 50),
    (30, 180, 220),
    (128, 128, 128),
]

# Kr and Kb of each matrix, and its number in ITU-T H.273.
MATRICES = {
    "bt601": (0.299, 0.114, 6),
    "bt470bg": (0.299, 0.114, 5),
    "bt709": (0.2126, 0.0722, 1),
    "smpte240m": (0.212, 0.087, 7),
    "bt2020": (0.2627, 0.0593, 9),
    "undeclared": (0.299, 0.114, 2),
    "reserved": (0.299, 0.114, 3),
}
LIMITED, FULL, UNDECLARED = 1, 2, 0


def stored(matrix: str, full: bool, bits: int) -> np.ndarray:
    """The colours as Y, Cb, Cr [8, 3], by the definition of H.273."""
    red, green, blue = np.array(COLOURS, float).T / 255
    kr, kb, _ = MATRICES[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    differences = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    most, unit = 2**bits - 1, 2 ** (bits - 8)
    if full:
        planes = [luma * most, *(each * most + 2 ** (bits - 1) for each in differences)]
    else:
        planes = [(16 + 219 * luma) * unit, *((128 + 224 * each) * unit for each in differences)]
    return np.clip(np.round(np.stack(planes, axis=1)), 0, most)


def write(path: Path, codec: str, form: str, matrix: str, declared: int, **encoder: str) -> Path:
    """Eight patches of 16 x 32 pixels, side by side, stored without loss."""
    bits = 10 if "10" in form else 8
    values = stored(matrix, declared == FULL, bits)
    with av.open(str(path), "w") as container:
        stream = add_video(container, codec, encoder)
        stream.width, stream.height, stream.pix_fmt = 128, 32, form
        stream.codec_context.colorspace = MATRICES[matrix][2]
        stream.codec_context.color_range = declared
        for index in range(3):
            frame = av.VideoFrame(128, 32, form)
            for plane, column in zip(frame.planes, range(3), strict=True):
                kind = np.uint16 if bits > 8 else np.uint8
                row = np.repeat(values[:, column], plane.width // 8).astype(kind)
                line = np.zeros(plane.line_size // row.itemsize, kind)
                line[: len(row)] = row
                plane.update(np.tile(line, plane.height).tobytes())
            frame.pts = index
            frame.colorspace, frame.color_range = MATRICES[matrix][2], declared
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def patches(processor: Any, path: Path) -> np.ndarray:
    """The middle pixel of each patch of the middle frame."""
    frames = processor("video", frames=1, size=128).encode([path])["frames"]
    return frames[0, 0, 64, 8::16].astype(int)


FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("declared", [LIMITED, FULL, UNDECLARED])
@pytest.mark.parametrize("matrix", MATRICES)
def test_colours_come_back(processor: Any, tmp_path: Path, matrix: str, declared: int, form: str) -> None:
    encoder = {"qp": "0", "preset": "ultrafast"}
    path = write(tmp_path / "clip.mp4", "libx264", form, matrix, declared, **encoder)
    assert np.abs(patches(processor, path) - COLOURS).max() <= 4


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("declared", [LIMITED, FULL])
def test_colours_of_hevc_come_back(processor: Any, tmp_path: Path, matrix: str, declared: int) -> None:
    names = {"bt709": "bt709", "bt2020": "bt2020nc", "bt601": "smpte170m"}
    reach = "full" if declared == FULL else "limited"
    parameters = f"lossless=1:log-level=none:colormatrix={names[matrix]}:range={reach}"
    path = write(
        tmp_path / "clip.mp4", "libx265", "yuv420p10le", matrix, declared, **{"x265-params": parameters}
    )
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (int(frame.colorspace), int(frame.color_range)) == (MATRICES[matrix][2], declared)
    assert np.abs(patches(processor, path) - COLOURS).max() <= 4


def smooth(width: int = 128, height: int = 96) -> np.ndarray:
    """A picture without edges, in which no two places look alike: what shifts or mixes fields shows."""
    rows, columns = np.mgrid[0:height, 0:width].astype(float)
    waves = [
        np.sin(columns / 20 + rows / 31),
        np.cos(columns / 27 - rows / 18),
        np.sin(columns / 33 + rows / 25 + 1),
    ]
    return np.stack([128 + 100 * wave for wave in waves], axis=2).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("form", "encoder"),
    [
        ("yuv420p", {}),
        ("yuv420p", {"x264-params": "interlaced=1:tff=1"}),
        ("yuv420p", {"x264-params": "interlaced=1:bff=1"}),
        ("yuv420p10le", {}),
        ("yuv420p10le", {"x264-params": "interlaced=1:tff=1"}),
        ("yuv422p10le", {}),
    ],
)
def test_a_picture_comes_back_at_its_place(
    processor: Any, tmp_path: Path, form: str, encoder: dict[str, str]
) -> None:
    picture = smooth()
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0", **encoder})
        stream.width, stream.height, stream.pix_fmt = 128, 96, form
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=form)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    # Whole frames of 128 x 96, so that nothing is resized away.
    read: list[np.ndarray] = []

    def noted(shown: np.ndarray) -> np.ndarray:
        read.append(shown)
        return shown

    read_frames(MediaSource.of(path, "clip"), lambda length: [1], noted)
    difference = np.abs(read[0].astype(int) - picture)
    assert difference.mean() < 2
    assert difference.max() <= 12


def test_ten_bits_and_eight_give_the_same_frames(processor: Any, tmp_path: Path) -> None:
    edges = np.kron(np.random.default_rng(0).integers(0, 256, (12, 16, 3)), np.ones((8, 8, 1))).astype(
        np.uint8
    )
    found = []
    for name, codec, form, encoder in (
        ("8.mkv", "ffv1", "yuv420p", {}),
        ("10.mkv", "ffv1", "yuv420p10le", {}),
        ("i.mkv", "libx264", "yuv420p", {"qp": "0", "x264-params": "interlaced=1:tff=1"}),
    ):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = add_video(container, codec, encoder)
            stream.width, stream.height, stream.pix_fmt = 128, 96, form
            frame = av.VideoFrame.from_ndarray(edges, format="rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(frame.reformat(format=form)))
            container.mux(stream.encode())
        found.append(processor("video", frames=1, size=96).encode([path])["frames"].astype(int))
    np.testing.assert_array_equal(found[0], found[2])
    # Deep frames mix the chroma of neighbouring rows, which differ around every eighth row; nothing else differs.
    inside = [row for row in range(96) if 3 <= row % 8 <= 5]
    assert np.abs(found[0] - found[1])[0, 0, inside].max() <= 3


@pytest.mark.parametrize(("number", "name"), [(8, "YCgCo"), (14, "ICtCp")])
def test_colours_that_are_not_read_are_named(processor: Any, tmp_path: Path, number: int, name: str) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.colorspace = number
        frame = av.VideoFrame(64, 48, "yuv444p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match=f"stores its colours as {name}, which is not read"):
        processor("video", frames=1, size=8).encode([path])


def test_constant_luminance_is_converted_like_the_usual_kind(processor: Any, tmp_path: Path) -> None:
    MATRICES["bt2020cl"] = (0.2627, 0.0593, 10)
    try:
        path = write(tmp_path / "clip.mp4", "libx264", "yuv444p", "bt2020cl", LIMITED, qp="0")
    finally:
        del MATRICES["bt2020cl"]
    assert np.abs(patches(processor, path) - COLOURS).max() <= 4


@pytest.mark.parametrize("codec", ["libx264rgb", "ffv1", "png"])
def test_a_clip_that_stores_rgb_is_exact(processor: Any, tmp_path: Path, codec: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    form = {"libx264rgb": "rgb24", "ffv1": "bgr0", "png": "rgb24"}[codec]
    path = tmp_path / ("clip.mov" if codec == "png" else "clip.mkv")
    with av.open(str(path), "w") as container:
        stream = add_video(container, codec, {"qp": "0"} if codec == "libx264rgb" else {})
        stream.width, stream.height, stream.pix_fmt = 32, 32, form
        container.mux(
            stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=form))
        )
        container.mux(stream.encode())
    frames = processor("video", frames=1, size=32).encode([path])["frames"]
    np.testing.assert_array_equal(frames[0, 0], picture)


@pytest.mark.parametrize("form", ["gray", "gray10le", "yuva420p"])
def test_grey_and_clear_clips_are_read(processor: Any, tmp_path: Path, form: str) -> None:
    path = tmp_path / "clip.mkv"
    picture = np.full((32, 32, 3), 255, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, form
        container.mux(
            stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=form))
        )
        container.mux(stream.encode())
    frames = processor("video", frames=1, size=8).encode([path])["frames"]
    assert frames.min() >= 253
