"""Sound files to samples, with PyAV: one channel at the rate that is asked for, and no more of it than is heard.

The process that decodes imports this, and no config.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer
from numpy.typing import NDArray

from composer.media.for_libav import OF_TEXTS, for_libav
from composer.media.structure import check_whole, examine
from composer.problems import InputError
from composer.problems.media_source import MediaSource

__all__ = ["read_samples"]

Floats = NDArray[np.float32]

FORMATS = (
    "wav,w64,aiff,au,caf,flac,mp3,ogg,aac,ac3,eac3,amr,wv,tta,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,mpeg,mpegts,asf,flv,live_flv"
)
"""What is opened: files that hold sound themselves, and no play lists of others."""
COUNTED = ("flac", "mov", "ogg")
"""Formats that count their samples, as libav tells them; of others it tells what is there, or a guess."""
STRICT = "crccheck+explode"
"""Decoders say what they cannot make whole, where they would fill it in, and check sums that a stream carries."""
MISSING_S = 0.1
"""More sound than encoders add or hold back at the ends."""


def read_samples(source: MediaSource, *, rate: int, most: int) -> Floats:
    """The samples [S] of a recording between -1 and 1: up to `most`, and one more of a longer one.

    Several channels become their mean. Raises InputError for what holds no sound, is damaged or cut short; the end of
    a longer one is not looked at.
    """
    with _opened(source) as container:
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            held = "only a picture" if container.streams.video else "nothing of that kind"
            raise InputError(f"{source.name} has no sound: it holds {held}; give a file that can be heard")
        if stream.codec_context is None:  # seen in PyAV 15 to 18, whose types say otherwise
            raise ValueError("no decoder for it is known")
        stream.codec_context.options = {"err_detect": STRICT}
        _without_places(stream.codec_context)
        parts: list[Floats] = []
        heard = 0
        for part in _resampled(container.decode(audio=0), rate):
            each = part.to_ndarray().reshape(-1, part.layout.nb_channels)
            parts.append(each.mean(axis=1, dtype=np.float32))
            heard += len(parts[-1])
            if heard > most:
                return np.concatenate(parts)[: most + 1]
        _check_length(source, container, heard / rate)
    _check_structure(source)
    if not heard:
        raise InputError(f"{source.name} holds no sample of sound: check that it plays, and export it again")
    return np.concatenate(parts)


@contextmanager
def _opened(source: MediaSource) -> Iterator[InputContainer]:
    """The open container; whatever libav raises inside becomes an InputError."""
    # No protocol: a play list inside the file must not make us open other files or addresses.
    safe = {"protocol_whitelist": "", "format_whitelist": FORMATS}
    with source.open() as stream:
        try:
            with av.open(for_libav(stream), container_options=safe, metadata_errors=OF_TEXTS) as container:
                assert isinstance(container, InputContainer)  # a stream opened for reading
                yield container
        except (av.FFmpegError, ValueError) as error:
            _check_structure(source)
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{source.name} cannot be decoded as sound ({reason}): it is not a recording, is damaged or "
                "cut short, or uses an unknown codec; export it as WAV or FLAC"
            ) from error


def _without_places(context: AudioCodecContext) -> None:
    """Forget where the channels of an unusual order stand, as AIFF, CAF and MOV name them: their mean is the same.

    PyAV 18 frees such an order with every frame, though it is the decoder's.
    """
    layout = context.layout  # its end frees the order that is put away below
    if "(" in layout.name:
        context.layout = f"{layout.nb_channels} channels"


def _resampled(frames: Iterator[av.AudioFrame], rate: int) -> Iterator[av.AudioFrame]:
    """Frames at the rate; a broadcast may change its own, and its channels, on the way."""
    before, resampler = None, None
    for frame in frames:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is not None and kind != before:
            yield from resampler.resample(None)  # what it holds back
            resampler = None
        if resampler is None:
            # One channel after the other in one plane: PyAV 18 reads beyond the last of eight.
            before, resampler = kind, av.AudioResampler(format="flt", rate=rate)
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _check_length(source: MediaSource, container: InputContainer, heard_s: float) -> None:
    """Raise InputError where the container counts more samples than there are."""
    stream = container.streams.audio[0]
    form = container.format.name.partition(",")[0]
    if form == "flv" and container.duration:
        said_s = container.duration / 1_000_000
    elif form in COUNTED and stream.duration is not None:
        said_s = float(stream.duration * (stream.time_base or 0))
    else:
        return
    if heard_s < said_s - MISSING_S:
        raise InputError(
            f"{source.name} is cut short or damaged: it says that it lasts {said_s:.1f} s, and {heard_s:.1f} s are "
            "there; fetch it again, or export it anew"
        )


def _check_structure(source: MediaSource) -> None:
    """Raise InputError where the container shows that something is missing; libav takes what is there."""
    with source.open() as stream:
        check_whole(source.name, examine(stream))
