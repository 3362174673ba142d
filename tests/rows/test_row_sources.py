"""Files of rows: every format, what people's files look like, and what is wrong with a single row."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_data import save_data_set, save_splits

from composer.problems import InputError
from composer.rows import json_lines
from composer.rows.answer_lines import FlatLines, JsonAnswers, format_of
from composer.rows.delimited import DelimitedRows
from composer.rows.row import GivenRow, RowAnswer, RowError
from composer.rows.row_sources import opened


def rows_of(path: str | Path, skipped: int = 0) -> list[Any]:
    """The values of rows, or why there are none."""
    found = list(opened(path).rows(skipped))
    assert [each.number for each in found] == list(range(skipped + 1, skipped + 1 + len(found)))
    return [each.fault or dict(each.values) for each in found]


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [
        b'\xef\xbb\xbf{"a": "x", "b": [1, 2]}\r',
        b"",
        b"   ",
        b'{"a": "\xc3\xa4"}',
        b'{"a": ',
        b"[1]",
        b'"text"',
        b"null",
        b"5",
        b'{"a": "\xff"}',
        b'{"a": ' + b"[" * 100_000,
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": "the last, without a line break"}',
    ]
    path.write_bytes(b"\n".join(lines))
    found = rows_of(path)
    assert found[:2] == [{"a": "x", "b": [1, 2]}, {"a": "ä"}]
    assert found[2].startswith("line 5 is not JSON: ")
    assert found[3] == "line 6 is a list, not an object of columns and values"
    assert [each.split(", ")[0] for each in found[4:7]] == [
        "line 7 is a string",
        "line 8 is a null",
        "line 9 is a number",
    ]
    assert found[7] == "line 10 is not UTF-8: byte 8 of it is 0xff"
    assert found[8].startswith("line 11 is not JSON")
    assert isinstance(found[9], dict) or found[9].startswith("line 12 is not JSON that can be read")
    assert found[10] == {"a": "the last, without a line break"}
    assert rows_of(path, 10) == found[10:]
    assert opened(path).survey()[0] == 11


def test_a_line_without_end_is_one_row_at_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "LONGEST_LINE", 32)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n' + '{"a": "' + "x" * 200 + '"}\n{"a": 2}\n')
    assert rows_of(path) == [{"a": 1}, "line 2 is longer than 32 bytes", {"a": 2}]


def test_comma_and_tab_separated(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(
        b'\xef\xbb\xbfid,question\r\n1,"two\nlines, and ""quotes"""\r\n\r\n2\r\n3,a,b\r\n4,\xff\r\n5,\xc3\xa4\r\n'
    )
    assert rows_of(path) == [
        {"id": "1", "question": 'two\nlines, and "quotes"'},
        "it has 1 value, and the first line names 2 columns",
        "it has 3 values, and the first line names 2 columns",
        "column `question` is not UTF-8: save the file as UTF-8",
        {"id": "5", "question": "ä"},
    ]
    assert rows_of(path, 4) == [{"id": "5", "question": "ä"}]
    assert opened(path).survey()[0] == 5
    tabs = tmp_path / "rows.tsv"
    tabs.write_text("id\tquestion\n1\ta, b\n")
    assert rows_of(tabs) == [{"id": "1", "question": "a, b"}]


def test_a_quotation_mark_that_is_never_closed_swallows_no_row_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('id,question\n1,"closed"\n2,"open\n3,b\n')
    told = "line 3 opens a quotation mark that is never closed, which makes one value of all that follows: close it"
    assert rows_of(path) == [{"id": "1", "question": "closed"}, told]
    source = DelimitedRows(path)
    begins, numbers = source.places()
    with path.open("rb") as file:
        read = [
            source.at(file, n, begin, number)
            for n, (begin, number) in enumerate(zip(begins, numbers, strict=True))
        ]
    assert [row.fault for row in read] == ["", told]
    path.write_text('id,question\n1,"closed"\n2,"at the end"')
    assert rows_of(path)[1] == {"id": "2", "question": "at the end"}


def test_a_quotation_mark_that_a_later_one_seems_to_close_is_told(tmp_path: Path) -> None:
    """What follows the later mark shows that it opens a value: the rows between were none of the first one's."""
    path = tmp_path / "rows.csv"
    path.write_text('id,question\n1,"open\n2,b\n3,"closed"\n4,d\n5,5" wide\n6,"two\nlines"\n7,"a" b\n')
    told = (
        "line 2 opens a quotation mark that is not closed where its value ends, which makes one value of 3 lines: "
        "close it"
    )
    expected = [
        told,
        {"id": "4", "question": "d"},
        {"id": "5", "question": '5" wide'},
        {"id": "6", "question": "two\nlines"},
        {"id": "7", "question": "a b"},
    ]
    assert rows_of(path) == expected
    source = DelimitedRows(path)
    begins, numbers = source.places()
    assert [*numbers] == [2, 5, 6, 7, 9]
    with path.open("rb") as file:
        read = [source.at(file, n, *place) for n, place in enumerate(zip(begins, numbers, strict=True))]
    assert [row.fault or row.values for row in read] == expected


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "rows.parquet"
    rows = [
        {"id": n, "image": {"bytes": b"abc", "path": None}, "words": ["a"] * (n % 3)} for n in range(1_000)
    ]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=300)
    assert opened(path).columns == ("id", "image", "words")
    assert rows_of(path) == rows
    assert rows_of(path, 650) == rows[650:]
    assert opened(path).survey()[0] == 1_000


