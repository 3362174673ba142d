"""Stop strings as a table: how much of one is written, token by token, wherever the boundaries of tokens are.

A state is the longest beginning of a stop string that a text ends with; the last state is that of texts that hold a
whole one. The text that is shown is cut by `before_stop`, whatever the table says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["before_stop", "begun_stop", "stop_table"]


class _Reader(Protocol):
    """What makes text of ids."""

    def decode(self, ids: Sequence[int], /) -> str: ...


def before_stop(text: str, stops: Sequence[str]) -> str:
    """A text up to the first stop string that it holds."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


def begun_stop(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of a text a stop string may begin with."""
    return max(
        (
            size
            for stop in stops
            for size in range(1, min(len(stop), len(text) + 1))
            if text.endswith(stop[:size])
        ),
        default=0,
    )


def stop_table(tokenizer: _Reader, size: int, stops: Sequence[str]) -> list[list[int]]:
    """The state after a token, by the state before it and the id: `table[state][id]`, for ids below `size`."""
    states = ["", *sorted({stop[:end] for stop in stops for end in range(1, len(stop))})]
    numbers = {state: number for number, state in enumerate(states)}
    over = len(states)
    letters = set("".join(stops))

    def after(state: str, piece: str) -> int:
        for letter in piece:
            state += letter
            if any(state.endswith(stop) for stop in stops):
                return over
            while state not in numbers:
                state = state[1:]
        return numbers[state]

    pieces = _pieces(tokenizer, size)
    known: dict[tuple[str, str], int] = {}
    table = []
    for number, state in enumerate(states):
        row = []
        for piece in pieces:
            if not piece:
                row.append(number)
            elif letters.isdisjoint(piece):
                row.append(0)
            else:
                key = (state, piece)
                if key not in known:
                    known[key] = after(state, piece)
                row.append(known[key])
        table.append(row)
    return [*table, [over] * size]


def _pieces(tokenizer: _Reader, size: int) -> list[str]:
    """What each id adds to a text that has begun, such as a space before a word."""
    anchor = next(
        (id for id in range(size) if tokenizer.decode([id, id]).strip().isalnum()),
        next((id for id in range(size) if tokenizer.decode([id]).strip().isalnum()), 0),
    )
    begun = tokenizer.decode([anchor])
    found = []
    for id in range(size):
        text = tokenizer.decode([anchor, id])
        found.append(text[len(begun) :] if text.startswith(begun) else tokenizer.decode([id]))
    return found
