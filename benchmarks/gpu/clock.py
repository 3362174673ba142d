"""Seconds on a device, its peak memory, and its ceilings: a large matrix product and a copy."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["ceilings", "median_seconds", "peak_bytes", "reset_peak"]

LARGE, SMALL = 8192, 256
"""Rows and columns of the square matrices that are multiplied; twice their bytes squared are copied."""


def median_seconds(run: Callable[[], Any], device: torch.device, rounds: int) -> float:
    """The median over the rounds, after two rounds that do not count; CUDA events on a GPU."""
    for _ in range(2):
        run()
    return statistics.median(_seconds(run, device) for _ in range(rounds))


def _seconds(run: Callable[[], Any], device: torch.device) -> float:
    if device.type != "cuda":
        began = time.perf_counter()
        run()
        return time.perf_counter() - began
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    first.record()
    run()
    last.record()
    torch.cuda.synchronize(device)
    return first.elapsed_time(last) / 1000


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int | None:
    """The most memory that tensors took since the last reset; None on a CPU, where torch does not count it."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def ceilings(device: torch.device, precisions: dict[str, torch.dtype], *, tiny: bool) -> dict[str, Any]:
    """FLOP/s of a matrix product per precision, and bytes/s of a copy, read and written bytes counted."""
    size, rounds = (SMALL, 3) if tiny else (LARGE, 10)
    flops = {}
    for name, dtype in precisions.items():
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        flops[name] = 2 * size**3 / median_seconds(lambda a=left, b=right: a @ b, device, rounds)  # type: ignore[misc]
    source = torch.zeros(8 * size * size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied = 2 * source.numel() / median_seconds(lambda: target.copy_(source), device, rounds)
    return {"flops_per_s": flops, "copy_bytes_per_s": copied}
