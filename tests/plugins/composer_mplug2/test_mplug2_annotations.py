"""Official annotation files, made here in their formats, as rows of a user's own data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from composer_mplug2.annotations import FORMATS, main

VQA = {
    "questions": [
        {"question_id": 7, "image_id": 5, "question": "what is it?"},
        {"question_id": 8, "image_id": 6, "question": "?"},
    ]
}
ANSWERED = {
    "annotations": [
        {
            "question_id": 7,
            "image_id": 5,
            "answers": [{"answer": "cat"}, {"answer": "cat"}, {"answer": "dog"}],
        },
        {"question_id": 8, "image_id": 6, "answers": [{"answer": "yes"}]},
    ]
}
COCO = {
    "images": [{"id": 5, "file_name": "a.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 5, "caption": "a cat"},
        {"id": 2, "image_id": 5, "caption": "one cat"},
    ],
}
MSRVTT = {
    "videos": [{"video_id": "video3", "split": "train"}],
    "sentences": [{"sen_id": 9, "video_id": "video3", "caption": "a man runs"}],
}
FILES: dict[str, tuple[list[str], list[str], int, dict[str, Any]]] = {
    "vqa": (
        [json.dumps(VQA), json.dumps(ANSWERED)],
        ["000000000005.jpg"],
        2,
        {"reference": "cat", "weight": 2 / 3},
    ),
    "coco-captions": ([json.dumps(COCO)], ["a.jpg"], 2, {"captions": ["a cat", "one cat"], "same": 5}),
    "msrvtt-captions": ([json.dumps(MSRVTT)], ["video3.mp4"], 1, {"split": "train", "caption": "a man runs"}),
    "video-questions": (
        [json.dumps([{"id": 1, "video_id": 3, "question": "who?", "answer": "man"}])],
        ["video3.mp4"],
        1,
        {"reference": "man"},
    ),
    "glue": (
        ['sentence\tlabel\nit is "good\tpositive\n'],
        [],
        1,
        {"sentence": 'it is "good', "label": "positive"},
    ),
    "kinetics": (
        ["label,youtube_id,time_start,time_end,split\ndancing,xyz,12,22,train\n"],
        ["xyz_000012_000022.mp4"],
        1,
        {"truth": "dancing"},
    ),
    "snli-ve": (
        [
            json.dumps({"pairID": "1", "Flickr30K_ID": "33", "sentence2": "a cat", "gold_label": "neutral"})
            + "\n"
        ],
        ["33.jpg"],
        1,
        {"truth": "neutral"},
    ),
    "nlvr2": (
        [json.dumps({"identifier": "dev-1-2-0", "sentence": "two", "label": "True"}) + "\n"],
        ["dev-1-2-img0.png", "dev-1-2-img1.png"],
        1,
        {"truth": "True"},
    ),
}


def test_every_format_has_a_file_here() -> None:
    assert FILES.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FILES)
def test_a_file_becomes_rows_with_their_media(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, media, count, wanted = FILES[name]
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / f"{number}.txt")
        paths[-1].write_text(text, encoding="utf-8")
    folder = tmp_path / "media"
    folder.mkdir()
    for each in media:
        (folder / each).write_bytes(b"a medium")
    options = ["--media", str(folder)] if media else []
    assert main([name, *map(str, paths), *options, "--out", str(tmp_path / "rows.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == count
    assert rows[0].items() >= wanted.items()
    for key in FORMATS[name].media:
        assert Path(rows[0][key]).is_file()
    told = capsys.readouterr().out
    assert f"{count} samples" in told
    assert ("left out: 1 (the medium is not there): 000000000006.jpg" in told) == (name == "vqa")


@pytest.mark.parametrize("name", [name for name in FILES if name != "glue"])
def test_another_file_is_one_sentence_and_leaves_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.txt").write_text('{"a": 1}\n', encoding="utf-8")
    out = tmp_path / "rows.jsonl"
    code = main([name, str(tmp_path / "other.txt"), "--out", str(out)])
    assert (code, out.exists()) == (1, False) or (name == "kinetics" and out.read_text() == "")
    if code:
        assert f"is not of the format {name}" in capsys.readouterr().out
