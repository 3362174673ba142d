"""What all of a process shares, and no part of a plugin may change: other modules would compute something else."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

__all__ = ["SharedState"]


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


OWN = "draw from a generator of your own, made of a seed"
GIVE_BACK = "put it back, or say it in the call that needs it"
SHARED: Mapping[str, _Shared] = {
    "the random numbers of Python": _Shared(random.getstate, random.setstate, OWN),
    "the random numbers of NumPy": _Shared(_numpy_state, _write_numpy_state, OWN),
    "the seed of torch": _Shared(torch.initial_seed, torch.manual_seed, OWN),
    "torch's default number format": _Shared(torch.get_default_dtype, torch.set_default_dtype, GIVE_BACK),
    "whether torch notes gradients": _Shared(torch.is_grad_enabled, torch.set_grad_enabled, GIVE_BACK),
    "torch's number of threads": _Shared(torch.get_num_threads, torch.set_num_threads, GIVE_BACK),
    "the working directory": _Shared(os.getcwd, os.chdir, GIVE_BACK),
}


class SharedState:
    """What is shared, as it was when this was made."""

    def __init__(self) -> None:
        self._before = {name: each.read() for name, each in SHARED.items()}

    def restore(self) -> str:
        """Put back what has changed since; says what that was, and how to leave it alone."""
        changed = [name for name, each in SHARED.items() if each.read() != self._before[name]]
        for name in changed:
            SHARED[name].write(self._before[name])
        if not changed:
            return ""
        return f"it changes {', '.join(changed)}, which the whole process shares: {SHARED[changed[0]].cure}"
