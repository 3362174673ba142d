"""Official annotation files of benchmarks as rows of JSON lines, which `--data` of training and evaluation takes.

python -m composer_mplug2.annotations vqa questions.json annotations.json --media images --out train.jsonl
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composer.problems import ComposerError, InputError

__all__ = ["FORMATS", "Account", "rows_of", "write_rows"]

Row = dict[str, Any]
SHOWN = 5


@dataclass
class Account:
    """How many samples were written, and which were not, by the reason."""

    written: int = 0
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: str, what: str) -> None:
        self.left_out.setdefault(reason, []).append(what)

    def __str__(self) -> str:
        lines = [f"{self.written} samples"]
        for reason, names in self.left_out.items():
            more = ", ..." if len(names) > SHOWN else ""
            lines.append(f"  left out: {len(names)} ({reason}): {', '.join(names[:SHOWN])}{more}")
        return "\n".join(lines)


def _vqa(files: Sequence[Path]) -> Iterator[Row]:
    """VQAv2, OK-VQA: questions, and annotations unless it is a test split."""
    questions = _json(files[0])["questions"]
    annotations = {it["question_id"]: it for it in _json(files[1])["annotations"]} if len(files) > 1 else {}
    for question in questions:
        row = {"id": question["question_id"], "image": f"{int(question['image_id']):012}.jpg"}
        row["question"] = question["question"]
        found = annotations.get(question["question_id"])
        if found is None:
            yield row
            continue
        answers = [answer["answer"] for answer in found["answers"]]
        for answer, count in Counter(answers).items():  # each answer once, by how many gave it
            yield {**row, "reference": answer, "weight": count / len(answers), "answers": answers}


def _coco_captions(files: Sequence[Path]) -> Iterator[Row]:
    """COCO captions, NoCaps: pictures and their captions, one row a caption."""
    found = _json(files[0])
    names = {image["id"]: image["file_name"] for image in found["images"]}
    captions: dict[Any, list[str]] = {}
    for each in found["annotations"]:
        captions.setdefault(each["image_id"], []).append(each["caption"])
    for each in found["annotations"]:
        image = each["image_id"]
        row = {"id": each["id"], "image": names[image], "caption": each["caption"], "same": int(image)}
        yield {**row, "reference": each["caption"], "captions": captions[image]}


def _msrvtt_captions(files: Sequence[Path]) -> Iterator[Row]:
    """MSRVTT: videos and sentences in one file, one row a sentence."""
    found = _json(files[0])
    splits = {video["video_id"]: video.get("split", "") for video in found["videos"]}
    captions: dict[str, list[str]] = {}
    for each in found["sentences"]:
        captions.setdefault(each["video_id"], []).append(each["caption"])
    numbers = {name: number for number, name in enumerate(splits)}
    for each in found["sentences"]:
        video = each["video_id"]
        row = {
            "id": each["sen_id"],
            "video": f"{video}.mp4",
            "caption": each["caption"],
            "same": numbers[video],
        }
        yield {**row, "reference": each["caption"], "captions": captions[video], "split": splits[video]}


def _video_questions(files: Sequence[Path]) -> Iterator[Row]:
    """MSRVTT-QA, MSVD-QA: a list of questions with their answers."""
    for each in _json(files[0]):
        name = each.get("video") or f"video{each['video_id']}.mp4"
        yield {"id": each.get("id"), "video": name, "question": each["question"], "reference": each["answer"]}


def _glue(files: Sequence[Path]) -> Iterator[Row]:
    """A table of GLUE with tabs and a heading; the columns keep their names."""
    with files[0].open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def _kinetics(files: Sequence[Path]) -> Iterator[Row]:
    """Kinetics-400, -600, -700: label, youtube_id, time_start, time_end, split."""
    with files[0].open(encoding="utf-8", newline="") as file:
        for each in csv.DictReader(file):
            start, end = int(float(each["time_start"])), int(float(each["time_end"]))
            name = f"{each['youtube_id']}_{start:06}_{end:06}.mp4"
            row = {"id": each["youtube_id"], "video": name, "split": each.get("split", "")}
            yield {**row, "truth": each["label"]} if each.get("label") else row


def _snli_ve(files: Sequence[Path]) -> Iterator[Row]:
    """SNLI-VE: a picture of Flickr30K, a hypothesis, a label."""
    for each in _json_lines(files[0]):
        row = {"id": each["pairID"], "image": f"{each['Flickr30K_ID']}.jpg", "sentence": each["sentence2"]}
        yield {**row, "truth": each["gold_label"]}


def _nlvr2(files: Sequence[Path]) -> Iterator[Row]:
    """NLVR2: two pictures, named by the identifier without its last part, and a sentence."""
    for each in _json_lines(files[0]):
        name = each["identifier"].rpartition("-")[0]
        row = {"id": each["identifier"], "left": f"{name}-img0.png", "right": f"{name}-img1.png"}
        yield {**row, "sentence": each["sentence"], "truth": each["label"]}


@dataclass(frozen=True)
class Format:
    """How a benchmark's files are read, and which columns name media."""

    read: Callable[[Sequence[Path]], Iterator[Row]]
    media: tuple[str, ...]
    files: tuple[int, int] = (1, 1)
    """Fewest and most files."""


FORMATS: Mapping[str, Format] = {
    "vqa": Format(_vqa, ("image",), (1, 2)),
    "coco-captions": Format(_coco_captions, ("image",)),
    "msrvtt-captions": Format(_msrvtt_captions, ("video",)),
    "video-questions": Format(_video_questions, ("video",)),
    "glue": Format(_glue, ()),
    "kinetics": Format(_kinetics, ("video",)),
    "snli-ve": Format(_snli_ve, ("image",)),
    "nlvr2": Format(_nlvr2, ("left", "right")),
}


def rows_of(name: str, files: Sequence[Path], media: Path | None, account: Account) -> Iterator[Row]:
    """The rows of official files, one after the other.

    What names a medium that is not there is counted and left out; media are named by their paths in the folder `media`.

    Raises InputError for a format that is not known, too few or too many files, and a file that is none of its format.
    """
    format_ = FORMATS.get(name)
    if format_ is None:
        raise InputError(f"there is no format `{name}`: {', '.join(FORMATS)}")
    least, most = format_.files
    if not least <= len(files) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise InputError(f"the format {name} has {wanted} files of annotations, and {len(files)} are named")
    try:
        for row in format_.read(files):
            missing = [row[key] for key in format_.media if media and not (media / row[key]).is_file()]
            if missing:
                account.leave_out("the medium is not there", missing[0])
                continue
            account.written += 1
            yield {
                key: str(media / value) if media and key in format_.media else value
                for key, value in row.items()
            }
    except OSError as error:
        raise InputError(f"{files[0]} cannot be read: {error.strerror or error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{files[0]} is not of the format {name} ({type(error).__name__}: {error})"
        ) from None


def write_rows(rows: Iterable[Row], out: Path) -> None:
    """JSON lines; the file appears whole or not at all. Raises InputError where it cannot be written."""
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        part.replace(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _json_lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("format", choices=[*FORMATS])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--media", type=Path, help="the folder of pictures or videos")
    parser.add_argument("--out", type=Path, required=True, help="the file of rows")
    args = parser.parse_args(arguments)
    account = Account()
    try:
        write_rows(rows_of(args.format, args.files, args.media, account), args.out)
    except ComposerError as error:
        print(f"annotations: error: {error}")
        return 1
    print(account)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
