"""The one walk over what a task runs: each step reads its sources, something runs it, its results go into their slots.

Who walks says what runs a step: a module on tensors, a compiled program, a meter on tensors without data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

__all__ = [
    "Call",
    "Sources",
    "Walked",
    "Watch",
    "current_watch",
    "execute",
    "pieces_inside",
    "places_of",
    "read_sources",
    "result_of",
    "watched",
    "watching",
]

Piece = TypeVar("Piece")


Sources = tuple[tuple[str, Any], ...]
"""Input ports, each with the place of its value, or a tuple of places for a port that takes a list."""


class Walked(Protocol):
    """A step of a plan, or a part of an artifact; it alone knows where its values lie."""

    @property
    def name(self) -> str:
        """The node, or the program of several."""

    @property
    def callee(self) -> str:
        """What it calls, for people."""

    @property
    def reads(self) -> Sources:
        """What it takes, by name."""

    @property
    def only(self) -> Any:
        """Where its one result goes; None where it has several."""

    def write(self, values: Any, result: Any, /) -> None:
        """Keep its several results."""


Call = tuple[Walked, Callable[..., Any]]
"""A step with the function that runs it: it takes what the step reads, by name."""

Watch = Callable[[Walked], AbstractContextManager[object]]
"""Called for every step; the step runs inside of what it gives."""


def execute(calls: Iterable[Call], values: Any, watch: Watch | None = None) -> None:
    """Run steps in this order on values, in place: slots by number, or values by name.

    A step whose function raises has written nothing.
    """
    if watch is not None:
        for call in calls:
            with watch(call[0]):
                execute([call], values)
        return
    for step, function in calls:
        result = function(**read_sources(step.reads, values))
        only = step.only
        if only is None:
            step.write(values, result)
        else:
            values[only] = result


def read_sources(sources: Sources, values: Any) -> dict[str, Any]:
    """The values of sources by input port: the value of one, or a tuple of those of several for a list."""
    found = {}  # a loop, as it is run for every node: a comprehension costs a frame more
    for port, source in sources:
        found[port] = tuple([values[each] for each in source]) if type(source) is tuple else values[source]
    return found


def places_of(sources: Sources) -> tuple[Any, ...]:
    """Every place that is read, in the order of the ports."""
    return tuple(place for _, source in sources for place in (source if type(source) is tuple else (source,)))


def result_of(ports: Mapping[str, Any]) -> Any:
    """Values by output port as the call of a step gives them: the value alone where there is one port."""
    return ports if len(ports) != 1 else next(iter(ports.values()))


_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)


def current_watch() -> Watch | None:
    """What watches the tasks that run here."""
    return _WATCH.get()


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Have every step that runs inside the block, in this thread, run inside of `watch(step)`."""
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


def watched(step: Walked) -> AbstractContextManager[object]:
    """What watches a step that runs outside of `execute`, such as a search that gives piece by piece."""
    watch = _WATCH.get()
    return nullcontext() if watch is None else watch(step)


def pieces_inside(
    pieces: Iterator[Piece], inside: Callable[[], AbstractContextManager[object]]
) -> Iterator[Piece]:
    """The pieces, each made inside what `inside` gives; what the caller does between two of them is outside of it."""
    done = object()
    while True:
        with inside():
            piece: Any = next(pieces, done)
        if piece is done:
            return
        yield piece
