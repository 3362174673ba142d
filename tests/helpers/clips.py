"""Clips whose every frame is known, in any container that PyAV writes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import AudioStream, VideoStream
from av.container import OutputContainer
from av.stream import Disposition

__all__ = [
    "CONTAINERS",
    "add_cover",
    "add_sound",
    "add_video",
    "display_matrix",
    "grey",
    "levels",
    "noise",
    "write_clip",
]

CONTAINERS = {
    "clip.mp4": "libx264",
    "clip.mov": "mpeg4",
    "clip.mkv": "libx264",
    "clip.webm": "libvpx-vp9",
    "vp8.webm": "libvpx",
    "clip.avi": "mpeg4",
    "clip.ts": "libx264",
    "clip.mpg": "mpeg2video",
    "clip.flv": "libx264",
    "clip.wmv": "wmv2",
    "clip.ivf": "libvpx",
    "clip.y4m": "rawvideo",
    "clip.gif": "gif",
    "clip.h264": "libx264",
    "clip.m2v": "mpeg2video",
    "clip.mjpeg": "mjpeg",
    "clip.nut": "mpeg4",
}
"""File names by which PyAV knows the container, each with a codec that fits into it."""

FORMATS = {"gif": "rgb8", "mjpeg": "yuvj420p"}


def grey(level: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def noise(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Pictures that fill a file, and whose encoding no two stretches share."""
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8))


def levels(frames: np.ndarray) -> list[int]:
    """The mean grey level of each frame of the first clip of a batch."""
    return frames[0].mean(axis=(1, 2, 3)).round().astype(int).tolist()


def add_video(
    container: OutputContainer, codec: str, encoder: Mapping[str, str] | None = None
) -> VideoStream:
    """A stream of 25 pictures a second."""
    stream = container.add_stream(codec, rate=25, options=dict(encoder or {}))
    assert isinstance(stream, VideoStream)
    return stream


def add_sound(container: OutputContainer, codec: str, rate: int) -> AudioStream:
    stream = container.add_stream(codec, rate=rate)
    assert isinstance(stream, AudioStream)
    return stream


def write_clip(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    codec: str | None = None,
    pix_fmt: str | None = None,
    matrix: Sequence[int] | None = None,
    encoder: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    sound: bool = False,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Write pictures [H, W, 3] as a clip of 25 frames a second.

    `times` gives other times than 0, 1, 2, ... (in 1/25 s); `options` are those of the container.
    """
    codec = codec or CONTAINERS.get(path.name, "libx264")
    with av.open(str(path), "w", options=dict(options or {})) as container:
        stream = add_video(container, codec, encoder)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt or FORMATS.get(codec, "yuv420p")
        if matrix is not None:
            stream.set_display_matrix(matrix)
        tone = (
            add_sound(container, "mp2" if path.suffix in (".mpg", ".ts") else "aac", 48000) if sound else None
        )
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = times[index] if times else index, Fraction(1, 25)
            container.mux(stream.encode(frame))
            if tone is not None:
                container.mux(tone.encode(_silence(index, tone.codec_context.format.name)))
        container.mux(stream.encode())
        if tone is not None:
            container.mux(tone.encode())
    return path


def _silence(index: int, form: str) -> av.AudioFrame:
    kind = np.float32 if "flt" in form else np.int16
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1920), kind), format=form, layout="mono")
    frame.sample_rate, frame.pts = 48000, index * 1920
    return frame


def add_cover(path: Path, target: Path, picture: bytes) -> Path:
    """Copy an MP4 or M4A with a JPEG as its cover, which a reader then meets before the other streams."""
    with av.open(str(path)) as given, av.open(str(target), "w") as container:
        streams = {each.index: container.add_stream_from_template(each) for each in given.streams}
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        packet = av.Packet(picture)
        packet.pts = packet.dts = 0
        packet.stream, packet.is_keyframe = cover, True
        container.mux(packet)
        for each in given.demux():
            if each.size:
                each.stream = streams[each.stream_index]
                container.mux(each)
    target.write_bytes(_notes_first(target.read_bytes()))
    return target


def _notes_first(content: bytes) -> bytes:
    """An MP4 whose notes (udta, which hold the cover) stand before its tracks."""
    start = content.index(b"moov") + 4
    place = start
    while content[place + 4 : place + 8] != b"udta":
        place += int.from_bytes(content[place : place + 4], "big")
    end = place + int.from_bytes(content[place : place + 4], "big")
    return content[:start] + content[place:end] + content[start:place] + content[end:]


def display_matrix(clip: bytes, numbers: Sequence[float]) -> bytes:
    """An MP4 with another matrix (a, b, c, d) in the header of its track (ISO 14496-12), in 16.16."""
    a, b, c, d = (round(number * 65536) for number in numbers)
    place = clip.index(b"tkhd") + 4 + 40
    return clip[:place] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + clip[place + 36 :]
