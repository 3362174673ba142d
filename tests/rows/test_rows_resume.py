"""Answers on disk: a process that is killed at any moment loses no row and doubles none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from counting import Counting, StoppedError, stopping

from composer.problems import InputError
from composer.rows import run_rows

ROWS = 37
ENDS = ("", ".progress", ".digests")
"""What stands beside answers, by the ending of its name."""

KILLED = """
import io, os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from counting import Counting
from composer.rows import batching, run_rows

batching.WINDOW_BATCHES = 2  # so that answers are written several times
point, left = 0, 0

def event(*_):
    # The process ends here, without a word, when its turn has come.
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def around(name):
    real = getattr(os, name)
    def call(*given, **named):
        event()
        found = real(*given, **named)
        event()
        return found
    setattr(os, name, call)

for name in ("fsync", "replace"):
    around(name)

class Torn(io.FileIO):
    # Half of what is written reaches the file before the process ends.
    def write(self, content):
        half = len(content) // 2
        done = super().write(content[:half])
        event()
        return done + super().write(content[half:])

real_open = io.open
def opened(file, mode="r", *given, **named):
    if "b" in mode and mode != "rb" and isinstance(file, (str, Path)):
        return Torn(file, mode.replace("b", ""))
    return real_open(file, mode, *given, **named)
io.open = opened

retry = sys.argv[3] == "retry"

def run():
    run_rows(Counting(before=event), None, Path("rows.jsonl"), Path(sys.argv[2]), batch_size=3, retry=retry)

Counting()  # what it needs is loaded once
if retry:
    run()  # whole, with rows that failed
kills = 0
for point in range(1, 400):
    child = os.fork()
    if not child:
        left = point
        try:
            run()
        except BaseException as error:
            print(f"point {point}: {error!r}", file=sys.stderr)
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        kills += 1
        continue
    assert os.WEXITSTATUS(status) == 0, status
    break
