"""An evaluation of questions about pictures: the encoder run once per picture, beside once per question."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import composer_compile
import numpy as np
import torch
from PIL import Image

import composer
from benchmarks.by_hand import BASE, TINY
from benchmarks.measuring import Row, interleaved, on_threads, ratio
from composer.evaluation import evaluate_rows
from composer.evaluation.what_is_scored import AskedScores, declared_of
from composer.execution import Answering
from composer.plugin import load_registry

__all__ = ["measure"]

TASK = "image-qa"
WORDS = ("red", "blue", "small", "large", "left", "right", "round", "square")


def measure(*, quick: bool) -> list[Row]:
    """mPLUG-2 (base) with random weights, two threads. Where each question has a file of its own, with the same
    picture in it, no row shares anything with another.
    """
    pictures, questions = (2, 3) if quick else (8, 8)
    torch.manual_seed(0)
    settings = {**(TINY if quick else BASE), "answer_min_tokens": 1}
    with on_threads(2), TemporaryDirectory() as name:
        folder = Path(name)
        model = composer.load("mplug2-base", weights="initial", settings=settings, tasks=[TASK])
        _write(folder, pictures, questions)
        rounds = 1 if quick else 3
        rows = [_compared(model, "", folder, pictures, questions, rounds=rounds)]
        composer_compile.compile_document(
            "mplug2-base",
            folder / "artifact",
            weights="initial",
            settings=settings,
            tasks=[TASK],
            options=composer_compile.Options(session=("image",)),
        )
        with composer_compile.load(folder / "artifact") as artifact:
            rows.append(_compared(artifact, " by an artifact", folder, pictures, questions, rounds=rounds))
        return rows


def _write(folder: Path, pictures: int, questions: int) -> None:
    """Two files of the same questions: one names each picture for all of its questions, one a copy for each."""
    chance = np.random.default_rng(0)
    shared, own = [], []
    for picture in range(pictures):
        pixels = chance.integers(0, 256, (224, 224, 3), dtype=np.uint8)
        names = [f"{picture}.png", *(f"{picture}-{question}.png" for question in range(questions))]
        for name in names:
            Image.fromarray(pixels).save(folder / name)
        for question in range(questions):
            asked = {"question": f"is the {WORDS[question]} one of them there?", "answer": "yes"}
            shared.append({**asked, "image": names[0]})
            own.append({**asked, "image": names[1 + question]})
    for name, rows in (("shared", shared), ("own", own)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _compared(model: Answering, how: str, folder: Path, pictures: int, questions: int, *, rounds: int) -> Row:
    registry = load_registry()
    ports = model.ports(TASK)
    evaluation = AskedScores((), "answer", []).settled(declared_of(model, TASK), ports, registry, TASK)

    def evaluated(name: str) -> list[Any]:
        report = evaluate_rows(model, TASK, folder / f"{name}.jsonl", evaluation, registry)
        return [sample.prediction for sample in sorted(report.samples, key=lambda each: each.row)]

    same = evaluated("shared") == evaluated("own")
    times = interleaved(
        {"shared": lambda: evaluated("shared"), "own": lambda: evaluated("own")}, rounds, time.perf_counter
    )
    count = pictures * questions
    return Row(
        f"evaluating {count} questions about {pictures} pictures{how}, each picture encoded once",
        count / statistics.median(times["shared"]),
        "samples/s",
        "encoded once per question",
        count / statistics.median(times["own"]),
        ratio(times, "own", "shared"),
        "",
        "times faster" if same else "times faster, OTHER ANSWERS",
    )
