"""Official annotation files, made here in their formats, as rows of a user's own data."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotation_files import ANNOTATIONS, laid_out
from memory import most_allocated

import composer
from composer.data import DataError
from composer.data.opening import open_data
from composer.data.tables import Table
from composer.plugin import load_registry
from composer.recipes import data_recipe

FORMATS = load_registry().formats


def table_of(data: str, media: Path | None = None) -> Table:
    given: dict[str, Any] = {"files": data} | ({} if media is None else {"media_root": str(media)})
    ((_, table),) = open_data(data_recipe(given), Path(), FORMATS)
    return table


def test_every_format_has_files_here() -> None:
    assert {name.partition(" ")[0] for name in ANNOTATIONS} == set(FORMATS)


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_files_become_rows_and_a_broken_sample_is_told(name: str, tmp_path: Path) -> None:
    found = ANNOTATIONS[name]
    media = tmp_path / "media"
    for each in found.media:
        (media / each).parent.mkdir(parents=True, exist_ok=True)
        (media / each).write_bytes(b"a medium")
    media.mkdir(exist_ok=True)
    table = table_of(laid_out(name, tmp_path), media)
    rows = [*table.rows()]
    good, bad = [row for row in rows if not row.fault], [row for row in rows if row.fault]
    assert len(good) == found.count
    assert good[0].values.items() >= found.row.items()
    assert [row.fault.startswith(found.fault) for row in bad] == [True] * bool(found.fault), bad
    assert [table.row(index) for index in range(len(table))] == rows
    named = [row.values[column] for row in good for column in FORMATS[name.partition(" ")[0]].media]
    assert not found.media or {*found.media} <= {*named}


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_the_declared_columns_are_those_of_the_rows(name: str, tmp_path: Path) -> None:
    table = table_of(laid_out(name, tmp_path))
    assert {*(table.columns or ())} <= {*FORMATS[name.partition(" ")[0]].gives}


@pytest.mark.parametrize("name", [name for name in FORMATS if "ijson" in FORMATS[name].packages])
def test_another_file_is_one_sentence(name: str, tmp_path: Path) -> None:
    laid_out(name, tmp_path)
    files = [*ANNOTATIONS[name].files]
    (tmp_path / files[0]).write_text('{"a": [1', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        table_of(f"{name}:{','.join(str(tmp_path / file) for file in files)}")
    assert files[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_breaks_off_is_an_error_and_not_the_rows_before(tmp_path: Path) -> None:
    data = laid_out("vqa", tmp_path)
    path = tmp_path / "questions.json"
    path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    with pytest.raises(DataError, match=r"questions.json is not JSON, near its byte"):
        table_of(data)


def test_a_format_that_is_not_there_and_a_wrong_number_of_files_are_told(tmp_path: Path) -> None:
    laid_out("refcoco", tmp_path)
    refs = tmp_path / "refs(unc).p"
    with pytest.raises(DataError, match=r"there is no format `refcoc`; did you mean `refcoco`"):
        table_of(f"refcoc:{refs}")
    with pytest.raises(DataError, match=r"reads refcoco:refs.p,instances.json, and 1 files are named"):
        table_of(f"refcoco:{refs}")
    with pytest.raises(DataError, match=r"gone.json does not exist"):
        table_of(f"refcoco:{refs},{tmp_path / 'gone.json'}")


def test_a_pickle_that_names_code_is_refused(tmp_path: Path) -> None:
    data = laid_out("refcoco", tmp_path)
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps([Path("x")]))
    with pytest.raises(DataError, match=r"it names the code pathlib"):
        table_of(data)


def test_parquet_of_glue_is_read_as_its_table_is(tmp_path: Path) -> None:
    rows = {"sentence": ["good", "bad", "?"], "label": [1, 0, -1], "idx": [7, 8, 9]}
    pq.write_table(pa.table(rows), tmp_path / "train.parquet")  # type: ignore[no-untyped-call]
    found = [row.values for row in table_of(f"glue-sst2:{tmp_path / 'train.parquet'}").rows()]
    assert found == [
        {"id": "train-7", "sentence": "good", "truth": "positive"},
        {"id": "train-8", "sentence": "bad", "truth": "negative"},
        {"id": "train-9", "sentence": "?"},
    ]


def test_a_large_file_is_read_in_the_memory_of_a_few_samples(tmp_path: Path) -> None:
    few, path = tmp_path / "few.json", tmp_path / "qa.json"
    few.write_text('[{"id": 1, "video_id": 1, "question": "what is it", "answer": "a cat"}]')
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for number in range(2_000):
            entry = {"id": number, "video_id": number, "question": "what is it " * 500, "answer": "a cat"}
            file.write(("," if number else "") + json.dumps(entry))
        file.write("]")
    opened = (
        "table = [table for _, table in open_data(data_recipe({{'files': {data!r}}}), Path(), formats)][0]"
    )
    peak = most_allocated(
        f"""
