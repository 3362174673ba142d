"""Colours of more than 8 bits in JPEG 2000 and PPM files, of which Pillow keeps 8: what it loses on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

__all__ = ["deep_colours"]

CODESTREAM = b"\xff\x4f\xff\x51"
"""The first two markers of a JPEG 2000 codestream: the second begins what says the sizes."""
COMPONENTS, FIRST = 40, 42
"""Bytes from there to the number of components, and to what says the bits of the first, 3 bytes each."""

Deep = NDArray[np.uint16]


def deep_colours(image: Image.Image) -> Callable[[], Deep | None] | None:
    """What reads the colours and the opacity, [height, width, bands], as 16 bits; made before the pixels are read.

    None where the file has no colours of more than 8 bits, or is of another form. It gives None for what libav cannot
    read.
    """
    if not isinstance(image, ImageFile) or image.fp is None or image.mode not in ("RGB", "RGBA"):
        return None
    stream, size = image.fp, image.size
    if image.format == "PPM" and image.tile and image.tile[0].codec_name in NUMBERS:
        codec, _, offset, args = image.tile[0]
        if not isinstance(args, tuple) or args[-1] <= 255:
            return None

        def raw() -> Deep | None:
            stream.seek(offset)
            count = size[0] * size[1] * 3
            found = NUMBERS[codec](stream, count)
            return found.reshape(size[1], size[0], 3) if found.size == count else None

        return raw
    if image.format != "JPEG2000":
        return None
    place = stream.tell()
    stream.seek(0)
    content = stream.read()
    stream.seek(place)
    form = "rgba64le" if image.mode == "RGBA" else "rgb48le"
    return (lambda: _decoded(content, form)) if _most_bits(content) > 8 else None


def _binary(stream: IO[bytes], count: int) -> Deep:
    return np.frombuffer(stream.read(2 * count), dtype=">u2").astype(np.uint16)


def _plain(stream: IO[bytes], count: int) -> Deep:
    """Numbers that are written out, between comments."""
    numbers = re.finditer(rb"\d+", re.sub(rb"#[^\r\n]*", b"", stream.read()))
    return np.fromiter((int(each[0]) for each in islice(numbers, count)), dtype=np.uint16)


NUMBERS: Mapping[str, Callable[[IO[bytes], int], Deep]] = {"ppm": _binary, "ppm_plain": _plain}
"""What reads the numbers of a PPM file, by the way that Pillow reads them."""


def _most_bits(content: bytes) -> int:
    """Of any component; 0 where the file does not say it."""
    begin = content.find(CODESTREAM)
    if begin < 0 or len(content) < begin + FIRST:
        return 0
    count = int.from_bytes(content[begin + COMPONENTS : begin + FIRST], "big")
    bits = content[begin + FIRST : begin + FIRST + 3 * count : 3]
    return max(((each & 0x7F) + 1 for each in bits), default=0)


def _decoded(content: bytes, form: str) -> Deep | None:
    import av  # few pictures are of this form

    try:
        codec = av.CodecContext.create("jpeg2000", "r")
        frame = next(iter([*codec.decode(av.Packet(content)), *codec.decode(None)]))
        if not frame.format.name.startswith(("rgb48", "rgba64", "gbrp")):
            return None
        return np.asarray(frame.to_ndarray(format=form), dtype=np.uint16)
    except (av.FFmpegError, ValueError, StopIteration):
        return None
