"""What the packets of a clip promise, found without decoding: its stream, its frames and whether some are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from composer.media.for_libav import OF_TEXTS, for_libav
from composer.media.structure import Verdict, check_whole
from composer.problems import InputError
from composer.problems.media_source import MediaSource
from composer_vision.largest import MAX_PIXELS, check_pixels

__all__ = ["ClipLength", "Survey", "opened", "survey"]

MAX_FRAMES = 500_000
"""The longest clip that is walked: more than four hours at 30 frames a second."""

MAX_WALKED_PIXELS = 10**12
"""All frames of a clip together: more than four hours at 1920 x 1080."""

LEAST_RATE, MOST_RATE = Fraction(1, 3600), Fraction(1000)
"""Frames a second that a header may claim; anything else is measured from the times of the frames."""

TINY = 19
"""MPEG-4 packets up to this size may mean "the same picture again" and give no frame."""

# Before PyAV 18, options for decoders crash where a container names its streams late: decoders then get their limit
# when frames are decoded.
DECODERS_TAKE_OPTIONS = int(av.__version__.split(".", maxsplit=1)[0]) >= 18

NOT_CLIPS = Disposition.attached_pic | Disposition.timed_thumbnails
"""Covers, and the small pictures that players show beside their time bar."""

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,flv,live_flv,asf,ogg,gif,"
    "ivf,image2,yuv4mpegpipe,mjpeg,nut,rm,dv,mxf,apng,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe,gif_pipe,"
    "mp3,wav,flac,aac,w64,aiff"
)
"""Containers that are opened. Play lists and scripts are not, and sound is named only to be refused by name."""


@dataclass(frozen=True)
class ClipLength:
    """How many frames a clip has, and how many a second (None where nothing says so)."""

    frames: int
    rate: float | None


@dataclass(frozen=True)
class Survey:
    """The stream that is the clip, and what its packets say."""

    stream: int
    length: ClipLength
    times: tuple[int, ...] | None
    """When each frame is shown, rising, in units of the stream; None where packets do not say it."""
    ends_in_frame: bool
    """Whether the last packet must give a frame."""


@dataclass
class _Packets:
    """The packets of one stream."""

    stream: VideoStream
    times: list[int | None] = field(default_factory=list)
    hidden: int = 0
    corrupt: list[int] = field(default_factory=list)
    last_size: int = 0
    key_seen: bool = False

    def add(self, packet: av.Packet[VideoStream]) -> None:
        self.key_seen = self.key_seen or packet.is_keyframe
        if packet.is_corrupt and self.key_seen:
            self.corrupt.append(self.count)
        self.last_size = 0 if packet.is_discard else packet.size
        if packet.is_discard:
            self.hidden += 1
        else:
            self.times.append(packet.pts)

    @property
    def count(self) -> int:
        """Packets of frames shown and of frames that an edit list hides."""
        return len(self.times) + self.hidden


@contextmanager
def opened(source: MediaSource, verdict: Verdict, **options: str) -> Iterator[InputContainer]:
    """The open container; whatever libav raises inside becomes an InputError."""
    # No protocol: a play list inside the file must not make us open other files or addresses.
    safe = {"protocol_whitelist": "", "format_whitelist": FORMATS, "max_pixels": str(MAX_PIXELS)}
    with source.open() as stream:
        try:
            given = safe | options
            for_all = given if DECODERS_TAKE_OPTIONS else {}
            with av.open(
                for_libav(stream), options=for_all, container_options=given, metadata_errors=OF_TEXTS
            ) as container:
                assert isinstance(container, InputContainer)  # a stream opened for reading
                yield container
        except (av.FFmpegError, ValueError, OSError) as error:  # libav may seek to where no file is
            check_whole(source.name, verdict)
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{source.name} cannot be decoded as video ({reason}): "
                "it is not a clip, is cut short, or uses an unknown codec; export it as MP4 (H.264)"
            ) from error


def survey(source: MediaSource, verdict: Verdict) -> Survey:
    """Walk the packets of the clip. Raises InputError for one without video, too long, cut short or damaged."""
    with opened(source, verdict) as container:
        found = [_Packets(stream) for stream in container.streams.video if not stream.disposition & NOT_CLIPS]
        _check_video(source, container, found)
        found = [each for each in found if each.stream.codec_context is not None]
        if not found:  # seen in PyAV 15 to 18, whose types say otherwise
            raise ValueError("no decoder for it is known")
        for each in found:
            check_pixels(source.name, each.stream.codec_context.width, each.stream.codec_context.height)
        end = _walk(source, container, found)
        packets = max(found, key=_likeness)
        _check_counts(source, verdict, container, packets)
        check_whole(source.name, verdict)
        _check_duration(source, verdict, container, packets, end)
        times = _rising(packets.times)
        length = ClipLength(len(packets.times), _rate(packets.stream, times))
        least = TINY if packets.stream.codec_context.name == "mpeg4" else 0
        return Survey(packets.stream.index, length, times, packets.last_size > least)


def _check_video(source: MediaSource, container: InputContainer, found: list[_Packets]) -> None:
    if found:
        return
    held = ["sound"] * bool(container.streams.audio) + ["a cover picture"] * bool(container.streams.video)
    only = f", only {' and '.join(held)}" if held else ""
    raise InputError(f"{source.name} has no frame: it holds no video{only}; give a clip that plays as one")


def _walk(source: MediaSource, container: InputContainer, found: list[_Packets]) -> float:
    """Note every packet of the streams; returns when the last packet of any stream ends, in seconds."""
    by_index = {each.stream.index: each for each in found}
    end = 0.0
    for packet in container.demux():
        if not packet.size:
            continue
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None and packet.time_base:
            end = max(end, float((time + (packet.duration or 0)) * packet.time_base))
        each = by_index.get(packet.stream_index)
        if each is None:
            continue
        each.add(packet)  # type: ignore[arg-type]
        if each.count > MAX_FRAMES:
            raise InputError(
                f"{source.name} has more than {MAX_FRAMES:,} frames: cut out the part that is meant"
            )
    return end


def _likeness(packets: _Packets) -> tuple[bool, bool, int]:
    """What makes a stream the clip: several frames, then being marked as the one to play, then its size."""
    context = packets.stream.codec_context
    return (
        packets.count > 1,
        bool(packets.stream.disposition & Disposition.default),
        context.width * context.height,
    )


def _check_counts(
    source: MediaSource, verdict: Verdict, container: InputContainer, packets: _Packets
) -> None:
    """MP4 lists its frames: those that an edit list hides are stored, too."""
    listed = packets.stream.frames if "mp4" in container.format.name else 0
    stored = packets.count
    if stored < listed:
        stored = _stored(source, verdict, packets.stream.index)
    if stored < listed:
        raise InputError(
            f"{source.name} is cut short: it ends after {stored:,} of {listed:,} frames; fetch it again"
        )
    context = packets.stream.codec_context
    if len(packets.times) * context.width * context.height > MAX_WALKED_PIXELS:
        raise InputError(
            f"{source.name} has {len(packets.times):,} frames of {context.width} x {context.height} pixels, "
            f"and {MAX_WALKED_PIXELS:,} pixels are allowed: cut out the part that is meant, or scale it down"
        )
    if packets.corrupt:
        check_whole(source.name, verdict)
        raise InputError(
            f"{source.name} is damaged or cut short: "
            f"packet {packets.corrupt[0] + 1:,} of {packets.count:,} is not whole; fetch it again"
        )


def _stored(source: MediaSource, verdict: Verdict, stream: int) -> int:
    with opened(source, verdict, ignore_editlist="1") as container:
        return sum(1 for packet in container.demux(container.streams[stream]) if packet.size)


def _check_duration(
    source: MediaSource, verdict: Verdict, container: InputContainer, packets: _Packets, end: float
) -> None:
    """A file that was cut between two parts ends long before its header says.

    A header that claims absurdly much decides nothing, nor does one beside a structure that is whole.
    """
    start = (
        0 if container.format.name == "nut" else container.start_time or 0
    )  # NUT counts from zero to the end
    declared = ((container.duration or 0) + start) / 1_000_000
    times, base = _rising(packets.times), packets.stream.time_base
    if verdict is not Verdict.UNKNOWN or not times or not base or declared > 1000 * end:
        return
    longest = max((later - earlier for earlier, later in pairwise(times)), default=0)
    if declared - end > max(3 * float(longest * base), 0.02 * declared):
        raise InputError(
            f"{source.name} is cut short: it ends after {end:.2f} of {declared:.2f} seconds; fetch it again"
        )


def _rising(times: list[int | None]) -> tuple[int, ...] | None:
    """The times in order, or None where one is missing or stands twice."""
    known = sorted(time for time in times if time is not None)
    return tuple(known) if len(known) == len(times) == len(set(known)) else None


def _rate(stream: VideoStream, times: tuple[int, ...] | None) -> float | None:
    measured = None
    if times and len(times) > 1 and stream.time_base:
        measured = (len(times) - 1) / ((times[-1] - times[0]) * stream.time_base)
    for rate in (stream.average_rate, measured):
        if rate and LEAST_RATE <= rate <= MOST_RATE:
            return float(rate)
    return None
