"""Reading clips with PyAV: decoded frame by frame and only chosen ones kept, for long clips."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.buffer import Buffer
from numpy.typing import NDArray
from PIL import Image

from composer.media.structure import Verdict, examine
from composer.problems import InputError
from composer.problems.media_source import MediaSource
from composer_vision.colours import ToRgb
from composer_vision.largest import MAX_PIXELS, check_pixels
from composer_vision.modes import to_rgb
from composer_vision.orientation import as_shown
from composer_vision.stills import is_still, read_still
from composer_vision.surveying import ClipLength, Survey, opened, survey

__all__ = ["ClipLength", "read_frames"]

Picture = NDArray[np.uint8]

MOST_THREADS = 4

STRICT = "crccheck+explode"
"""Decoders say what they cannot make whole, where they would fill it in, and check sums that a stream carries."""

TWO_PACKETS = ("h264", "vc1")
"""Codecs whose interlaced frames may come in two packets."""


def read_frames(
    source: MediaSource, choose: Callable[[ClipLength], list[int]], shrink: Callable[[Picture], Picture]
) -> list[Picture]:
    """The frames that `choose` names by index (rising, repeats allowed), each [H, W, 3] after `shrink`.

    Frames are those that a player shows: an edit list may hide some that are stored. The clip is read twice:
    once to count its packets, which needs no decoding, and once to decode up to the last chosen frame, or to
    the end where only that shows whether the file is whole. Where packets gave fewer frames than they promised
    (some codecs have packets that show nothing), the choice is made again from what there is.

    Raises InputError for a clip that is unreadable, cut short, damaged, too long or without a frame.
    """
    with source.open() as stream:
        if is_still(stream):
            return read_still(source, choose, shrink)
        verdict = examine(stream)
    clip = _Clip(source, verdict, survey(source, verdict))
    length = clip.survey.length
    if length.frames:
        indices = choose(length)
        pictures, frames = clip.decode(indices, shrink)
        if frames and frames != length.frames:
            indices = choose(ClipLength(frames, length.rate))
            pictures, frames = clip.decode(indices, shrink)
        if frames > indices[-1]:
            return [pictures[index] for index in indices]
    raise InputError(f"{source.name} has no frame: check that it plays, and export it again")


@dataclass(frozen=True)
class _Clip:
    source: MediaSource
    verdict: Verdict
    survey: Survey

    def decode(
        self, indices: list[int], shrink: Callable[[Picture], Picture]
    ) -> tuple[dict[int, Picture], int]:
        """The wanted frames by index, and how many there are in all.

        Decoding stops at the last wanted frame where the file is known to be whole and the time of the frame
        shows that as many came before as packets promised.
        """
        wanted, last = frozenset(indices), indices[-1]
        times = self.survey.times if self.verdict is Verdict.WHOLE else None
        pictures: dict[int, Picture] = {}
        count = 0
        convert = ToRgb(self.source.name)
        for frame in self._frames():
            if count in wanted:
                pictures[count] = shrink(_picture(frame, convert))
            if times and count == last < len(times) and frame.pts == times[last]:
                return pictures, len(times)
            count += 1
        return pictures, count

    def _frames(self) -> Iterator[av.VideoFrame]:
        """The frames that are shown, in order. Raises InputError at the first that is damaged or missing."""
        packets = latest = 0
        with opened(self.source, self.verdict) as container:
            stream = container.streams[self.survey.stream]
            assert isinstance(stream, av.VideoStream)
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS), "err_detect": STRICT}
            stream.codec_context.copy_opaque = True
            # Threads by frame would be faster on many cores, and hand frames on before their faults are known.
            stream.thread_type = "SLICE"
            stream.codec_context.thread_count = min(MOST_THREADS, os.cpu_count() or 1)
            started = interlaced = False
            for packet in container.demux(stream):
                if not packet.size and packet.dts is not None:
                    continue  # it would be taken for the end of the stream
                started = started or packet.is_keyframe
                if packet.size:
                    packets += 1
                    packet.opaque = (packets,)  # not the number: PyAV would mix up all that have the same
                try:
                    frames = packet.decode()
                except av.FFmpegError as error:
                    if not started:
                        continue  # a recording may begin amid frames that build on earlier ones
                    raise self._damaged(error.strerror or "the decoder refuses it") from error
                for frame in frames:
                    started = True
                    if frame.is_corrupt:
                        raise self._damaged("parts of a frame are missing")
                    check_pixels(self.source.name, frame.width, frame.height)
                    interlaced = interlaced or (
                        frame.interlaced_frame and stream.codec_context.name in TWO_PACKETS
                    )
                    if isinstance(frame.opaque, tuple):
                        latest = max(latest, frame.opaque[0])
                    yield frame
        # Without a structure that says so, a clip is cut where its last packet was too short for a frame.
        if (
            self.verdict is Verdict.UNKNOWN
            and self.survey.ends_in_frame
            and not interlaced
            and latest < packets
        ):
            raise self._damaged("the last frame is missing")

    def _damaged(self, reason: str) -> InputError:
        return InputError(
            f"{self.source.name} is damaged or cut short: a frame cannot be decoded ({reason}); fetch it again, "
            "or export it anew"
        )


def _picture(frame: av.VideoFrame, convert: ToRgb) -> Picture:
    """One frame as red, green and blue, transparency laid on white, turned as it is to be shown."""
    picture = convert(frame)
    if picture.shape[2] == 4:
        picture = np.asarray(to_rgb(Image.fromarray(picture), convert.name))
    matrix = frame.side_data.get("DISPLAYMATRIX")
    assert matrix is None or isinstance(matrix, Buffer)
    return as_shown(picture, None if matrix is None else bytes(matrix), convert.name)
