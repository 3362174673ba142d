"""Captions of pictures and videos: COCO and NoCaps, Karpathy's splits, MSRVTT, MSVD, DiDeMo, LSMDC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from composer.plugin import UnreadableSample
from composer.problems import InputError
from composer_mplug2.annotations.entries import (
    Kept,
    Row,
    Sample,
    entries,
    has_text,
    kept,
    lines,
    medium,
    read_each,
    table,
    text_of,
)

__all__ = [
    "coco_captions",
    "coco_pictures",
    "didemo",
    "karpathy_captions",
    "karpathy_pictures",
    "lsmdc",
    "msrvtt_captions",
    "msrvtt_pairs",
    "msrvtt_videos",
    "msvd_captions",
    "msvd_videos",
]


def coco_captions(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """COCO captions: one row a caption."""
    with kept() as names, kept() as captions:
        _keep_coco(files[0], names, captions)

        def read(each: Any) -> Iterator[Row]:
            key = each["image_id"]
            yield _told(
                "image",
                each["id"],
                _picture(media, names.one(key)),
                text_of(each, "caption"),
                captions.all(key),
                int(key),
            )

        yield from read_each(entries(files[0], "annotations"), files[0], read, "annotation")


def coco_pictures(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """COCO captions, NoCaps: one row a picture, with all its captions."""
    with kept() as names, kept() as captions:
        _keep_coco(files[0], names, captions)

        def read(each: Any) -> Iterator[Row]:
            yield _together("image", each["id"], _picture(media, each["file_name"]), captions.all(each["id"]))

        yield from read_each(entries(files[0], "images"), files[0], read, "picture")


def _keep_coco(path: Path, names: Kept, captions: Kept) -> None:
    _keep(entries(path, "images"), names, "id", "file_name")
    _keep(entries(path, "annotations"), captions, "image_id", "caption", text=True)


def _keep(found: Iterable[Any], into: Kept, key: str, value: str, *, text: bool = False) -> None:
    """Values by key; an entry that lacks one of both is told where its rows are read. A text that is none is left."""
    for each in found:
        if isinstance(each, dict) and key in each and value in each and (not text or has_text(each[value])):
            into.put(each[key], str(each[value]) if text else each[value])


def _picture(media: Path, name: Any) -> str:
    parts = ("train2017", "val2017", "test2017", "train2014", "val2014")
    return medium(media, str(name), *(f"{part}/{name}" for part in parts))


def _told(what: str, id_: object, name: str, caption: str, captions: Sequence[str], same: int) -> Row:
    """A row of one caption. `same` tells captions of one picture or video from others."""
    row = {"id": id_, what: name, "caption": caption, "sentence": caption, "reference": caption}
    return {**row, "captions": list(captions), "same": same, **_halves(caption)}


def _halves(caption: str) -> Row:
    """A caption as one that goes on is given: the first half of its words, and the others, where there are any."""
    words = caption.split()
    cut = max(1, len(words) // 2)
    begun, rest = " ".join(words[:cut]), " ".join(words[cut:])
    return {"begun": begun, "rest": rest} if rest else {"begun": begun}


def _together(what: str, id_: object, name: str, captions: Sequence[str]) -> Row:
    """A row of a picture or video with all that is said of it."""
    if not captions:
        return {"id": id_, what: name}
    return {"id": id_, what: name, "reference": captions[0], "captions": list(captions)}


def karpathy_captions(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """Karpathy's splits of COCO and Flickr30K: one row a caption; `restval` is training."""

    def read(each: Any) -> Iterator[Sample]:
        name, split, said = _of_karpathy(each, media)
        for sentence in each["sentences"]:
            id_, text = sentence["sentid"], sentence["raw"]
            if not has_text(text):
                yield UnreadableSample(f"sentence {id_} of {files[0].name} has no text")
                continue
            yield {**_told("image", id_, name, str(text), said, int(each["imgid"])), "split": split}

    return read_each(entries(files[0], "images"), files[0], read, "picture")


