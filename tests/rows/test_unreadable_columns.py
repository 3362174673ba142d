"""Columns of Arrow whose values are none of Python: what reads one is told, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from counting import Counting

from composer.data import parquet_table
from composer.data.seen_classes import see_classes
from composer.data.tables import opened_table
from composer.evaluation.dataset_rows import SplitRows
from composer.problems import InputError
from composer.rows import answer_rows, run_rows
from composer.rows.row_sources import opened

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TOO_FAR = 10**8
"""Days from 1970: a date that Python does not have."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two columns that can be read, and dates of which the second is none of Python."""
    columns = {"text": ["a", "bcd", "ef"], "label": ["x", "y", "x"]}
    table = pa.table({**columns, "when": pa.array([1, TOO_FAR, 2], pa.date32())})
    pq.write_table(table, tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_a_column_that_nothing_reads_does_not_refuse_the_others(path: Path) -> None:
    found = [each.outputs["letters"] for each in answer_rows(Counting(), None, path)]
    assert found == ["1", "3", "2"]
    assert [len(row.values) for row in opened(path).rows()] == [3, 2, 3]
    seen = see_classes(str(path))
    assert (seen.classes, seen.value) == (("x", "y"), "text")


@pytest.mark.parametrize("held", [1 << 20, 0], ids=["held", "laid out"])
def test_tables_are_read_so_too(path: Path, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "HELD_BYTES", held)
    row = opened_table(path).row(1)
    assert row.values == {"text": "bcd", "label": "y"}
    assert list(row.unreadable) == ["when"]
    assert not row.fault


@pytest.mark.parametrize("read", [{"columns": {"text": "when"}}, {"id": "when"}, {"keep": ["when"]}])
def test_what_reads_it_is_told_of_the_row_and_the_column(path: Path, read: dict[str, object]) -> None:
    faults = [each.reason for each in answer_rows(Counting(), None, path, **read)]  # type: ignore[arg-type]
    assert faults[1].startswith("its column `when` cannot be read: ")
    assert "date32" in faults[1]
    assert "column `when`" not in faults[0] + faults[2]


def test_a_split_or_a_class_that_cannot_be_read_is_told(path: Path) -> None:
    for told in (
        lambda: SplitRows(opened(path), "when", "test", str.strip),
        lambda: see_classes(str(path), "when"),
    ):
        with pytest.raises(InputError, match=r"rows.parquet, row 2: its column `when` cannot be read: "):
            told()


def test_it_is_asked_again_when_it_can_be_read(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert run_rows(Counting(), None, path, out, keep=["when"]).failed == 1
    table = pq.read_table(path)
    pq.write_table(table.set_column(2, "when", pa.array([1, None, 2], pa.date32())), path)
    assert run_rows(Counting(), None, path, out, keep=["when"], resume=True).failed == 0
