"""Latency of an artifact beside the live program and beside the same modules called by hand, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import torch

from benchmarks.measuring import Row, interleaved, ratio
from benchmarks.subjects import Subject
from composer.runtime import load

__all__ = ["latency"]

Runs = dict[str, Callable[[], Any]]
STEPS = 5
"""Decode steps that are timed together: one of a small model is over before the clock is sure of it."""


def latency(subject: Subject, path: Path, weights: str | None, *, quick: bool) -> list[Row]:
    """Encoding (with the decoder's keys and values of the memory), one decode step, and a whole answer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.inference_mode(), composer_compile.load(path) as artifact:
            return _latency(subject, artifact, weights, quick=quick)
    finally:
        torch.set_num_threads(threads)


def _latency(subject: Subject, artifact: Any, weights: str | None, *, quick: bool) -> list[Row]:
    given = {"weights": weights, "settings": dict(subject.settings), "tasks": [subject.task]}
    model = load(subject.document, **given)  # type: ignore[arg-type]
    runs = _runs(subject, model, artifact)
    for run in runs.values():
        run()
    times = interleaved(runs, 2 if quick else 7, time.perf_counter)
    for name in ("step, artifact", "step, live"):
        times[name] = [seconds / STEPS for seconds in times[name]]
    middle = {name: statistics.median(values) for name, values in times.items()}
    beside = {
        "live": "the live program",
        "by hand": "the same modules by hand",
    }
    rows = []
    for part, title in (("encode", "encoding"), ("step", "a decode step"), ("answer", "a whole answer")):
        for other, text in beside.items():
            if f"{part}, {other}" in runs:
                rows.append(
                    Row(
                        f"{subject.document}:{subject.task}, {title} by the artifact",
                        middle[f"{part}, artifact"],
                        "s",
                        "the live program, which calls the module as by hand" if part == "step" else text,
                        middle[f"{part}, {other}"],
                        ratio(times, f"{part}, artifact", f"{part}, {other}"),
                    )
                )
    return rows


def _runs(subject: Subject, model: Any, artifact: Any) -> Runs:
    """What is timed. Ids and texts of all three must be the same."""
    runner = model.runner(subject.task)
    (generator,) = runner.generators.values()
    tensors, _ = runner.inputs.encode(subject.raw, torch.device("cpu"))
    forward = subject.forward(runner, tensors)
    options = generator.options

    def encode() -> Any:
        return generator.start(runner.program(tensors))

    def encode_by_hand() -> Any:
        return generator.decoder.start(memory=forward(), beams=options.beams, max_tokens=options.max_tokens)

    def answer_by_hand() -> Any:
        read, _ = runner.inputs.encode(subject.raw, torch.device("cpu"))
        memory = subject.forward(runner, read)()
        cache = generator.decoder.start(memory=memory, beams=options.beams, max_tokens=options.max_tokens)
        found = generator.policy.search(generator.decoder.step, cache, 1)
        return generator.tokenizer.decode(found[0][0].ids)

    runs: Runs = {
        "encode, live": encode,
        "encode, by hand": encode_by_hand,
        "answer, live": lambda: model.run(subject.task, **subject.raw)["answer"],
        "answer, by hand": answer_by_hand,
        "answer, artifact": lambda: artifact.run(subject.task, **subject.raw)["answer"],
    }
    texts = {name: run() for name, run in runs.items() if name.startswith("answer")}
    assert len(set(texts.values())) == 1, f"the answers differ: {texts}"
    task = artifact.task(subject.task)
    named, sizes, _ = task.requests.read(subject.raw)
    first, search = task.order[:2]
    runs["encode, artifact"] = lambda: first.run([named[name] for name in first.inputs], sizes)
    cache = search.decoder.start(dict(zip(first.outputs, runs["encode, artifact"](), strict=True)), 1)
    runs["step, live"] = _steps(generator.decoder.step, encode()[0], generator)
    runs["step, artifact"] = _steps(search.decoder.step, cache, generator)
    ours, theirs = runs["step, artifact"](), runs["step, live"]()
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    return runs


def _steps(step: Callable[..., Any], cache: Any, generator: Any) -> Callable[[], Any]:
    """The first decode step, again and again: nothing that it is given changes."""
    beams = generator.options.beams
    ids = torch.full((1, beams), generator.tokens["start"])
    parents = torch.arange(beams).unsqueeze(0)
    given = cache.reorder(parents) if beams > 1 else cache

    def run() -> Any:
        for _ in range(STEPS):
            logits, _ = step(ids, given)
        return logits

    return run
