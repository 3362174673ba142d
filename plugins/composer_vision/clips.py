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


@dataclass(frozen=True)
class ClipLength:
    """How many frames a clip has, and how many a second (None where nothing says so)."""

    frames: int
    rate: float | None


def read_frames(
    source: Source, choose: Callable[[ClipLength], list[int]], shrink: Callable[[Picture], Picture]
) -> list[Picture]:
    """The frames that `choose` names by index (rising, repeats allowed), each [H, W, 3] after `shrink`.

    The clip is read twice: once to count its packets, which needs no decoding, and once to decode up to the
    last chosen frame. A decoder may leave out what the container counts; then the choice is made again from
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
                    raise InputError(f"{source.name} has no video stream: give a clip, not sound alone")
                assert isinstance(container, InputContainer)  # a stream opened for reading
                yield container
        except (av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{source.name} cannot be decoded as video ({reason}): "
                "it is no clip, is cut short, or uses an unknown codec; export it as MP4 (H.264)"
            ) from error


def _count(source: Source) -> ClipLength:
    with _opened(source) as container:
        stream = container.streams.video[0]
        check_pixels(source.name, stream.codec_context.width, stream.codec_context.height)
        packets = [packet.is_discard for packet in container.demux(stream) if packet.size]
        if len(packets) < stream.frames:
            raise InputError(
                f"{source.name} is cut short: its header promises {stream.frames} frames and it holds "
                f"{len(packets)}; fetch it again"
            )
        rate = stream.average_rate
        return ClipLength(packets.count(False), float(rate) if rate else None)


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
