"""Regular expressions whose time grows with the length of the text alone, whatever pattern and text are.

A text that a model wrote is anyone's text, and Python's engine can take exponential time for a pattern such as
`(a|a)*b`. This one follows all ways through the pattern side by side, in their order (Pike's machine): each instruction
is looked at once for each character. It finds what Python's engine finds; of a group inside a repeat of what may be
empty it keeps the last time that was not.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Pattern"]

MOST_STEPS = 500
"""Instructions of a pattern; counted repeats are written out."""
UNBOUNDED = -1
_QUANTIFIER = re.compile(r"\{(\d*)(,?)(\d*)\}", re.ASCII)
_ESCAPES = re.compile(
    r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[dDwWsSnrtfva]|[^A-Za-z0-9])", re.S
)
_ASSERTIONS = {"^": "start", "$": "last", r"\A": "start", r"\Z": "end", r"\b": "edge", r"\B": "inside"}
_WORD = re.compile(r"\w")


class _Step(NamedTuple):
    """An instruction: `read` a character, go to `first` and else to `second`, `save` a place, hold an `assert`."""

    what: str
    first: int = 0
    second: int = 0
    text: str = ""


Saved = tuple[int, ...]
"""Where each group begins and ends, -1 where it took no part."""


class Pattern:
    """A pattern, ready to be looked for. Raises ValueError for one that is none, too large, or takes what has no bound.

    `groups` are the names of its groups in order.
    """

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        flags = re.IGNORECASE if ignore_case else 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                re.compile(pattern, flags)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{pattern!r:.80} is not a regular expression: {error}") from None
        reader = _Reader(pattern)
        reader.alternatives()
        reader.steps.append(_Step("match"))
        self.groups = tuple(reader.groups)
        self._steps = reader.steps
        self._flags = flags
        self._known: dict[str, re.Pattern[str]] = {}

    def find(self, text: str) -> dict[str, str | None] | None:
        """The groups of the first place that fits; None where none does. A group that takes no part is None."""
        places: Saved = (-1,) * (2 * len(self.groups))
        found: Saved | None = None
        now: list[tuple[int, Saved]] = []
        for position in range(len(text) + 1):
            if found is None:
                now = self._reached([*now, (0, places)], text, position)
            character = text[position : position + 1]
            following: list[tuple[int, Saved]] = []
            for step, saved in now:
                instruction = self._steps[step]
                if instruction.what == "match":
                    found = saved
                    break  # what comes later is worth less
                if character and self._reads(instruction.text, character):
                    following.append((step + 1, saved))
            if found is not None and not following:
                break
            now = following if found is None else self._reached(following, text, position + 1)
        return None if found is None else self._named(text, found)

    def _reached(self, starts: list[tuple[int, Saved]], text: str, position: int) -> list[tuple[int, Saved]]:
        """The instructions that read or match, reached from these at a position, each once, the best way first."""
        reached: list[tuple[int, Saved]] = []
        seen: set[int] = set()
        waiting = list(reversed(starts))
        while waiting:
            step, saved = waiting.pop()
            if step in seen:
                continue
            seen.add(step)
            what, first, second, name = self._steps[step]
            if what == "split":
                waiting += [(second, saved), (first, saved)]
            elif what == "save":
                waiting.append((step + 1, (*saved[:first], position, *saved[first + 1 :])))
            elif what == "jump":
                waiting.append((first, saved))
            elif what == "assert":
                if _holds(name, text, position):
                    waiting.append((step + 1, saved))
            else:
                reached.append((step, saved))
        return reached

    def _reads(self, atom: str, character: str) -> bool:
        """Whether an atom, such as `[a-z]`, reads a character: as Python's engine says of it alone."""
        known = self._known.get(atom)
        if known is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                known = self._known[atom] = re.compile(atom, self._flags)
        return known.fullmatch(character) is not None

    def _named(self, text: str, saved: Saved) -> dict[str, str | None]:
        return {
            name: None if saved[2 * i + 1] < 0 else text[saved[2 * i] : saved[2 * i + 1]]
            for i, name in enumerate(self.groups)
        }


def _holds(name: str, text: str, position: int) -> bool:
    """Whether an assertion is true between two characters."""
    if name == "start":
        return position == 0
    if name == "end":
        return position == len(text)
    if name == "last":
        return position == len(text) or (position == len(text) - 1 and text[position] == "\n")
    sides = [_WORD.match(text[i : i + 1]) is not None for i in (position - 1, position) if i >= 0]
    at_edge = sides[-1] if position == 0 else sides[0] != sides[1]
    return at_edge if name == "edge" else bool(text) and not at_edge


