"""A picture that would fill the memory is refused by its header, in every form and on every path."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from memory import PEAK
from PIL import Image

SIDE = 40_000
LARGEST_WEBP = 16_383
ALLOWED_KIB = 50 * 1024


def _png() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(5_000_000)))


def _gif() -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", SIDE, SIDE, 0x80, 0, 0) + bytes(6)
    return screen + b"\x2c" + struct.pack("<HHHHB", 0, 0, SIDE, SIDE, 0) + b"\x02\x02\x44\x01\x00\x3b"


def _bmp() -> bytes:
    head = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(99)


def _tiff() -> bytes:
    numbers = {256: SIDE, 257: SIDE, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: SIDE, 279: SIDE * SIDE}
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, number) for tag, number in numbers.items())
    return b"II*\0" + struct.pack("<IH", 8, len(numbers)) + rows + bytes(99)


def _jpeg() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "JPEG")
    content = bytearray(stream.getvalue())
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", SIDE, SIDE)
    return bytes(content)


def _jpeg_2000() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "JPEG2000")
    content = bytearray(stream.getvalue())
    for mark, behind in ((b"ihdr", 4), (b"\xff\x51", 6)):
        place = content.index(mark) + behind
        content[place : place + 8] = struct.pack(">II", SIDE, SIDE)
    return bytes(content)


def _webp() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)

    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "WEBP")
    side = struct.pack("<I", LARGEST_WEBP)[:3]
    frame = bytes(6) + struct.pack("<I", 15)[:3] * 2 + bytes(4) + stream.getvalue()[12:]
    parts = chunk(b"VP8X", bytes([2, 0, 0, 0]) + side * 2) + chunk(b"ANIM", bytes(6)) + chunk(b"ANMF", frame)
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts


BOMBS = {
    "png": _png,
    "gif": _gif,
    "bmp": _bmp,
    "tiff": _tiff,
    "jpeg": _jpeg,
    "jp2": _jpeg_2000,
    "webp": _webp,
    "ppm": lambda: b"P6 %d %d 255\n" % (SIDE, SIDE) + bytes(999),
}

CODE = (
    PEAK
    + """
import io, sys
from pathlib import Path
from PIL import Image
from composer.problems import InputError
from composer_vision.configs import ImageConfig, VideoConfig
from composer_vision.processors import ImageProcessor, VideoProcessor

stream = io.BytesIO()
Image.new("RGB", (16, 16)).save(stream, "PNG")
for processor in (ImageProcessor(ImageConfig(size=8)), VideoProcessor(VideoConfig(size=8, frames=2))):
    processor.encode([stream.getvalue()])
    for path in map(Path, sys.argv[1:]):
        for value in (path, path.read_bytes()):
            before = peak()
            try:
                processor.encode([value])
            except InputError as error:
                print(path.name, type(processor).__name__, peak() - before, error, sep="|")
"""
)


def test_bombs_are_refused_by_their_header(tmp_path: Path) -> None:
    for name, make in BOMBS.items():
        (tmp_path / name).write_bytes(make())
    paths = [str(tmp_path / name) for name in BOMBS]
    done = subprocess.run([sys.executable, "-c", CODE, *paths], capture_output=True, text=True, check=True)
    rows = [line.split("|") for line in done.stdout.splitlines()]
    assert len(rows) == 4 * len(BOMBS)
    for name, processor, grown, message in rows:
        assert int(grown) < ALLOWED_KIB, (name, processor)
        if (name, processor) != ("gif", "VideoProcessor"):
            assert "100,000,000" in message
            assert "scale it down first" in message


@pytest.mark.parametrize("side", [10_001, 20_000])
def test_a_clip_whose_header_is_a_bomb_is_refused(tmp_path: Path, side: int) -> None:
    # A raw video of one frame: its first line is all that is there.
    (tmp_path / "bomb.y4m").write_bytes(b"YUV4MPEG2 W%d H%d F25:1 C420\nFRAME\n" % (side, side) + bytes(99))
    code = CODE.replace("for processor in (ImageProcessor(ImageConfig(size=8)), ", "for processor in (")
    code = code.replace("frames=2)))", "frames=2)),)")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "bomb.y4m")], capture_output=True, text=True, check=True
    )
    rows = [line.split("|") for line in done.stdout.splitlines()]
    assert len(rows) == 2
    assert all(int(grown) < ALLOWED_KIB for _, _, grown, _ in rows)
