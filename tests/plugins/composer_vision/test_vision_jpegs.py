"""Pictures in a row are found in a time that grows with the file, whatever stands between them."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from composer.media.structure.jpegs import CHUNK, FIRST_CHUNK, whole_pictures


class Counted(io.BytesIO):
    """Counts what is read of it, and gives up rather than read it all again and again."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.read_bytes += len(content)
        assert self.read_bytes < 40 * len(self.getbuffer()), "read again and again"
        return content


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.parametrize("filling", [b"\xff", b"\xd8", b"\xff\xd8", b"\x00"])
def test_what_follows_a_picture_is_read_once(filling: bytes) -> None:
    file = Counted(picture() + filling * (3 * CHUNK // len(filling)))
    assert whole_pictures(file) == 1
    assert file.read_bytes < 2 * len(file.getvalue())


def test_a_scan_of_nothing_but_marks_is_read_once() -> None:
    file = Counted(picture()[:-2] + b"\xff" * CHUNK + b"\xd9")
    assert whole_pictures(file) == 1
    assert file.read_bytes < 4 * len(file.getvalue())


def test_short_scans_do_not_read_far_beyond_themselves() -> None:
    file = Counted(b"\xff\xd8" + b"\xff\xda\x00\x08......" * 20_000 + b"\xff\xd9")
    assert whole_pictures(file) == 1


@pytest.mark.parametrize("shift", range(5))
@pytest.mark.parametrize("filling", [b"\xff", b"\x00", b"\xd8"])
def test_a_picture_over_the_border_of_two_readings_is_found(filling: bytes, shift: int) -> None:
    first = filling * (FIRST_CHUNK - shift)
    assert whole_pictures(Counted(first + picture() + first + picture())) == 2