@dataclass
class _Reader:
    """Reads a pattern that Python's engine takes, and writes its instructions."""

    pattern: str
    place: int = 0
    steps: list[_Step] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def alternatives(self) -> None:
        """One way or another, up to the end of the group."""
        begin, jumps = len(self.steps), list[int]()
        self._sequence()
        while self._next("|"):
            self._insert(begin, _Step("split", begin + 1, 0))
            jumps.append(len(self.steps))
            self._append(_Step("jump"))
            self.steps[begin] = _Step("split", begin + 1, len(self.steps))
            begin = len(self.steps)
            self._sequence()
        for jump in jumps:
            self.steps[jump] = _Step("jump", len(self.steps))

    def _sequence(self) -> None:
        while self.place < len(self.pattern) and self.pattern[self.place] not in "|)":
            begin, count = len(self.steps), len(self.groups)
            self._atom()
            self._repeats(begin, count)

    def _atom(self) -> None:
        pattern, place = self.pattern, self.place
        if pattern.startswith("(", place):
            self._group()
            return
        two = pattern[place : place + 2]
        name = _ASSERTIONS.get(two if two.startswith("\\") else two[:1])
        if name is not None:
            self.place += 2 if two.startswith("\\") else 1
            self._append(_Step("assert", text=name))
            return
        if two.startswith("\\"):
            match = _ESCAPES.match(pattern, place)
            if match is None:
                raise ValueError(f"`{two}` is not taken: the time that it takes has no bound")
            text = match[0]
        elif two.startswith("["):
            text = pattern[place : self._end_of_class()]
        else:
            text = two[:1] if two[:1] == "." else re.escape(two[:1])
        self.place += len(text) if two[:1] in "\\[" else 1
        self._append(_Step("read", text=text))

    def _group(self) -> None:
        opened = re.compile(r"\((?:\?P<(\w+)>|\?:|(?!\?))").match(self.pattern, self.place)
        if opened is None:
            part = self.pattern[self.place : self.place + 4]
            cure = "set `ignore_case`" if part.startswith("(?i") else "the time that it takes has no bound"
            raise ValueError(f"`{part}` is not taken: {cure}")
        self.place = opened.end()
        number = len(self.groups)
        if opened[1]:
            self.groups.append(opened[1])
            self._append(_Step("save", 2 * number))
        self.alternatives()
        self.place += 1  # the bracket that closes it
        if opened[1]:
            self._append(_Step("save", 2 * number + 1))

    def _end_of_class(self) -> int:
        place = self.place + (2 if self.pattern.startswith("[^", self.place) else 1)
        if self.pattern.startswith("]", place):
            place += 1
        while self.pattern[place] != "]":
            place += 2 if self.pattern[place] == "\\" else 1
        return place + 1

    def _repeats(self, begin: int, count: int) -> None:
        """What stands behind an atom and says how often it comes."""
        low, high, place = self._bounds()
        if place == self.place:
            return
        self.place = place
        if self._next("+"):
            raise ValueError("a repeat that gives nothing back, such as `a*+`, is not taken")
        lazy = self._next("?")
        body = self.steps[begin:]
        del self.steps[begin:]
        copies = max(low, high, 1)
        if copies * len(body) > MOST_STEPS:
            raise ValueError(f"the pattern is too large: written out it has more than {MOST_STEPS} steps")
        if high == UNBOUNDED:
            self._loop(body, begin, low, lazy)
            return
        for _ in range(low):
            self._copy(body, begin)
        splits = []
        for _ in range(high - low):
            splits.append(len(self.steps))
            self._append(_Step("split"))
            self._copy(body, begin)
        for split in splits:
            self._split(split, len(self.steps), lazy)

    def _loop(self, body: list[_Step], begin: int, low: int, lazy: bool) -> None:
        """An atom that comes any number of times: what decides stands behind it, so that an empty one counts, too."""
        enter = len(self.steps)
        if not low:
            self._append(_Step("split"))
        for _ in range(low - 1):
            self._copy(body, begin)
        again = len(self.steps)
        self._copy(body, begin)
        after = len(self.steps) + 1
        self._append(_Step("split", after, again) if lazy else _Step("split", again, after))
        if not low:
            self._split(enter, after, lazy)

    def _bounds(self) -> tuple[int, int, int]:
        """How often the atom comes at least and at most, and the place behind what says so."""
        mark = self.pattern[self.place : self.place + 1]
        simple = {"*": (0, UNBOUNDED), "+": (1, UNBOUNDED), "?": (0, 1)}
        if mark in simple and mark:
            return *simple[mark], self.place + 1
        match = _QUANTIFIER.match(self.pattern, self.place)
        if match is None or not (match[1] or match[3] or match[2]) or (not match[2] and not match[1]):
            return 1, 1, self.place
        low = int(match[1] or 0)
        high = low if not match[2] else int(match[3]) if match[3] else UNBOUNDED
        return low, high, match.end()

    def _split(self, at: int, after: int, lazy: bool) -> None:
        self.steps[at] = _Step("split", after, at + 1) if lazy else _Step("split", at + 1, after)

    def _copy(self, body: list[_Step], begin: int) -> None:
        """The instructions of an atom once more, with their targets where they now are."""
        moved = len(self.steps) - begin
        for step in body:
            goes = step.what in ("split", "jump")
            self._append(
                step._replace(first=step.first + moved, second=step.second + moved) if goes else step
            )

    def _insert(self, at: int, step: _Step) -> None:
        """Put an instruction before others, whose targets move along."""
        moved = [
            each._replace(first=each.first + 1, second=each.second + 1)
            if each.what in ("split", "jump")
            else each
            for each in self.steps[at:]
        ]
        self.steps[at:] = [step, *moved]

    def _append(self, step: _Step) -> None:
        if len(self.steps) >= MOST_STEPS:
            raise ValueError(f"the pattern is too large: written out it has more than {MOST_STEPS} steps")
        self.steps.append(step)

    def _next(self, mark: str) -> bool:
        found = self.pattern.startswith(mark, self.place)
        self.place += found
        return found
