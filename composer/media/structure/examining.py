"""Which container a file is, by its first bytes, and what its walker finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from composer.media.structure.boxes import walk_avi, walk_iso
from composer.media.structure.container_file import CutShortError, DamagedError, File, Verdict
from composer.media.structure.jpegs import walk_jpegs
from composer.media.structure.matroska import walk_matroska
from composer.media.structure.sounds import (
    begins_mpeg_audio,
    walk_ac3,
    walk_aiff,
    walk_au,
    walk_caf,
    walk_mpeg_audio,
    walk_w64,
    walk_wav,
)
from composer.media.structure.streams import (
    walk_asf,
    walk_flv,
    walk_gif,
    walk_ivf,
    walk_ogg,
    walk_program_stream,
    walk_transport_stream,
    walk_y4m,
)
from composer.problems import InputError

__all__ = ["check_whole", "examine"]

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
    (b"\x0b\x77", walk_ac3),
    (b".snd", walk_au),
    (b"caff", walk_caf),
    (b"riff\x2e\x91\xcf\x11", walk_w64),
)


RIFF = {
    (b"RIFF", b"AVI "): walk_avi,
    (b"RIFF", b"WAVE"): walk_wav,
    (b"RF64", b"WAVE"): walk_wav,
    (b"FORM", b"AIFF"): walk_aiff,
    (b"FORM", b"AIFC"): walk_aiff,
}
"""By the first four bytes, and those behind the size."""


def check_whole(name: str, verdict: Verdict) -> None:
    """Raise InputError for a file, called `name` in the sentence, that is cut short or damaged."""
    if verdict is Verdict.CUT:
        raise InputError(f"{name} is cut short: the file ends before its last part does; fetch it again")
    if verdict is Verdict.DAMAGED:
        raise InputError(
            f"{name} is damaged: a stretch of the file is not what its format asks for; fetch it again"
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
    if riff := RIFF.get((head[:4], head[8:12])):
        return riff
    if walk_transport_stream.begins(file):
        return walk_transport_stream
    return walk_mpeg_audio if begins_mpeg_audio(file) else None
