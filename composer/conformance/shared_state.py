"""What all of a process shares, and no part of a plugin may change: other modules would compute something else."""

from __future__ import annotations

import concurrent.futures.thread as pools
import os
import random
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

__all__ = ["CHANGED", "GIVE_BACK", "KEEPS_RUNNING", "LEFT", "SharedState"]


@dataclass(frozen=True)
class _Shared:
    read: Callable[[], Any]
    write: Callable[[Any], object]
    cure: str


def _numpy_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state(legacy=True)
    return name, np.asarray(keys).tobytes(), *rest


def _write_numpy_state(state: tuple[Any, ...]) -> None:
    name, keys, *rest = state
    np.random.set_state((name, np.frombuffer(keys, dtype=np.uint32), *rest))


def _write_streams(streams: Any) -> None:
    sys.stdin, sys.stdout, sys.stderr = streams


def _lasting() -> list[threading.Thread]:
    """Threads that the end of the program waits for; those of pools are ended by their pool."""
    pooled = getattr(pools, "_threads_queues", {})
    main = threading.main_thread()
    return [each for each in threading.enumerate() if not (each is main or each.daemon or each in pooled)]


OWN = "draw from a generator of your own, made of a seed"
KEEPS_RUNNING = "keeps every command from ending"
LEFT = f"{{}} leaves the thread `{{}}` running, which {KEEPS_RUNNING}: start it where it is needed, with daemon=True"
CHANGED = "{} changes {}, which the whole process shares: {}"
GIVE_BACK = "put it back, or say it in the call that needs it"
SHARED: Mapping[str, _Shared] = {
    "the random numbers of Python": _Shared(random.getstate, random.setstate, OWN),
    "the random numbers of NumPy": _Shared(_numpy_state, _write_numpy_state, OWN),
    "the seed of torch": _Shared(torch.initial_seed, torch.manual_seed, OWN),
    "torch's default number format": _Shared(torch.get_default_dtype, torch.set_default_dtype, GIVE_BACK),
    "whether torch notes gradients": _Shared(torch.is_grad_enabled, torch.set_grad_enabled, GIVE_BACK),
    "torch's number of threads": _Shared(torch.get_num_threads, torch.set_num_threads, GIVE_BACK),
    "the working directory": _Shared(os.getcwd, os.chdir, GIVE_BACK),
    "the standard streams": _Shared(lambda: (sys.stdin, sys.stdout, sys.stderr), _write_streams, GIVE_BACK),
}
ENDING_S = 1.0
"""A thread that is about to end may take so long."""


class SharedState:
    """What is shared, as it was when this was made."""

    def __init__(self) -> None:
        self._before = {name: each.read() for name, each in SHARED.items()}
        self._threads = _lasting()

    def restore(self) -> tuple[str, bool]:
        """Put back what has changed since; says what that was and how to leave it alone, and whether it was random
        numbers and nothing else.
        """
        changed = [name for name, each in SHARED.items() if each.read() != self._before[name]]
        for name in changed:
            SHARED[name].write(self._before[name])
        lasting = [each for each in _lasting() if each not in self._threads]
        for thread in lasting:
            thread.join(ENDING_S)
            if thread.is_alive():
                return LEFT.format("it", thread.name), False
        if not changed:
            return "", False
        told = CHANGED.format("it", ", ".join(changed), SHARED[changed[0]].cure)
        return told, all(SHARED[name].cure == OWN for name in changed)
