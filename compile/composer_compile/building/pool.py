"""Several processes that build, side by side: jobs are done in the order in which they come, as processes are free."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from composer_compile.building.process import BuilderProcess, Job

__all__ = ["BuilderPool", "jobs_here"]

MEMORY_OF_A_JOB = 4 << 30
"""Bytes that a build takes: torch, a library's builder, and a compiler or two."""
CORES_OF_A_JOB = 2
"""A build has threads or compilers of its own."""
TOGETHER = 2
"""Builds that gain by going on at once even on so many cores: in the most of its time a build has one thread."""
MOST_JOBS = 6


def jobs_here(asked: int | None) -> int:
    """How many builds run at once: what was asked for, or what cores and free memory are enough for."""
    if asked is not None:
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    by_cores = max(min(cores, TOGETHER), cores // CORES_OF_A_JOB)
    return max(1, min(MOST_JOBS, by_cores, _free_memory() // MEMORY_OF_A_JOB))


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not every system says
        return MEMORY_OF_A_JOB


class BuilderPool:
    """Up to `most` processes, each started when a job needs it."""

    def __init__(self, most: int, environment: Mapping[str, str] | None = None) -> None:
        self._processes = [BuilderProcess(environment) for _ in range(most)]
        self._free: SimpleQueue[BuilderProcess] = SimpleQueue()
        for process in self._processes:
            self._free.put(process)
        self._threads = ThreadPoolExecutor(most, "build")

    def start(self) -> None:
        """Start a process, so that it is ready when something is to be built."""
        self._processes[0].start()

    def submit(self, job: Job) -> Callable[[], None]:
        """Have a job done; the function waits for its end, and raises as `BuilderProcess.do`."""
        return self._threads.submit(self._do, job).result

    def close(self) -> None:
        """End all processes at once, and begin no other job."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.close()

    def _do(self, job: Job) -> None:
        process = self._free.get()
        try:
            process.do(job)
        finally:
            self._free.put(process)
