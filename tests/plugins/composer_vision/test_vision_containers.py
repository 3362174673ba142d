"""A clip that is cut short or damaged is noticed in every container, and one that is whole never is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import CONTAINERS, add_video, grey, levels, noise, write_clip
from composer_vision.clips import _Clip
from composer_vision.surveying import survey

from composer.media.structure import Verdict
from composer.problems import InputError
from composer.problems.media_source import MediaSource

COUNT = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("containers")


@pytest.fixture(scope="module", params=[*CONTAINERS, "fragments.mp4", "live.mkv", "sound.mkv", "sound.mpg"])
def whole(request: pytest.FixtureRequest, folder: Path) -> Path:
    """A clip of 30 frames of noise in each container."""
    name = request.param
    options = {}
    if name == "fragments.mp4":
        options = {"movflags": "frag_keyframe+empty_moov"}
    elif name == "live.mkv":
        options = {"live": "1"}
    codec = "mpeg2video" if name == "sound.mpg" else None
    encoder = {"g": "10"} if CONTAINERS.get(name, "libx264") == "libx264" else {}
    return write_clip(
        folder / name,
        noise(COUNT),
        codec=codec,
        encoder=encoder,
        sound=name.startswith("sound"),
        options=options,
    )


@pytest.mark.parametrize("frames", [1, 4, COUNT])
def test_a_whole_clip_is_read_frame_by_frame(processor: Any, whole: Path, frames: int) -> None:
    with av.open(str(whole)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == COUNT
    read = processor("video", frames=frames, size=8).encode([whole])["frames"][0]
    rows, columns = np.arange(8) * 48 // 8, np.arange(8) * 64 // 8
    chosen = [((COUNT * part // frames) + (COUNT * (part + 1) // frames) - 1) // 2 for part in range(frames)]
    np.testing.assert_array_equal(read, [shown[index][rows][:, columns] for index in chosen])


@pytest.mark.parametrize("tenths", range(1, 10))
def test_a_clip_that_ends_too_early_is_refused(processor: Any, whole: Path, tenths: int) -> None:
    content = whole.read_bytes()
    # One byte off the tenth: transport streams have parts of 188 bytes, and between two of them nothing is missing.
    cut = content[: len(content) * tenths // 10 + 1]
    for frames in (1, 4):
        with pytest.raises(InputError, match="cut short") as caught:
            processor("video", frames=frames, size=8).encode([cut])
        assert "of 0" not in str(caught.value)
        assert "\n" not in str(caught.value)


# A raw stream of H.264 has no structure whose damage would show, and its decoder goes on with the next picture.
SILENT = {*(("clip.h264", how) for how in ("zeros", "noise", "gone")), ("clip.gif", "gone")}


@pytest.mark.parametrize("how", ["zeros", "noise", "gone"])
def test_a_damaged_stretch_is_not_dropped_in_silence(processor: Any, whole: Path, how: str) -> None:
    if (whole.name, how) in SILENT:
        pytest.skip("nothing in the file tells")
    content = bytearray(whole.read_bytes())
    start, length = len(content) // 3, len(content) // 6 + 7
    filling = {
        "zeros": bytes(length),
        "noise": np.random.default_rng(1).integers(0, 256, length, np.uint8).tobytes(),
        "gone": b"",
    }[how]
    content[start : start + length] = filling
    with pytest.raises(InputError, match=r"damaged|cut short"):
        processor("video", frames=4, size=8).encode([bytes(content)])


def test_two_clips_that_are_decoded_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """PyAV finds what was noted of a packet by the identity of the note: two packets must not have the same one."""
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    path = write_clip(tmp_path / "fragments.mp4", noise(COUNT), encoder={"g": "10"}, options=fragments)
    source = MediaSource.of(str(path), "clip")
    for ahead in range(4):
        first, second = (
            _Clip(source, Verdict.UNKNOWN, survey(source, Verdict.UNKNOWN))._frames() for _ in range(2)
        )
        shown = sum(next(first) is not None for _ in range(ahead))
        for _ in second:
            shown += 1
            shown += next(first, None) is not None
        assert shown + len(list(first)) == 2 * COUNT


def test_what_stands_behind_an_mp4_does_not_matter(processor: Any, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", [grey(100)] * 4)
    encode = processor("video", frames=2, size=8).encode
    expected = levels(encode([path])["frames"])
    for behind in (b"SEFT" * 9, b"\0" * 7, b"\0\0\1\0free", bytes(range(256))):
        assert levels(encode([path.read_bytes() + behind])["frames"]) == expected


def test_an_avi_that_was_never_closed_is_read(processor: Any, tmp_path: Path) -> None:
    content = bytearray(write_clip(tmp_path / "clip.avi", noise(8)).read_bytes())
    content[4:8] = bytes(4)  # the size that is written last
    assert processor("video", frames=8, size=8).encode([bytes(content)])["frames"].std() > 10


@pytest.mark.parametrize("claimed", [10**12, 1, 0])
def test_a_length_that_a_header_only_claims_decides_nothing(
    processor: Any, tmp_path: Path, claimed: int
) -> None:
    path = write_clip(tmp_path / "clip.mkv", noise(20))
    encode = processor("video", frames=4, size=8).encode
    expected = encode([path])["frames"]
    content = path.read_bytes()
    # Duration (RFC 9559): the id 4489, a size of 8, a float of 64 bits.
    place = content.index(b"\x44\x89\x88") + 3
    changed = content[:place] + np.array(claimed, ">f8").tobytes() + content[place + 8 :]
    np.testing.assert_array_equal(encode([changed])["frames"], expected)


@pytest.mark.parametrize("rate", [(0, 0), (0, 1), (1, 0), (1, 2**31 - 1), (2**31 - 1, 1)])
def test_a_rate_that_cannot_be_true_is_measured(
    processor: Any, tmp_path: Path, rate: tuple[int, int]
) -> None:
    pictures = [grey(5 + 6 * index) for index in range(40)]
    path = write_clip(tmp_path / "clip.y4m", pictures)
    content = path.read_bytes().replace(b" F25:1", b" F%d:%d" % rate, 1)
    try:
        frames = processor("video", frames=3, size=8, sampling="rate", rate=2.0).encode([content])["frames"]
    except InputError as error:
        assert re.search("frame rate|cannot be decoded", str(error))  # noqa: PT017
    else:
        assert frames.shape == (1, 3, 8, 8, 3)


@pytest.mark.parametrize("name", ["clip.avi", "clip.mkv", "clip.mp4", "clip.nut", "clip.wmv"])
def test_titles_may_be_in_other_letters_than_utf8(processor: Any, tmp_path: Path, name: str) -> None:
    """Recorders of old write them in the letters of their country."""
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Ein Muesli"
        stream = add_video(container, CONTAINERS[name])
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index, picture in enumerate(noise(4)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    content = path.read_bytes()
    expected = processor("video", frames=4, size=8).encode([content])["frames"]
    for foreign in (b"M\xfcsli ", b"\xff\xfe\x80\xc3\xbc\xe3"):
        changed = content.replace(b"Muesli", foreign)
        changed = changed.replace(
            "Muesli".encode("utf-16-le"), b"\x00\xdc" * 6
        )  # WMV has halves of letters then
        assert changed != content
        found = processor("video", frames=4, size=8).encode([changed])["frames"]
        assert (found == expected).all()


@pytest.mark.parametrize("name", ["clip.nut", "clip.mkv", "clip.ts", "clip.mp4"])
def test_a_clip_that_begins_late_is_whole(processor: Any, tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, noise(8), times=range(100, 108))
    assert processor("video", frames=8, size=8).encode([path])["frames"].std() > 10
    if name != "clip.ts":  # its cut is seen by its packets
        content = path.read_bytes()
        with pytest.raises(InputError, match=r"damaged|cut short"):
            processor("video", frames=8, size=8).encode([content[: len(content) // 2]])


def test_what_leads_before_the_file_prints_nothing(
    processor: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of this clip says that it is longer than any file may be."""
    monkeypatch.setenv("COMPOSER_MEDIA", "inline")
    content = bytearray(write_clip(tmp_path / "clip.wmv", noise(8)).read_bytes())
    content[194:202] = bytes(7) + b"L"
    (tmp_path / "clip.wmv").write_bytes(content)
    with pytest.raises(InputError):
        processor("video", frames=4, size=8).encode([tmp_path / "clip.wmv"])
    assert capfd.readouterr().err == ""
