"""Reading clips with PyAV: decoded frame by frame and only chosen ones kept, for long clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray
from PIL import Image

from composer.problems import InputError
from composer_vision.pictures import to_rgb
from composer_vision.sources import Source, check_pixels

__all__ = ["ClipLength", "read_frames"]

Picture = NDArray[np.uint8]

# VP8 mixes packets that are never shown into the clip: their frames are counted by decoding.
HIDDEN_FRAMES = frozenset({"vp8", "libvpx"})


@dataclass(frozen=True)
class ClipLength:
    """How many frames a clip has, and how many a second (None where nothing says so)."""

    frames: int
    rate: float | None


def read_frames(
    source: Source, choose: Callable[[ClipLength], list[int]], shrink: Callable[[Picture], Picture]
) -> list[Picture]:
    """The frames that `choose` names by index (rising, repeats allowed), each [H, W, 3] after `shrink`.

    The clip is read twice: once to count its packets, which needs no decoding (VP8 apart), and once to decode
    up to the last chosen frame. A decoder may leave out what was counted; then the choice is made again from
    what it gave. Raises InputError for a clip that is unreadable, cut short or without a frame.
    """
    length = _count(source)
    if length.frames:
        indices = choose(length)
        pictures, decoded = _decode(source, indices, shrink)
        if decoded and decoded <= indices[-1]:
            indices = choose(ClipLength(decoded, length.rate))
            pictures, decoded = _decode(source, indices, shrink)
        if decoded > indices[-1]:
            return [pictures[index] for index in indices]
    raise InputError(f"{source.name} has no frame: check that it plays, and export it again")


@contextmanager
def _opened(source: Source) -> Iterator[InputContainer]:
    """The open container; whatever libav raises inside becomes an InputError."""
    with source.open() as stream:
        try:
            # No protocol: a play list inside the file must not make us open other files or addresses.
            with av.open(stream, options={"protocol_whitelist": ""}) as container:
                if not container.streams.video:
                    raise InputError(f"{source.name} has no frame: it holds no video; check that it plays")
                assert isinstance(container, InputContainer)  # a stream opened for reading
                yield container
        except (av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{source.name} cannot be decoded as video ({reason}): "
                "it is no clip, is cut short, or uses an unknown codec; export it as MP4 (H.264)"
            ) from error


def _count(source: Source) -> ClipLength:
    """The frames that the packets promise, and the rate. Raises InputError for a clip that is cut short."""
    with _opened(source) as container:
        stream = container.streams.video[0]
        check_pixels(source.name, stream.codec_context.width, stream.codec_context.height)
        rate = float(stream.average_rate) if stream.average_rate else None
        if stream.codec_context.name in HIDDEN_FRAMES:
            return ClipLength(sum(1 for _ in container.decode(stream)), rate)
        packets = [(each.is_discard, each.is_corrupt) for each in container.demux(stream) if each.size]
        # Only MP4's own list of frames is exact; elsewhere a broken last packet tells.
        listed = stream.frames if "mp4" in container.format.name else 0
        if len(packets) < listed or (packets and packets[-1][1]):
            raise InputError(
                f"{source.name} is cut short: it ends after {len(packets)} of {stream.frames} frames; "
                "fetch it again"
            )
        return ClipLength(sum(not discarded for discarded, _ in packets), rate)


def _decode(
    source: Source, indices: list[int], shrink: Callable[[Picture], Picture]
) -> tuple[dict[int, Picture], int]:
    """The wanted frames by index, and how many were decoded until the last wanted one or the end."""
    wanted = frozenset(indices)
    pictures: dict[int, Picture] = {}
    decoded = 0
    with _opened(source) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            if decoded in wanted:
                check_pixels(source.name, frame.width, frame.height)
                pictures[decoded] = shrink(_picture(frame, source.name))
            decoded += 1
            if decoded > indices[-1]:
                break
    return pictures, decoded


def _picture(frame: av.VideoFrame, name: str) -> Picture:
    """One frame as red, green and blue, transparency laid on white, turned as the camera was held."""
    if any(component.is_alpha for component in frame.format.components):
        image = Image.fromarray(frame.to_ndarray(format="rgba"))
        picture = np.asarray(to_rgb(image, name))
    else:
        picture = frame.to_ndarray(format="rgb24")
    return np.rot90(picture, frame.rotation // 90) if frame.rotation else picture
