"""A whole video-qa answer: encoding beside a forward by hand, the cached beam beside a beam over full prefixes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch

from benchmarks.by_hand import BASE, QUESTION, TINY, video_qa
from benchmarks.measuring import Row, interleaved, on_threads, ratio
from benchmarks.prefixes import ids_of, prefix_beam
from composer.execution import INITIAL, load

__all__ = ["measure"]


def measure(*, quick: bool) -> list[Row]:
    """Random weights, batch 1, two threads. Both beams must give the same ids."""
    torch.manual_seed(0)
    with on_threads(2):
        return _measure(quick=quick)


def _never() -> bool:
    return False


def _plain(run: Callable[[], Any]) -> Callable[[], Any]:
    """The run with linear maps as torch has them, whatever `composer.load` chose for this processor."""

    def plain() -> Any:
        with mock.patch("composer.execution.linear.onednn_is_faster", _never):
            return run()

    return plain


@torch.inference_mode()
def _measure(*, quick: bool) -> list[Row]:
    rounds = 1 if quick else 5
    model = load("mplug2-base", weights=INITIAL, settings=TINY if quick else BASE, tasks=["video-qa"])
    runner = model.runner("video-qa")
    size = int(model.report.document.parameters["image_size"])  # type: ignore[union-attr]
    clip = torch.randint(256, (24, size, size, 3), dtype=torch.uint8).numpy()
    tensors, _ = runner.inputs.encode({"video": clip, "question": QUESTION}, torch.device("cpu"))
    generator = next(iter(runner.generators.values()))
    slots = runner.program(tensors)
    forward = video_qa(runner, tensors)
    memory = slots[runner.plan.slot(("memory/memory", "states"))]
    torch.testing.assert_close(forward().values, memory.values)
    prefixes = prefix_beam(generator, memory)
    found = {"cached": generator.run(slots), "prefixes": prefixes()}
    assert ids_of(found["cached"]) == ids_of(found["prefixes"]), "the two searches differ"
    runs: dict[str, Callable[[], Any]] = {
        "encode": lambda: runner.program(tensors),
        "by hand": forward,
        "plain by hand": _plain(forward),
        "cached": lambda: generator.run(slots),
        "prefixes": prefixes,
        "plain prefixes": _plain(prefixes),
    }
    times = interleaved(runs, rounds, time.perf_counter)
    for name, parts in {
        "answer": ("encode", "cached"),
        "slow answer": ("by hand", "prefixes"),
        "plain slow answer": ("plain by hand", "plain prefixes"),
    }.items():
        times[name] = [a + b for a, b in zip(times[parts[0]], times[parts[1]], strict=True)]
    middle = {name: statistics.median(values) for name, values in times.items()}
    return [
        Row("video-qa, encoding", middle["encode"], "s", "a forward by hand, same modules", middle["by hand"],
            ratio(times, "encode", "by hand"), "<= 1.02"),
        Row("video-qa, encoding", middle["encode"], "s", "the same as torch runs it (see composer/execution/linear.py)",
            middle["plain by hand"], ratio(times, "encode", "plain by hand"), ""),
        Row("video-qa, beam search with cache", middle["cached"], "s", "beam over full prefixes, same ids",
            middle["prefixes"], ratio(times, "prefixes", "cached"), ">= 6", "times faster"),
        Row("video-qa, whole answer", middle["answer"], "s", "by hand with a beam over full prefixes, same modules as "
            "torch runs them", middle["plain slow answer"], ratio(times, "plain slow answer", "answer"),
            "" if quick else ">= 6", "times faster"),
        Row("video-qa, whole answer", middle["answer"], "s", "the same with the linear maps of `composer.load`",
            middle["slow answer"], ratio(times, "slow answer", "answer"), "", "times faster"),
    ]  # fmt: skip
