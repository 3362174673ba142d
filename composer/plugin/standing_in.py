"""Whether the rows that a module is given count, or only keep its process in step with the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["rows_count", "standing_in"]

_COUNT = ContextVar("rows_count", default=True)


def rows_count() -> bool:
    """Whether the rows count. They do not in a process of training that has none of a batch: it computes on one that
    another process has, because all must compute, and a module keeps nothing of it.
    """
    return _COUNT.get()


@contextmanager
def standing_in() -> Iterator[None]:
    """Inside, rows do not count."""
    before = _COUNT.set(False)
    try:
        yield
    finally:
        _COUNT.reset(before)
