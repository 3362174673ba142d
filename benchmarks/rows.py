"""Many rows through a task: `composer.rows.run_rows` beside a loop written by hand over the same model and files."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measuring import Row, interleaved, on_threads, ratio
from composer.execution import Model, load
from composer.rows import run_rows

__all__ = ["measure"]

EXAMPLES = Path(__file__).parents[1] / "examples" / "quickstart"
QUESTIONS = (
    "is there a circle?",
    "what is the blue shape?",
    "what shape is it?",
    "is there a red shape somewhere in this picture, or is there none at all?",
)
BATCH = 16


def measure(*, quick: bool) -> list[Row]:
    """The quick start's models on one thread: what is beside the model weighs most where the model is small."""
    count = 32 if quick else 512
    rounds = 1 if quick else 5
    model = load("quickstart")
    with on_threads(1), TemporaryDirectory() as name:
        folder = Path(name)
        clips: list[dict[str, object]] = [{"video": name} for name in _copies(folder, "clip.mp4", count // 8)]
        questions = _questions(_copies(folder, "picture.png", count))
        return [
            *_compared(model, "image-qa", questions, folder, rounds, "pictures and questions"),
            *_compared(model, "video-caption", clips, folder, rounds, "clips"),
        ]


def _copies(folder: Path, file: str, count: int) -> list[str]:
    """Names of copies, one for each row: what rows share is answered once, which no loop by hand does."""
    names = [f"{number}-{file}" for number in range(count)]
    for name in names:
        shutil.copy(EXAMPLES / file, folder / name)
    return names


def _questions(pictures: list[str]) -> list[dict[str, object]]:
    chance = random.Random(0)
    return [
        {"id": f"q{number}", "image": name, "question": chance.choice(QUESTIONS)}
        for number, name in enumerate(pictures)
    ]


def _compared(
    model: Model, task: str, rows: list[dict[str, object]], folder: Path, rounds: int, what: str
) -> list[Row]:
    source = folder / f"{task}.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ours, theirs = folder / f"{task}-ours.jsonl", folder / f"{task}-by-hand.jsonl"

    def answered(workers: int | None) -> None:
        run_rows(model, task, source, ours, batch_size=BATCH, workers=workers, overwrite=True)

    runs: dict[str, Callable[[], Any]] = {
        "rows": lambda: answered(None),
        "rows without workers": lambda: answered(0),
        "by hand": lambda: _by_hand(model, task, source, theirs),
    }
    for run in runs.values():  # processes that decode are started, kernels are warm
        run()
    _hold_same(ours, theirs)
    times = interleaved(runs, rounds, time.perf_counter)
    seconds = {name: sorted(found)[len(found) // 2] for name, found in times.items()}
    return [
        Row(
            f"{task}, {len(rows)} {how} of {what}, batch {BATCH}",
            len(rows) / seconds[how],
            "rows/s",
            "a loop by hand, same model, same answers",
            len(rows) / seconds["by hand"],
            ratio(times, "by hand", how),
            ">= 0.95",
        )
        for how in ("rows", "rows without workers")
    ]


def _by_hand(model: Model, task: str, source: Path, out: Path) -> None:
    """What people write: read lines, run batches in the order of the file, write lines. A bad row ends it."""
    inputs = model.ports(task).inputs
    with source.open(encoding="utf-8") as lines, out.open("w", encoding="utf-8") as file:
        for batch in _batches(map(json.loads, lines)):
            values: dict[str, Any] = {
                name: [str(source.parent / row[name]) if name != "question" else row[name] for row in batch]
                for name in inputs
            }
            outputs = model.run(task, **values)
            for index, row in enumerate(batch):
                answer = {name: _plain(value[index]) for name, value in outputs.items()}
                file.write(json.dumps({"id": row.get("id"), "outputs": answer}) + "\n")


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    stream = iter(rows)
    while batch := list(islice(stream, BATCH)):
        yield batch


def _hold_same(ours: Path, theirs: Path) -> None:
    """Both gave the same texts, row by row."""
    found, expected = (
        [json.loads(line)["outputs"] for line in path.read_text(encoding="utf-8").splitlines()]
        for path in (ours, theirs)
    )
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert {k: v for k, v in one.items() if isinstance(v, str)} == {
            k: v for k, v in other.items() if isinstance(v, str)
        }
