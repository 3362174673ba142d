"""What every benchmark needs: interleaved timing, rows with budgets, and a description of the machine."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["Row", "interleaved", "machine", "most_resident", "on_threads", "ratio", "resident"]


@dataclass(frozen=True)
class Row:
    """One measured line: a value, what it was measured beside, their ratio, and the budget of one of them.

    `budget` reads `<= 2` or `>= 6`; it holds the ratio where there is one, and the value otherwise. No budget: for
    information.
    """

    what: str
    value: float | None
    unit: str
    beside: str = ""
    beside_value: float | None = None
    ratio: float | None = None
    budget: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the budget is kept; None where there is none, or nothing was measured."""
        measured = self.value if self.ratio is None else self.ratio
        if not self.budget or measured is None:
            return None
        sign, limit = self.budget.split()[:2]
        return measured <= float(limit) if sign == "<=" else measured >= float(limit)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Have torch compute on so many threads inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def interleaved(
    runs: Mapping[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Seconds of every run, in rounds: what disturbs the machine disturbs all of them alike.

    The order turns round in every second round. The garbage collector rests while a run is timed, and looks at what the
    runs made alone. What uses one thread is measured in time on the processor, which other programs do not change;
    `time.perf_counter` is for the rest.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        order = list(runs)[:: 1 if number % 2 == 0 else -1]
        for name in order:
            gc.collect()
            gc.disable()
            begin = clock()
            runs[name]()
            times[name].append(clock() - begin)
            gc.enable()
    gc.unfreeze()
    return times


def ratio(times: Mapping[str, list[float]], name: str, beside: str) -> float:
    """The median over the rounds of one run's time over the other's."""
    return statistics.median(a / b for a, b in zip(times[name], times[beside], strict=True))


def resident() -> dict[str, int]:
    """Bytes of memory that this process holds now, and the part that is private: not mapped from a file (Linux).

    Garbage is collected and what was freed is given back to the system first: when either happens is chance.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return {"resident": _status("VmRSS"), "private": _status("RssAnon")}


def most_resident() -> int:
    """The most bytes of memory that this process has held (Linux).

    `resource.getrusage` does not do: a new process begins with the most that its parent had.
    """
    return _status("VmHWM")


def _status(key: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}
"""Flags of a processor, the best first, and what people call them."""


def machine() -> dict[str, Any]:
    """The machine and the versions, without anything that names it."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {
            name: _version(name)
            for name in ("torch", "pydantic", "networkx", "PyYAML", "haystack-ai", "sf-hamilton")
        },
    }


def _processor() -> str | None:
    """Its name, family, model and widest vectors: a host calls many alike. None where Linux does not say it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())
    }
    numbers = [
        f"{word} {found[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in found
    ]
    flags = found.get("flags", "").split()
    vectors = next((name for flag, name in VECTORS.items() if flag in flags), "")
    return ", ".join(part for part in (found.get("model name"), " ".join(numbers), vectors) if part) or None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
