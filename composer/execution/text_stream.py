"""Streams: the last text of a task piece by piece, after the texts that it depends on were generated whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from composer.plugin.implementations import BoundSearch
from composer.problems import InputError

__all__ = ["Flow", "TextStream", "last_search", "leading_to"]


@dataclass(frozen=True)
class Flow:
    """A step of a task by the places that it reads and fills: slots, or the names of values."""

    name: str
    reads: Collection[object]
    fills: Collection[object]


class TextStream(Iterator[str]):
    """The pieces of a text as it is generated. What comes before it runs when the first piece is asked for."""

    def __init__(self, pieces: Callable[[dict[str, str]], Iterator[str]]) -> None:
        self.earlier: dict[str, str] = {}
        """The texts that were generated before this one, by their nodes; there once the first piece is."""
        self._pieces = pieces(self.earlier)

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        """End the stream; it gives nothing more."""
        close: Callable[[], object] = getattr(self._pieces, "close", lambda: None)
        close()


def leading_to(flow: Sequence[Flow], name: str) -> list[str]:
    """The steps that a step depends on, in running order."""
    found: list[str] = []
    wanted: set[object] = set()
    for step in reversed(flow):
        if step.name == name:
            wanted.update(step.reads)
        elif not wanted.isdisjoint(step.fills):
            wanted.update(step.reads)
            found.append(step.name)
    return found[::-1]


def last_search(task: str, searches: Mapping[str, BoundSearch], flow: Sequence[Flow]) -> str:
    """The `generate` node whose text streams: the one that no other search depends on.

    Raises InputError where there is none, where there are several, and where its search cannot stream.
    """
    if not searches:
        raise InputError(f"task `{task}` generates no text, so there is nothing to stream")
    earlier = {name for last in searches for name in leading_to(flow, last)}
    last = [name for name in searches if name not in earlier]
    if len(last) > 1:
        raise InputError(f"task `{task}` generates several texts ({', '.join(last)}): use run")
    searches[last[0]].check_streams()
    return last[0]
