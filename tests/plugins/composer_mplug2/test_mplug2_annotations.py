"""Official annotation files, made here in their formats, as rows of a user's own data."""

from __future__ import annotations

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
