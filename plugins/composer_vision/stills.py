"""Pictures given as clips: read as pictures are, each page or frame of an animation a frame of the clip."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import IO, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from composer.media.for_libav import OF_TEXTS, for_libav
from composer.media.structure import whole_pictures
from composer.problems import InputError
from composer.problems.media_source import MediaSource
from composer_vision.pictures import decoded, read_opened
from composer_vision.surveying import MAX_FRAMES, ClipLength

__all__ = ["is_still", "read_still"]

Picture = NDArray[np.uint8]

SIGNATURES = (
    *(b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    *(b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"),
)
ROW = 3
"""So many pictures are a clip; telephones put a second one behind the first."""
ANIMATED = ("TIFF", "WEBP")
"""Forms whose further frames Pillow reads. GIF and animated PNG are clips for libav."""


def is_still(stream: BinaryIO) -> bool:
    """Whether the content is a picture, and not a clip for libav (as a row of JPEGs or an animated PNG is)."""
    head = stream.read(64)
    stream.seek(0)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"acTL" not in head
    if head.startswith(b"\xff\xd8\xff"):
        return _is_one_jpeg(stream)
    return head.startswith(SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _is_one_jpeg(stream: BinaryIO) -> bool:
    try:
        with av.open(
            for_libav(stream), container_options={"protocol_whitelist": ""}, metadata_errors=OF_TEXTS
        ) as container:
            return container.format.name != "mjpeg"
    except av.FFmpegError:  # what libav does not take for a row may be a damaged one
        return whole_pictures(stream) < ROW
    finally:
        stream.seek(0)


def _pages(stream: IO[bytes] | None) -> int:
    """How many pages the directories of a TIFF name, each where the next one lies: Pillow stops at the first that it
    cannot read, and says nothing.
    """
    if stream is None:
        return 0
    stream.seek(0)
    head = stream.read(8)
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 8 or struct.unpack_from(f"{order}H", head, 2)[0] != 42:
        return 0
    (place,) = struct.unpack_from(f"{order}I", head, 4)
    seen: set[int] = set()
    while place and place not in seen and len(seen) <= MAX_FRAMES:
        stream.seek(place)
        count = stream.read(2)
        entries = struct.unpack(f"{order}H", count)[0] if len(count) == 2 else 0
        stream.seek(12 * entries, 1)
        following = stream.read(4)
        if len(following) < 4:
            break
        seen.add(place)
        (place,) = struct.unpack(f"{order}I", following)
    return len(seen)


def read_still(
    source: MediaSource, choose: Callable[[ClipLength], list[int]], shrink: Callable[[Picture], Picture]
) -> list[Picture]:
    """The frames that `choose` names by index, each after `shrink`. Raises InputError as `read_picture` does."""

    def read(image: Image.Image) -> list[Picture]:
        frames = getattr(image, "n_frames", 1) if image.format in ANIMATED else 1
        pages = _pages(image.fp) if image.format == "TIFF" and isinstance(image, ImageFile) else 0
        if pages > frames:  # the file is read once more without its tags of no matter, and then it is whole
            raise InputError(
                f"{source.name} has {pages:,} pages, of which {frames:,} can be read: a tag leads beyond the end of "
                "the file; fetch it again, or open it and export it"
            )
        if frames > MAX_FRAMES:
            raise InputError(
                f"{source.name} has more than {MAX_FRAMES:,} frames: cut out the part that is meant"
            )
        indices = choose(ClipLength(frames, None))
        shown: dict[int, Picture] = {}
        for index in sorted(set(indices)):
            if index:
                image.seek(index)
            shown[index] = shrink(decoded(image, source.name))
        return [shown[index] for index in indices]

    return read_opened(source, read)
