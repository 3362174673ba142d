"""Latency of an artifact beside the live program and beside the same modules called by hand, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import torch

from benchmarks.measuring import Row, interleaved, on_threads, ratio
from benchmarks.stages import Begun, live, of_artifact
from benchmarks.subjects import Subject
from composer.execution import load

__all__ = ["latency"]

Runs = dict[str, Callable[[], Any]]
STEPS = 5
"""Decode steps that are timed together: one of a small model is over before the clock is sure of it."""


def latency(
    subject: Subject, path: Path, weights: str | None, *, quick: bool, artifact: str = "the artifact"
) -> list[Row]:
    """Encoding (with the decoder's keys and values of the memory), one decode step, and a whole answer."""
    with on_threads(1 if quick else 2), torch.inference_mode(), composer_compile.load(path) as loaded:
        return _latency(subject, loaded, weights, quick=quick, title=artifact)


def _latency(subject: Subject, artifact: Any, weights: str | None, *, quick: bool, title: str) -> list[Row]:
    given = {"weights": weights, "settings": dict(subject.settings), "tasks": [subject.task]}
    model = load(subject.document, **given)  # type: ignore[arg-type]
    runs = _runs(subject, model, artifact)
    for run in runs.values():
        run()
    times = interleaved(runs, 2 if quick else 5, time.perf_counter)
    for name in ("step, artifact", "step, live"):
        times[name] = [seconds / STEPS for seconds in times[name]]
    middle = {name: statistics.median(values) for name, values in times.items()}
    beside = {
        "live": "the live program",
        "by hand": "the same modules by hand",
    }
    rows = []
    for part, what in (("encode", "encoding"), ("step", "a decode step"), ("answer", "a whole answer")):
        for other, text in beside.items():
            if f"{part}, {other}" in runs:
                rows.append(
                    Row(
                        f"{subject.document}:{subject.task}, {what} by {title}",
                        middle[f"{part}, artifact"],
                        "s",
                        "the live program, which calls the module as by hand" if part == "step" else text,
                        middle[f"{part}, {other}"],
                        ratio(times, f"{part}, artifact", f"{part}, {other}"),
                    )
                )
    return rows


def _runs(subject: Subject, model: Any, artifact: Any) -> Runs:
    """What is timed. Answers of all three, and logits, must be the same."""
    runner = model.runner(subject.task)
    (generator,) = runner.generators.values()
    tensors, _ = runner.inputs.encode(subject.raw, torch.device("cpu"))
    ours, theirs = of_artifact(artifact.task(subject.task), subject.raw), live(runner, tensors)

    def start(memory: Any) -> Any:
        beams, tokens = generator.search.beams, generator.search.framing.max_tokens
        cache = generator.decoder.start(memory=memory, beams=beams, max_tokens=tokens)
        return Begun(cache, memory.values.shape[0])

    def answer_by_hand() -> Any:
        read, _ = runner.inputs.encode(subject.raw, torch.device("cpu"))
        found = theirs.search(start(subject.forward(runner, read)()))
        return generator.tokenizer.decode(found[0][0].ids)

    answers: Runs = {
        "answer, live": lambda: model.run(subject.task, **subject.raw)["answer"],
        "answer, by hand": answer_by_hand,
        "answer, artifact": lambda: artifact.run(subject.task, **subject.raw)["answer"],
    }
    texts = {name: run() for name, run in answers.items()}
    assert len(set(texts.values())) == 1, f"the answers differ: {texts}"
    forward = subject.forward(runner, tensors)
    states = {"artifact": ours.encode(), "live": theirs.encode()}
    logits = [ours.step(states["artifact"]), theirs.step(states["live"])]
    torch.testing.assert_close(*logits, rtol=1e-3, atol=1e-3)
    return {
        "encode, live": theirs.encode,
        "encode, by hand": lambda: start(forward()),
        "encode, artifact": ours.encode,
        "step, live": lambda: [theirs.step(states["live"]) for _ in range(STEPS)],
        "step, artifact": lambda: [ours.step(states["artifact"]) for _ in range(STEPS)],
        **answers,
    }