print(kills)
"""


def rows_file(folder: Path, count: int = ROWS) -> Path:
    path = folder / "rows.jsonl"
    rows = [{"id": n, "text": "unreadable" if n % 10 == 4 else "x" * (n * 7 % 11)} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("out.jsonl", "anew"),
        pytest.param("out.csv", "anew", marks=pytest.mark.slow),
        pytest.param("out.jsonl", "retry", marks=pytest.mark.slow),
        pytest.param("out.csv", "retry", marks=pytest.mark.slow),
    ],
)
def test_kill_minus_9_at_every_moment(tmp_path: Path, name: str, way: str) -> None:
    """The process is killed at its first event, the next one at its second, ...: until one reaches the end."""
    path = rows_file(tmp_path, 19)
    helpers = Path(__file__).parents[1] / "helpers"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(helpers), name, way],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 8
    run_rows(Counting(), None, path, tmp_path / f"whole-{name}", batch_size=3)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole-{name}").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        [path.name, *(f"{prefix}{name}{end}" for prefix in ("", "whole-") for end in ENDS)]
    )


def begun(folder: Path, name: str = "out.jsonl", after: int = 3) -> tuple[Path, Path]:
    path, out = rows_file(folder), folder / name
    with pytest.raises(StoppedError):
        run_rows(stopping(after), None, path, out, batch_size=3)
    return path, out


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.tsv", "out.parquet"])
def test_what_was_answered_is_not_asked_again(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path, out = begun(tmp_path, name)
    model = Counting()
    summary = run_rows(model, None, path, out, batch_size=3)
    assert (summary.rows, summary.answered, summary.failed) == (ROWS, ROWS - 4, 4)
    assert summary.before >= 9  # three batches, and the rows at fault
    assert sum(map(len, model.calls)) == ROWS - 4 - 9
    again = run_rows(Counting(), None, path, out)
    assert (again.before, again.answered, again.failed) == (ROWS, ROWS - 4, 4)


@pytest.mark.parametrize(
    ("change", "told", "resumes"),
    [
        (
            {"model": Counting(name="other")},
            "the document or artifact, its weights or its options changed",
            False,
        ),
        ({"seed": 3}, "seed was not given and is 3", False),
        ({"keep": ["id"]}, "kept was", False),
        ({"columns": {"text": "id"}}, "the columns that are read changed", False),
        ({"rows": 40}, "the content of the rows changed", True),
        ({"batch_size": 5}, None, True),
        ({"workers": 0}, None, True),
    ],
)
def test_answers_of_another_run_are_never_gone_on_with(
    tmp_path: Path, change: dict[str, Any], told: str | None, resumes: bool
) -> None:
    path, out = begun(tmp_path)
    before = out.read_bytes()
    options: dict[str, Any] = {"batch_size": 3, **change}
    model = options.pop("model", None) or Counting()
    if "rows" in options:
        rows_file(tmp_path, options.pop("rows"))
    if told is not None:
        with pytest.raises(InputError, match="holds answers of another run") as caught:
            run_rows(model, None, path, out, **options)
        assert told in str(caught.value)
        assert ("--resume" in str(caught.value)) == resumes
        assert out.read_bytes() == before
    if resumes:
        summary = run_rows(model, None, path, out, resume=True, **options)
        assert summary.before >= 9
    else:
        with pytest.raises(InputError, match="--overwrite"):
            run_rows(model, None, path, out, resume=True, **options)
        assert run_rows(model, None, path, out, overwrite=True, **options).before == 0


def test_answers_never_take_the_place_of_the_rows(tmp_path: Path) -> None:
    path = rows_file(tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="holds the rows themselves"):
        run_rows(Counting(), None, path, f"{tmp_path}/./rows.jsonl", overwrite=True)
    assert path.read_bytes() == before


def test_a_file_of_somebody_is_not_written_over(tmp_path: Path) -> None:
    path, out = rows_file(tmp_path), tmp_path / "out.jsonl"
    out.write_text("notes\n")
    with pytest.raises(InputError, match="nothing beside it says"):
        run_rows(Counting(), None, path, out)
    assert out.read_text() == "notes\n"
    assert run_rows(Counting(), None, path, out, overwrite=True).answered == ROWS - 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "is a folder"),
        ("gone/out.jsonl", "there is no folder"),
        ("out.txt", r"the ending of --out .* \.jsonl"),
        ("out", "the ending of --out"),
    ],
)
def test_places_that_no_answers_can_go_to(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=message):
        run_rows(Counting(), None, rows_file(tmp_path), tmp_path / name)


def test_damaged_progress_and_shortened_answers_are_told(tmp_path: Path) -> None:
    path, out = begun(tmp_path, after=8)
    run_rows(Counting(), None, path, out)
    content = out.read_bytes()
    out.write_bytes(content[:5])
    with pytest.raises(InputError, match="is shorter than when it was left"):
        run_rows(Counting(), None, path, out)
    out.write_bytes(content)
    (tmp_path / "out.jsonl.progress").write_text("{}\n{}\n")
    with pytest.raises(InputError, match=r"is damaged.*--overwrite"):
        run_rows(Counting(), None, path, out)


def test_two_processes_do_not_write_the_same_answers(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    path, out = rows_file(tmp_path), tmp_path / "out.jsonl"

    def second(texts: list[str]) -> None:
        if out.exists():
            with pytest.raises(InputError, match="is being written by another process"):
                run_rows(Counting(), None, path, out)

    assert run_rows(Counting(before=second), None, path, out).answered == ROWS - 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = rows_file(tmp_path), tmp_path / "out.jsonl"
    real = os.fsync

    def full(number: int) -> None:
        if os.path.realpath(f"/proc/self/fd/{number}") == str(out):
            raise OSError(28, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"out\.jsonl cannot be written: No space left on device"):
        run_rows(Counting(), None, path, out, batch_size=3)
    monkeypatch.undo()
    summary = run_rows(Counting(), None, path, out, batch_size=3)
    assert summary.answered == ROWS - 4
    assert [json.loads(line)["row"] for line in out.read_text().splitlines()] == list(range(1, ROWS + 1))


def test_rows_of_none_give_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\n")
    assert run_rows(Counting(), None, path, tmp_path / "out.csv").rows == 0
    assert (tmp_path / "out.csv").read_text() == "row,id,letters,error\n"


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on(tmp_path: Path) -> None:
    """The real thing: `composer run --rows`, killed while it answers pictures, and the same command once more."""
    from composer.cli import main

    picture = Path(__file__).parents[2] / "examples" / "quickstart" / "picture.png"
    (tmp_path / "picture.png").write_bytes(picture.read_bytes())
    path, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows = [
        {"image": "picture.png", "question": "is there a circle?" + " please" * (n % 5)} for n in range(300)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = ["run", "quickstart:image-qa", "--rows", str(path), "--out", str(out), "--batch-size", "2"]
    code = "import sys; from composer.cli import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen([sys.executable, "-c", code, *line], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (out.exists() and out.read_bytes()):
            time.sleep(0.02)
        process.kill()
    before = len(out.read_text().splitlines())
    assert 0 < before < 300
    assert main(line) == 0
    assert [json.loads(each)["row"] for each in out.read_text().splitlines()] == list(range(1, 301))
