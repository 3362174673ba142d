"""Which container a file is, by its first bytes, and what its walker finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from composer_vision.structure.boxes import walk_avi, walk_iso
from composer_vision.structure.jpegs import walk_jpegs
from composer_vision.structure.matroska import walk_matroska
from composer_vision.structure.streams import (
    walk_asf,
    walk_flv,
    walk_gif,
    walk_ivf,
    walk_ogg,
    walk_program_stream,
    walk_transport_stream,
    walk_y4m,
)
from composer_vision.structure.walking import CutShortError, DamagedError, File, Verdict

__all__ = ["examine"]

Walker = Callable[[File], Verdict]

ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")

SIGNATURES: tuple[tuple[bytes, Walker], ...] = (
    (b"\x1a\x45\xdf\xa3", walk_matroska),
    (b"FLV\x01", walk_flv),
    (b"OggS", walk_ogg),
    (b"DKIF", walk_ivf),
    (b"YUV4MPEG2 ", walk_y4m),
    (b"GIF8", walk_gif),
    (b"\xff\xd8\xff", walk_jpegs),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", walk_asf),
    (b"\0\0\x01\xba", walk_program_stream),
)


def examine(stream: BinaryIO) -> Verdict:
    """Walk the parts of the file. Reads headers only, and decodes nothing."""
    file = File(stream)
    walker = _walker(file)
    try:
        return walker(file) if walker else Verdict.UNKNOWN
    except CutShortError:
        return Verdict.CUT
    except DamagedError:
        return Verdict.DAMAGED
    finally:
        stream.seek(0)


def _walker(file: File) -> Walker | None:
    """The walker for a file's first bytes, or None."""
    head = file.at(0, min(file.size, 16))
    for signature, walker in SIGNATURES:
        if head.startswith(signature):
            return walker
    if head[4:8] in ISO_BOXES:
        return walk_iso
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return walk_avi
    return walk_transport_stream if walk_transport_stream.begins(file) else None