from pathlib import Path
from composer.data.opening import open_data
from composer.plugin import load_registry
from composer.recipes import data_recipe
formats = load_registry().formats
{opened.format(data=f"video-questions:{few}")}  # what it imports is no memory of samples
""",
        f"{opened.format(data=f'video-questions:{path}')}\nassert len(table) == 2_000",
    )
    assert peak < path.stat().st_size / 4


INSTANCES = {
    "images": [
        {"id": 1, "file_name": "a.jpg", "width": 200, "height": 100},
        {"id": 2, "file_name": "b.jpg", "width": 0, "height": 0},
        {"id": 3, "file_name": "c.jpg"},
    ],
    "annotations": [{"id": 4, "bbox": [20, 10, 100, 50]}],
}
REFERENCES = [
    {"image_id": image, "ann_id": 4, "split": "val", "sentences": said}
    for image, said in (
        (1, [{"sent_id": 1, "sent": ""}, {"sent_id": 2, "sent": None}, {"sent_id": 3, "sent": "the cat"}]),
        (2, [{"sent_id": 4, "sent": "of no width"}]),
        (3, [{"sent_id": 5, "sent": "of no size"}]),
    )
]
QUESTIONS = {
    "questions": [{"question_id": n, "image_id": 1, "question": q} for n, q in enumerate(("a?", None, ""))]
}
PICTURES = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "annotations": [
        {"id": n, "image_id": 1, "caption": text} for n, text in enumerate((None, " \n", "a cat"))
    ],
}
SPLITS = {
    "images": [
        {
            "imgid": 1, "filename": "a.jpg", "split": "val",
            "sentences": [{"sentid": n, "raw": text} for n, text in enumerate(("", "a cat", None))],
        }
    ]
}  # fmt: skip
RELATIONS = [
    {"pairID": str(n), "Flickr30K_ID": "1", "sentence2": text, "gold_label": label}
    for n, (text, label) in enumerate(
        (("a cat", "neutral"), ("a cat", "-"), ("a cat", None), ("", "neutral"))
    )
]
ODD: dict[str, tuple[str, dict[str, Any], str, list[Any], int]] = {
    "questions": ("vqa", {"q.json": QUESTIONS}, "question", ["a?"], 2),
    "captions": ("coco-captions", {"c.json": PICTURES}, "captions", [["a cat"]], 2),
    "pictures": ("coco-pictures", {"c.json": PICTURES}, "captions", [["a cat"]], 0),
    "splits": ("karpathy-captions", {"d.json": SPLITS}, "captions", [["a cat"]], 2),
    "answers": (
        "video-questions",
        {"q.json": [{"id": 1, "video_id": 1, "question": "a?", "answer": each} for each in ("cat", None, 2, "")]},
        "reference",
        ["cat", "2"],
        2,
    ),
    "sentences": (
        "msrvtt-pairs",
        {"p.csv": "key,vid_key,video_id,sentence\nr0,m,video1,\nr1,m,video2,a cat\n"},
        "caption",
        ["a cat"],
        1,
    ),
    "references": ("refcoco", {"r.p": pickle.dumps(REFERENCES), "i.json": INSTANCES}, "phrase", ["the cat"], 4),
    "references in JSON": ("refcoco", {"r.json": REFERENCES, "i.json": INSTANCES}, "phrase", ["the cat"], 4),
    "relations": (
        "snli-ve", {"s.jsonl": "\r\n".join(map(json.dumps, RELATIONS))}, "truth", ["neutral"], 3,
    ),
    "times": (
        "kinetics",
        {
            "k.csv": 'label,youtube_id,time_start,time_end,split\nrun,x,1e999,2,val\n"sit, down",y,1,2,val\n',
            "c.csv": 'id,name\n0,run\n1,"sit, down"\n',
        },
        "truth",
        [1],
        1,
    ),
    "numbers": (
        "glue-stsb",
        {"d.tsv": "sentence1\tsentence2\tscore\nA.\tB.\t1e999\nA.\tB.\tnan\nA.\tB.\t4\n"},
        "truth",
        [4.0],
        2,
    ),
}  # fmt: skip
"""Format, files, a column and what it has, and how many samples cannot be read: no text, no size, no end."""


@pytest.mark.parametrize("name", ODD)
def test_a_sample_without_what_it_needs_is_counted_and_the_others_are_read(name: str, tmp_path: Path) -> None:
    format, files, column, values, bad = ODD[name]
    rows = [*table_of(put(format, files, tmp_path)).rows()]
    assert [row.values[column] for row in rows if not row.fault] == values
    assert sum(bool(row.fault) for row in rows) == bad


def put(format: str, files: dict[str, Any], folder: Path, mark: bytes = b"") -> str:
    for file, content in files.items():
        text = content if isinstance(content, (str, bytes)) else json.dumps(content)
        (folder / file).write_bytes(mark + (text if isinstance(text, bytes) else text.encode()))
    return f"{format}:{','.join(str(folder / file) for file in files)}"


@pytest.mark.parametrize("name", [name for name in ANNOTATIONS if name != "refcoco"])
def test_a_mark_of_the_encoding_is_no_part_of_a_file(name: str, tmp_path: Path) -> None:
    found, (plain, marked) = ANNOTATIONS[name], (tmp_path / "plain", tmp_path / "marked")
    plain.mkdir()
    marked.mkdir()
    format, files = name.partition(" ")[0], dict(found.files)
    wanted = [row.values for row in table_of(put(format, files, plain)).rows()]
    assert [row.values for row in table_of(put(format, files, marked, b"\xef\xbb\xbf")).rows()] == wanted


@pytest.mark.parametrize("name", ["vqa", "glue-sst2", "snli-ve"])
def test_a_compressed_file_and_another_encoding_are_told(name: str, tmp_path: Path) -> None:
    data = laid_out(name, tmp_path)
    path = tmp_path / next(iter(ANNOTATIONS[name].files))
    text = path.read_bytes()
    for content, told in (
        (gzip.compress(text), "is compressed by gzip: unpack it"),
        (b"PK\x03\x04" + text, "is a zip archive: unpack it"),
        (text.decode().encode("utf-16"), "is UTF-16: save it as UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=told):
            table_of(data)


def test_a_map_of_clips_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    data = laid_out("video-questions of MSVD", tmp_path)
    (tmp_path / "youtube_mapping.txt").write_text("abc_1_5 vid3\none two three\n")
    with pytest.raises(DataError, match=r"line 2 of .*youtube_mapping.txt is not the name of a clip and its"):
        table_of(data)


COVERS = {
    "vqav2": "vqa",
    "refcoco": "refcoco",
    "nlvr2": "nlvr2",
    "cola": "glue-cola",
    "lsmdc-retrieval": "lsmdc",
}


@pytest.mark.parametrize(("task", "name"), COVERS.items())
def test_a_format_has_what_its_tasks_read(task: str, name: str) -> None:
    inputs = composer.check("mplug2-tasks").raise_for_errors().tasks[task].inputs
    assert {*inputs} <= {*FORMATS[name].gives}


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ("", "that is never closed"),
        ('tumblr_a\t"who ?"\tman\t0\tQ3\t4\ta\n', "that is not closed where its value ends"),
    ],
)
def test_a_quotation_mark_of_a_table_swallows_no_question_in_silence(
    tmp_path: Path, later: str, told: str
) -> None:
    path = tmp_path / "Test_frameqa_question.csv"
    head = "gif_name\tquestion\tanswer\ttype\tvid_id\tkey\tdescription\n"
    first = "tumblr_a\twhat sits ?\tcat\t0\tQ1\t4\ta cat sits .\n"
    path.write_text(f'{head}{first}tumblr_a\t"open ?\tred\t2\tQ2\t4\tb\n{later}{"" if not later else first}')
    table = table_of(f"tgif-frameqa:{path}")
    rows = [*table.rows()]
    assert [row.values.get("id") for row in rows if not row.fault] == ["Q1"] * (1 + bool(later))
    (fault,) = [row.fault for row in rows if row.fault]
    assert fault.startswith("question 2 of Test_frameqa_question.csv")
    assert f"line 3 opens a quotation mark {told}" in fault
