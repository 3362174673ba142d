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
    """The state after a token, by the state before it and the id: `table[state][id]`, for ids below `size`.

    The last state is that of texts that hold a stop string, and the one before it that of texts without a token.
    """
    states = ["", *sorted({stop[:end] for stop in stops for end in range(1, len(stop))})]
    numbers = {state: number for number, state in enumerate(states)}
    begin, over = len(states), len(states) + 1
    letters = set("".join(stops))
    known: dict[tuple[str, str], int] = {}

    def after(state: str, piece: str) -> int:
        for letter in piece:
            state += letter
            if any(state.endswith(stop) for stop in stops):
                return over
            while state not in numbers:
                state = state[1:]
        return numbers[state]

    def row(state: str, own: int, pieces: Sequence[str]) -> list[int]:
        found = []
        for piece in pieces:
            if piece and letters.isdisjoint(piece):
                found.append(0)
                continue
            if (state, piece) not in known:
                known[state, piece] = after(state, piece)
            found.append(known[state, piece] if piece else own)
        return found

    alone = [tokenizer.decode([id]) for id in range(size)]
    pieces = _pieces(tokenizer, alone)
    rows = [row(state, number, pieces) for state, number in numbers.items()]
    return [*rows, row("", begin, alone), [over] * size]


def _pieces(tokenizer: _Reader, alone: Sequence[str]) -> list[str]:
    """What each id adds to a text that has begun, such as a space before a word; `alone` are the texts of each."""
    words = (id for id, text in enumerate(alone) if text.strip().isalnum())
    anchor = next(words, 0)
    begun = alone[anchor]
    found = []
    for id, own in enumerate(alone):
        text = tokenizer.decode([anchor, id])
        found.append(text[len(begun) :] if text.startswith(begun) else own)
    return found
