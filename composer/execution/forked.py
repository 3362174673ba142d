"""Computing in a forked process: torch's threads stay in the parent, and a child that waits for them never ends."""

from __future__ import annotations

import os
from functools import cache

import torch

__all__ = ["one_thread_in_forks"]


@cache
def one_thread_in_forks() -> None:
    """From now on, processes that are forked from this one compute on one thread, as torch's loader of data does it.

    For those who compute here: until then no thread of torch has been started, and a child may start its own.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
