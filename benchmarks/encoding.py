"""How near encoding comes to what the machine can do: its float32 operations per second beside a matrix product's."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchmarks.by_hand import BASE, QUESTION, TINY
from benchmarks.measuring import Row, interleaved, on_threads, ratio
from composer.execution import INITIAL, load
from composer.execution.linear import linear

__all__ = ["measure"]

SIDE = 2048
"""Rows and columns of the matrices of the product."""
KINDS = {
    "linear maps": ("addmm", "mm", "bmm", "_linear_pointwise"),
    "attention": ("scaled_dot_product", "softmax"),
    "convolutions": ("convolution",),
    "norms": ("norm",),
    "copies and fills": ("copy_", "fill_", "zero_", "cat", "pad"),
}
"""A kind of work → what the names of its operators contain; the first that fits counts."""
REST = "element by element (activations, sums, temporal convolutions)"


def measure(*, quick: bool) -> list[Row]:
    """Random weights, batch 1, two threads, 8 frames and a question of 16 words."""
    torch.manual_seed(0)
    with on_threads(2):
        return _measure(quick=quick)


@torch.no_grad()
def _measure(*, quick: bool) -> list[Row]:
    model = load("mplug2-base", weights=INITIAL, settings=TINY if quick else BASE, tasks=["video-qa"])
    runner = model.runner("video-qa")
    program = runner.program.requires_grad_(requires_grad=False)  # counting looks for gradients otherwise
    size = int(model.report.document.parameters["image_size"])  # type: ignore[union-attr]
    clip = torch.randint(256, (24, size, size, 3), dtype=torch.uint8).numpy()
    tensors, _ = runner.inputs.encode({"video": clip, "question": QUESTION}, torch.device("cpu"))
    operations = _operations(lambda: program(tensors))

    side = 64 if quick else SIDE
    left, right = torch.randn(side, side), torch.randn(side, side)
    runs: dict[str, Callable[[], Any]] = {
        "encoding": lambda: program(tensors),
        "torch": lambda: _repeated(lambda: left @ right, operations / (2 * side**3)),
        "linear": lambda: _repeated(lambda: linear(left, right), operations / (2 * side**3)),
    }
    for run in runs.values():
        run()
    with torch.inference_mode():
        times = interleaved(runs, 1 if quick else 7, time.perf_counter)
    # The machine's own product is the faster of the two libraries that torch carries.
    product = min(("torch", "linear"), key=lambda name: statistics.median(times[name]))
    speed = {name: operations / statistics.median(values) / 1e9 for name, values in times.items()}
    beside = f"as many in products of {side} × {side} matrices"
    rows = [
        Row(f"video-qa, encoding: {operations / 1e9:,.0f} billion operations", speed["encoding"], "GFLOP/s", beside,
            speed[product], ratio(times, product, "encoding"), "" if quick else ">= 0.7"),
    ]  # fmt: skip
    shares = _shares(lambda: program(tensors))
    rows += [Row(f"of its time: {kind}", 100 * share, "%") for kind, share in shares.items()]
    return rows


def _repeated(product: Callable[[], Tensor], times: float) -> None:
    """Run a product so often that it does the operations of an encoding: caches, clock and neighbours are alike."""
    for _ in range(max(1, round(times))):
        product()


def _operations(run: Callable[[], Any]) -> int:
    """Floating-point operations of matrix products, convolutions and attention; other work counts as none."""
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    counter = FlopCounterMode(display=False, custom_mapping={attention: _of_attention})
    # oneDNN's own operator is not known to the counter; torch's, which does the same, is.
    with mock.patch("composer.execution.linear.onednn_is_faster", return_value=False), counter:
        run()
    return counter.get_total_flops()


def _of_attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Operations of the attention of processors, of the shapes of its tensors: torch counts that of GPUs alone."""
    return int(sdpa_flop_count(query, key, value))


def _shares(run: Callable[[], Any]) -> dict[str, float]:
    """Kind of work → its share of the time that operators took themselves, in one profiled run."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run()
    spent: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        if event.key.startswith(("aten::", "mkldnn::")):
            name = event.key.partition("::")[2]
            fits = (kind for kind, parts in KINDS.items() if any(_is_part(part, name) for part in parts))
            spent[next(fits, REST)] += event.self_cpu_time_total
    total = sum(spent.values())
    return {kind: spent[kind] / total for kind in (*KINDS, REST) if spent[kind]}


def _is_part(part: str, name: str) -> bool:
    """Whether an operator's name contains a part; a short part is the whole name."""
    return part == name if len(part) <= 3 else part in name
