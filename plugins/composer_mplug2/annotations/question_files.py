"""Questions on pictures and videos: VQAv2 and OK-VQA, MSRVTT-QA and MSVD-QA, TGIF-FrameQA."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from composer.problems import InputError
from composer_mplug2.annotations.entries import (
    Row,
    Sample,
    entries,
    kept,
    lines,
    medium,
    opened,
    read_each,
    table,
    text_of,
)

__all__ = ["answer_rows", "frame_questions", "question_rows", "video_questions"]

OFFICIAL = "multiple_choice_answer"


def question_rows(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """One row a question: all answers, and the one that the file calls right, or else the commonest, as `reference`."""
    return _questions(files, media, each_answer=False)


def answer_rows(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """One row for each answer of a question, with the part of the people who gave it as `weight`."""
    return _questions(files, media, each_answer=True)


def _questions(files: Sequence[Path], media: Path, *, each_answer: bool) -> Iterator[Sample]:
    with kept() as answers:
        for each in entries(files[1], "annotations") if len(files) > 1 else ():
            if isinstance(each, dict) and "question_id" in each:
                answers.put(each["question_id"], [each.get("answers"), each.get(OFFICIAL)])
        subtype = next(entries_of_subtype(files[0]), "")

        def read(question: Any) -> Iterator[Row]:
            key, number = question["question_id"], int(question["image_id"])
            image = _coco_picture(media, number, subtype)
            row = {"id": key, "image": image, "question": text_of(question, "question")}
            if len(files) == 1:
                yield row
                return
            given, official = _answers_of(answers.all(key))
            found = [_answer(answer["answer"]) for answer in given]
            counts = Counter(found).most_common()
            common = counts if each_answer else [(str(official or counts[0][0]), 0)]
            for place, (answer, count) in enumerate(common):
                weight = count / len(found) if each_answer else 1.0
                name = f"{key}/{place}" if each_answer else key
                yield {**row, "id": name, "reference": answer, "weight": weight, "answers": found}

        yield from read_each(entries(files[0], "questions"), files[0], read, "question")


def _answers_of(found: list[Any]) -> tuple[list[Any], object]:
    """What people answered, and what the annotations call the right one, where they do."""
    if not found or not found[0][0]:
        raise ValueError("the annotations have no answers to it")
    answers, official = found[0]
    return answers, official


def _answer(given: object) -> str:
    """What one person answered, which may be nothing: such answers are in the official files."""
    if given is None:
        raise ValueError("one of its answers is null")
    return str(given)


def entries_of_subtype(path: Path) -> Iterator[str]:
    """`train2014`, where the file says it: a part of the names of the pictures."""
    import ijson

    with opened(path) as file:
        try:
            yield from (each for each in ijson.items(file, "data_subtype") if isinstance(each, str))
        except (ijson.JSONError, UnicodeDecodeError):  # it is told where the questions are read
            return


def _coco_picture(media: Path, number: int, subtype: str) -> str:
    """The name of a picture of COCO: since 2017 its number alone, before that with the part that it belongs to."""
    short = f"{number:012}.jpg"
    names = [short, *(f"{part}/{short}" for part in ("train2017", "val2017", "test2017"))]
    parts = [subtype] if subtype else []
    for part in dict.fromkeys([*parts, "train2014", "val2014", "test2015"]):
        names += [f"COCO_{part}_{short}", f"{part}/COCO_{part}_{short}"]
    return medium(media, *names)


def video_questions(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """MSRVTT-QA, MSVD-QA: a list of questions with their answers. MSVD's second file maps clips to numbers."""
    clips = dict(_clip_numbers(files[1])) if len(files) > 1 else {}

    def read(each: Any) -> Iterator[Row]:
        number = each["video_id"]
        names = [f"video{number}.mp4", f"vid{number}.avi", f"vid{number}.mp4"]
        name = clips.get(f"vid{number}")
        if name is not None:
            names = [f"{name}.avi", f"{name}.mp4", *names]
        row = {"id": each["id"], "video": medium(media, *names), "question": text_of(each, "question")}
        yield {**row, "reference": text_of(each, "answer"), "answer_text": text_of(each, "answer")}

    return read_each(entries(files[0], ""), files[0], read, "question")


def _clip_numbers(path: Path) -> Iterator[tuple[str, str]]:
    """`vid7` and the name of its clip, of lines `NAME vid7`."""
    for number, line in enumerate(lines(path), 1):
        words = line.split()
        if len(words) != 2:
            raise InputError(
                f"line {number:,} of {path} is not the name of a clip and its number, but {line!r}"
            )
        yield words[1], words[0]


def frame_questions(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """TGIF-FrameQA: a table with tabs; `vid_id` names a question, and `key` a picture, of which there are several."""

    def read(each: dict[str, str]) -> Iterator[Row]:
        name = each["gif_name"]
        row = {"id": each["vid_id"], "video": medium(media, f"{name}.gif", f"{name}.mp4")}
        question, answer = text_of(each, "question").strip(), text_of(each, "answer").strip()
        yield {**row, "question": question, "reference": answer, "answer_text": answer}

    return read_each(table(files[0], "\t"), files[0], read, "question")