def karpathy_pictures(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """Karpathy's splits of COCO and Flickr30K: one row a picture."""

    def read(each: Any) -> Iterator[Row]:
        name, split, said = _of_karpathy(each, media)
        yield {**_together("image", each["imgid"], name, said), "split": split}

    return read_each(entries(files[0], "images"), files[0], read, "picture")


def _of_karpathy(each: Any, media: Path) -> tuple[str, str, list[str]]:
    name, folder = str(each["filename"]), each.get("filepath")
    names = [f"{folder}/{name}", name] if folder else [name]
    split = "train" if each["split"] == "restval" else str(each["split"])
    said = [str(sentence["raw"]) for sentence in each["sentences"] if has_text(sentence["raw"])]
    return medium(media, *names), split, said


def msrvtt_captions(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """MSRVTT: one row a sentence."""
    with kept() as splits, kept() as captions:
        _keep_msrvtt(files[0], splits, captions)
        counts = _listed(files)

        def read(each: Any) -> Iterator[Row]:
            video = str(each["video_id"])
            if not counts(video):
                return
            split, name = splits.one(video), _video(media, video)
            number = int(video.removeprefix("video"))
            row = _told("video", each["sen_id"], name, text_of(each, "caption"), captions.all(video), number)
            yield {**row, "split": split}

        yield from read_each(entries(files[0], "sentences"), files[0], read, "sentence")


def msrvtt_videos(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """MSRVTT: one row a video, with all its sentences."""
    with kept() as splits, kept() as captions:
        _keep_msrvtt(files[0], splits, captions)
        counts = _listed(files)

        def read(each: Any) -> Iterator[Row]:
            video = str(each["video_id"])
            if not counts(video):
                return
            row = _together("video", video, _video(media, video), captions.all(video))
            yield {**row, "split": str(each["split"])}

        yield from read_each(entries(files[0], "videos"), files[0], read, "video")


def _keep_msrvtt(path: Path, splits: Kept, captions: Kept) -> None:
    _keep(entries(path, "videos"), splits, "video_id", "split")
    _keep(entries(path, "sentences"), captions, "video_id", "caption", text=True)


def _listed(files: Sequence[Path]) -> Callable[[str], bool]:
    """Whether a video is one of those that a second file lists; without one, every video is."""
    if len(files) == 1:
        return lambda video: True
    wanted = {each.get("video_id") for each in table(files[1], ",")}
    if wanted <= {None}:
        raise InputError(f"{files[1]} lists no videos: its column `video_id` is not there, or empty")
    return wanted.__contains__


def msrvtt_pairs(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """MSRVTT, 1k-A: `key,vid_key,video_id,sentence`."""

    def read(each: dict[str, str]) -> Iterator[Row]:
        video, sentence = each["video_id"], text_of(each, "sentence")
        number = int(video.removeprefix("video"))
        yield _told("video", each["key"], _video(media, video), sentence, [sentence], number)

    return read_each(table(files[0], ","), files[0], read, "line")


def _video(media: Path, name: str) -> str:
    return medium(media, *(f"{name}{ending}" for ending in (".mp4", ".avi", ".webm", ".mkv")))


def msvd_captions(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """MSVD: one row a sentence."""
    return _msvd(files, media, together=False)


def msvd_videos(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """MSVD: one row a clip, with all its sentences."""
    return _msvd(files, media, together=True)


def _msvd(files: Sequence[Path], media: Path, *, together: bool) -> Iterator[Sample]:
    """Lines `CLIP SENTENCE`; a second file lists the clips of a split."""
    wanted = set(lines(files[1])) if len(files) > 1 else None
    with kept() as captions:
        for line in lines(files[0]):
            clip, _, sentence = line.partition(" ")
            if sentence and not line.startswith("#") and (wanted is None or clip in wanted):
                captions.put(clip, sentence)

        def read(numbered: tuple[int, str]) -> Iterator[Row]:
            number, clip = numbered
            name, said = _video(media, clip), captions.all(clip)
            if together:
                yield _together("video", clip, name, said)
                return
            for place, sentence in enumerate(said):
                yield _told("video", f"{clip}/{place}", name, sentence, said, number)

        yield from read_each(enumerate(captions.keys()), files[0], read, "clip")


def didemo(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """DiDeMo: one row a video, all its descriptions as one text, as retrieval of paragraphs takes them."""
    with kept() as said:
        found = read_each(entries(files[0], ""), files[0], _keeping(said), "description")
        yield from (each for each in found if not isinstance(each, Mapping))  # those that cannot be read

        def read(numbered: tuple[int, str]) -> Iterator[Row]:
            number, video = numbered
            text = " ".join(said.all(video))
            name = medium(
                media, video, *(f"{Path(video).stem}{ending}" for ending in (".mp4", ".avi", ".mov"))
            )
            yield _told("video", video, name, text, [text], number)

        yield from read_each(enumerate(said.keys()), files[0], read, "video")


def _keeping(said: Kept) -> Callable[[Any], Iterator[Row]]:
    def read(each: Any) -> Iterator[Row]:
        said.put(str(each["video"]), text_of(each, "description"))
        yield {}

    return read


LSMDC = ("clip", "start_aligned", "end_aligned", "start_extracted", "end_extracted", "sentence")


def lsmdc(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """LSMDC: a table with tabs and without a heading, one row a sentence."""

    def read(numbered: tuple[int, dict[str, str]]) -> Iterator[Row]:
        number, each = numbered
        clip, sentence = each["clip"], text_of(each, "sentence").strip()
        film = clip.rpartition("_")[0]
        names = [f"{film}/{clip}.avi", f"{clip}.avi", f"{film}/{clip}.mp4", f"{clip}.mp4"]
        yield _told("video", f"{clip}/{number}", medium(media, *names), sentence, [sentence], number)

    return read_each(enumerate(table(files[0], "\t", LSMDC, quoted=False)), files[0], read, "line")
