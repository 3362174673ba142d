"""Answers as Parquet, whatever stands in a column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from composer.rows import RowAnswer
from composer.rows.answer_lines import FlatLines
from composer.rows.parquet import write_parquet

ODD_COLUMNS: dict[str, list[object]] = {
    "several types": [1, "a", None, 2.5, True, [1], {"a": 1}],
    "beyond 64 bits": [2**63, 2**64, -(2**70)],
    "no fraction holds it": [2**53 + 1, 0.5],
    "no Unicode": ["a", "\ud800"],
    "lists of several types": [[1], ["a"], [[2]]],
    "maps of several types": [{"a": 1}, {"a": "b"}],
    "keys without Unicode": [{"\ud800": 1}],
    "empty maps": [{}, {}],
    "empty maps in lists": [[], [{}]],
    "nothing": [None, None],
}


@pytest.mark.parametrize("values", ODD_COLUMNS.values(), ids=ODD_COLUMNS)
@pytest.mark.parametrize("apart", [0, 300])
def test_a_column_of_parquet_holds_whatever_the_rows_hold(
    tmp_path: Path, values: list[object], apart: int
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    values = [each for value in values for each in [value, *[None] * apart]]
    answers = [
        RowAnswer(n, id=value, kept={"odd": value}, outputs={"answer": "a"})
        for n, value in enumerate(values, 1)
    ]
    format = FlatLines(["answer"], ["odd"], None)
    (tmp_path / "lines").write_bytes(b"".join(map(format.line, answers)))
    with (tmp_path / "out.parquet").open("wb") as file:
        write_parquet(tmp_path / "lines", format.columns(), file)
    found = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert found["answer"] == ["a"] * len(values)
    for value, kept in zip(values, found["odd"], strict=True):
        shown = value if isinstance(value, str) or value is None else json.dumps(value)
        assert kept == value or kept == (
            None if shown is None else shown.encode("utf-8", "backslashreplace").decode()
        )
