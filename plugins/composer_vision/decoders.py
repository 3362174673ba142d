"""Pictures and clips, decoded by processes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from composer.media.decoders import MediaDecoder, Wanted
from composer.media.decoders import decode_all as decode_files
from composer.problems import InputError
from composer.problems.media_source import MediaSource
from composer_vision.reading import Reading

__all__ = ["DECODER", "decode_all"]

DECODER = MediaDecoder(
    "composer_vision.reading:read_fields",
    "pictures and clips",
    ahead=("composer_vision.pictures", "composer_vision.resizing"),  # PyAV comes with the first clip
)


def decode_all(sources: Sequence[MediaSource], how: Reading) -> list[NDArray[np.uint8] | InputError]:
    """What `read` gives of each, up to the first that cannot be decoded: its error, whatever the reason, comes last."""
    answers = decode_files(DECODER, sources, Wanted(asdict(how), how.shape, how.shape))
    return [
        each if isinstance(each, InputError) else np.frombuffer(each.content, np.uint8).reshape(each.shape)
        for each in answers
    ]
