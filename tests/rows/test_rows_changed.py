"""Rows that are others than when they were asked: no answer stands for what is there no more."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from counting import Counting, StoppedError, stopping

from composer.execution import InputFacts
from composer.execution.task_reader import ReadBatch
from composer.problems import InputError
from composer.rows import run_rows
from composer.rows.row import RowAnswer


class Told:
    """Hears how a run goes on."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done = 0

    def begin(self, total: int | None, done: int) -> None:
        self.done = done

    def answered(self, answers: list[RowAnswer]) -> None: ...

    def line(self, text: str) -> None:
        self.lines.append(text)


def written(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(texts)))
    return path


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
@pytest.mark.parametrize("after", [3, 99])
def test_rows_that_changed_are_asked_again(tmp_path: Path, name: str, after: int) -> None:
    """Whether the run was ended or reached its end: the answers are those of a run over the rows as they are now."""
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    texts = [f"text {n:02}" for n in range(30)]
    path, out = written(tmp_path / "rows.jsonl", texts), tmp_path / name
    with suppress(StoppedError):
        run_rows(stopping(after), None, path, out, batch_size=3)
    now = [*texts, "one more"]
    now[2], now[5] = "other", "longer by now"
    written(path, now)
    with pytest.raises(InputError, match=r"the content of the rows changed.*--resume"):
        run_rows(Counting(), None, path, out, batch_size=3)
    model, told = Counting(), Told()
    run_rows(model, None, path, out, batch_size=3, resume=True, watching=told)
    assert "asks 2 rows again that changed since they were answered" in told.lines
    assert sum(map(len, model.calls)) == 31 - told.done
    run_rows(Counting(), None, path, tmp_path / f"whole-{name}", batch_size=3)
    assert out.read_bytes() == (tmp_path / f"whole-{name}").read_bytes()


def reading(*, several: bool = False) -> Counting:
    """A model whose texts name files."""
    model = Counting()
    model.inputs = {"text": InputFacts("text", True, True, True, is_list=several)}
    return model


def test_a_file_that_a_row_names_may_move_and_not_change(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        for name in ("a.txt", "b.txt"):
            (tmp_path / folder / name).write_text(name)
    path, out = written(tmp_path / "rows.jsonl", ["a.txt", "b.txt"]), tmp_path / "out.jsonl"
    run_rows(reading(), None, path, out, media_root=tmp_path / "one")
    moved = reading()
    run_rows(moved, None, path, out, media_root=tmp_path / "other", resume=True)
    assert moved.calls == []
    (tmp_path / "other" / "b.txt").write_text("longer by now")
    changed = reading()
    run_rows(changed, None, path, out, media_root=tmp_path / "other", resume=True)
    assert changed.calls == [[str(tmp_path / "other" / "b.txt")]]


@pytest.mark.parametrize("several", [False, True])
def test_a_file_of_the_same_size_is_another_one(tmp_path: Path, several: bool) -> None:
    """Although its time is set back: what a file holds counts, in a list of files too."""
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(name)
    columns = {"text": ["first", "second"]} if several else None
    rows = [{"first": "c.txt", "second": name} if several else {"text": name} for name in ("a.txt", "b.txt")]
    path, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    class Lists(Counting):
        """Reads a list as a text of all that it names."""

        def read(self, raw: Mapping[str, Any]) -> ReadBatch:
            return super().read({"text": [" ".join(each) for each in raw["text"]]})

    def asked() -> Counting:
        model = Lists() if several else Counting()
        model.inputs = reading(several=several).inputs
        run_rows(model, None, path, out, columns=columns, resume=True)
        return model

    assert sum(map(len, asked().calls)) == 2
    assert asked().calls == []
    file = tmp_path / "b.txt"
    before = file.stat()
    file.write_text("B.txt")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    (only,) = asked().calls
    assert len(only) == 1
    assert only[0].endswith("b.txt")
    assert asked().calls == []
    file.touch()
    assert asked().calls == []


def test_a_file_that_all_rows_share_is_another_one(tmp_path: Path) -> None:
    shared = tmp_path / "shared.txt"
    shared.write_text("a")
    path, out = written(tmp_path / "rows.jsonl", ["a", "b"]), tmp_path / "out.jsonl"

    def run(*, resume: bool = False, overwrite: bool = False) -> None:
        model = Counting()
        model.inputs = {**model.inputs, "file": InputFacts("text", True, True, True)}
        run_rows(model, None, path, out, constants={"file": str(shared)}, resume=resume, overwrite=overwrite)

    run()
    run()
    shared.write_text("b")
    with pytest.raises(InputError, match=r"the inputs that are the same for all rows changed.*--overwrite"):
        run(resume=True)
    run(overwrite=True)


@pytest.mark.parametrize("resume", [False, True])
def test_rows_of_an_iterator_that_changed_are_told(tmp_path: Path, resume: bool) -> None:
    out, rows = tmp_path / "out.jsonl", [{"text": text} for text in ("a", "b", "c")]
    run_rows(Counting(), None, iter(rows), out)
    assert run_rows(Counting(), None, iter([*rows, {"text": "d"}]), out, resume=resume).answered == 4
    rows[1] = {"text": "B"}
    with pytest.raises(InputError, match=r"row 2 of the rows is another one than .*--overwrite"):
        run_rows(Counting(), None, iter(rows), out, resume=resume)


def test_rows_that_were_taken_away_are_told(tmp_path: Path) -> None:
    path, out = written(tmp_path / "rows.jsonl", ["a", "b", "c"]), tmp_path / "out.jsonl"
    run_rows(Counting(), None, path, out)
    before = out.read_bytes()
    written(path, ["a", "c"])
    with pytest.raises(InputError, match=r"answers 3 rows, and .* has 2"):
        run_rows(Counting(), None, path, out, resume=True)
    assert out.read_bytes() == before