def test_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"need pyarrow: pip install .*\[rows\]"):
        opened(tmp_path / "rows.parquet")
    with pytest.raises(InputError, match="need pyarrow"):
        format_of(tmp_path / "out.parquet", ["answer"], [])


def test_files_of_a_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.png", "c.txt", ".hidden.png"):
        Path(name).write_text(name)
    Path("d.png").mkdir()
    assert rows_of("*.png") == [{"file": "a.png"}, {"file": "b.png"}]
    Path("bc.png").symlink_to("gone.png")  # a row that fails, and none that is lost
    assert rows_of("b*.png") == [{"file": "b.png"}, {"file": "bc.png"}]
    Path("bc.png").unlink()
    assert rows_of(".") == [{"file": f"./{name}"} for name in ("a.png", "b.png", "c.txt")]
    before = opened("*.png").survey()
    Path("a.png").write_text("another size")
    assert opened("*.png").survey() != before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.json", "[]", "one JSON object per line and call it .jsonl"),
        ("rows.txt", "a", "its ending says how it is read"),
        ("rows.csv", "", "is empty: its first line names the columns"),
        ("rows.csv", "a,b,a\n", "several columns called `a`"),
        ("rows.parquet", "text", "cannot be read as Parquet"),
        ("gone.jsonl", None, "does not exist: check the path"),
        ("*.png", None, "names no file"),
        ("", None, "is a folder without files: name a file of rows"),
        ("a\0b.jsonl", None, "does not exist|is not a path"),
    ],
)
def test_what_holds_no_rows(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        opened(f"{tmp_path}/{name}")


def test_rows_of_python() -> None:
    assert [each.values for each in opened([{"a": 1}, {"a": 2}]).rows(1)] == [{"a": 2}]
    assert opened([{"a": b"x"}]).survey() != opened([{"a": b"y"}]).survey()
    arrays = [np.zeros(4), np.zeros((2, 2)), np.ones(4)]
    assert len({opened([{"a": array}]).survey() for array in arrays}) == 3
    assert list(opened(each for each in [{"a": 1}]).rows()) == [GivenRow(1, {"a": 1})]


ANSWERS = [
    RowAnswer(1, "a", {"answer": "yes, \n", "score": float("nan")}, kept={"gold": 3}),
    RowAnswer(2, None, error=RowError("it has no column `q`", "q")),
]


def test_answers_as_lines() -> None:
    first, second = (json.loads(JsonAnswers().line(each), parse_constant=pytest.fail) for each in ANSWERS)
    assert first == {
        "row": 1,
        "id": "a",
        "kept": {"gold": 3},
        "outputs": {"answer": "yes, \n", "score": None},
    }
    assert second == {"row": 2, "error": {"reason": "it has no column `q`", "column": "q"}}
    flat = FlatLines(("answer", "score"), ("gold",), ",")
    assert flat.head == b"row,id,gold,answer,score,error\n"
    assert flat.line(ANSWERS[0]) == b'1,a,3,"yes, \n",null,\n'
    assert flat.line(ANSWERS[1]) == b"2,,,,,it has no column `q`\n"
    assert FlatLines(("row", "error"), ("row",), ",").columns() == [
        "row", "id", "kept.row", "output.row", "output.error", "error"
    ]  # fmt: skip


def test_a_data_set_that_was_saved_on_disk_is_rows_and_no_folder_of_files(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs multimodal-composer[rows]")
    rows = [{"text": each, "photo": {"bytes": each.encode(), "path": None}} for each in "abc"]
    saved = save_data_set(tmp_path / "saved", rows, files=2)
    assert rows_of(saved) == rows
    assert rows_of(saved, 2) == rows[2:]
    assert opened(saved).columns == ("text", "photo")
    assert opened(saved).folder == saved
    parts = save_splits(tmp_path / "parts", {"train": rows[:2], "test": rows[2:]})
    assert rows_of(parts / "test") == rows[2:]
    with pytest.raises(InputError, match=r"parts holds several splits: name one of them, such as .*train"):
        opened(parts)
