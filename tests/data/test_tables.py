"""Tables: any row is read when its turn comes, as a reader of all rows reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from saved_data import save_data_set

from composer.data import parquet_table
from composer.data.tables import opened_table
from composer.problems import InputError

LINES = {
    "bom.csv": b"\xef\xbb\xbfa,b\n1,x\n2,y\n",
    "crlf.csv": b'a,b\r\n1,"x\r\ny"\r\n\r\n2,\xc3\xa9\r\n',
    "ragged.csv": b"a,b\n1\n2,y\n3,x,z\n",
    "quoted.tsv": b'a\tb\n"one ""two"""\tx\n,\n',
    "no-end.csv": b"a,b\n1,x",
    "not-utf8.csv": b"a,b\n1,\xff\n2,y\n",
    "bom.jsonl": b'\xef\xbb\xbf{"a": 1}\n\n{"a": [1, 2]}\r\n',
    "broken.jsonl": b'{"a": 1}\n{"a": \n[1]\nnull\n{"a": 1, "a": 2}\n{"a": 2}',
}


@pytest.mark.parametrize("name", LINES)
def test_every_row_is_read_alone_as_among_all(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(LINES[name])
    table = opened_table(path)
    rows = list(table.rows())
    assert len(rows) == len(table) >= 1
    assert [table.row(index) for index in reversed(range(len(table)))] == rows[::-1]


def test_a_title_says_row_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,"x\ny"\n\n2,z\n')
    assert opened_table(path).title(1) == f"{path}, row 2 (line 5)"


def test_a_file_that_changes_meanwhile_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n2\n")
    table = opened_table(path)
    path.write_text("a\n1\n")
    with pytest.raises(InputError, match="has changed while it was read"):
        table.row(1)


@pytest.mark.parametrize("held", [1 << 20, 0], ids=["held", "laid out"])
def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr(parquet_table, "HELD_BYTES", held)
    rows = [{"a": number, "b": {"bytes": b"x", "path": None}} for number in range(700)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=300)
    table = opened_table(tmp_path / "a.parquet")
    assert len(table) == 700
    assert [table.row(index).values for index in (699, 0, 350)] == [rows[699], rows[0], rows[350]]
    assert [row.values for row in table.rows(698)] == rows[698:]


@pytest.mark.parametrize("chosen", [[3, 1], None], ids=["chosen rows", "all rows"])
def test_a_data_set_on_disk_with_its_names_of_classes(tmp_path: Path, chosen: list[int] | None) -> None:
    pytest.importorskip("pyarrow", reason="needs multimodal-composer[rows]")
    rows = [{"label": label, "n": n} for n, label in enumerate([0, 1, 1, 0], 1)]
    table = opened_table(
        save_data_set(tmp_path / "made", rows, {"label": ["cat", "dog"]}, files=2, chosen=chosen)
    )
    assert [row.values for row in table.rows()] == (
        rows if chosen is None else [rows[index] for index in chosen]
    )
    assert table.class_names == {"label": ["cat", "dog"]}


def test_a_state_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../secret.arrow"}]}))
    with pytest.raises(InputError, match="names a file outside of the folder"):
        opened_table(saved)


def test_folders_of_classes(tmp_path: Path) -> None:
    for name in ("cat/2.png", "cat/1.png", "dog/old/3.png", "dog/.hidden", ".git/config", "readme.txt"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    table = opened_table(tmp_path / "pictures")
    assert [row.values for row in table.rows()] == [
        {"file": "cat/1.png", "class": "cat"},
        {"file": "cat/2.png", "class": "cat"},
        {"file": "dog/old/3.png", "class": "dog"},
    ]
    assert table.title(2) == f"{tmp_path}/pictures/dog/old/3.png"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "is empty: its first line names the columns"),
        ("a.csv", b"a,b\n", "has no rows"),
        ("a.csv", b"a,a\n1,2\n", "several columns called `a`"),
        (
            "a.csv",
            "a,b\n1,2\n".encode("utf-16"),
            "the line that names the columns is not UTF-8: save the file as",
        ),
        (
            "a.csv",
            "caf\u00e9,b\n1,2\n".encode("latin-1"),
            "the line that names the columns is not UTF-8: save the",
        ),
        ("a.csv", b"a,b\r1,2\r3,4\r", "its lines end with carriage returns alone: save it with line feeds"),
        ("a.jsonl", b"", "has no rows: the file is empty"),
        ("a.json", b"[]", "write one JSON object per line and call it .jsonl"),
        ("a.xlsx", b"PK", "is not a file of rows"),
        ("a.parquet", b"PAR1", "cannot be read as Parquet"),
        ("empty/x/.keep", b"", "is the folder of a class and has no files"),
        ("flat/1.png", b"", "put pictures into a folder for each class"),
    ],
)
def test_what_holds_no_rows_is_said(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        opened_table(tmp_path / Path(name).parts[0])
    with pytest.raises(InputError, match="does not exist"):
        opened_table(tmp_path / "other.csv")


def test_two_columns_of_one_name_are_said(tmp_path: Path) -> None:
    """Of both the last one would be read."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = [pa.array([1, 2]), pa.array([3, 4])]
    table = pa.Table.from_arrays(columns, names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="several columns called `a`"):
        opened_table(tmp_path / "a.parquet")
