"""The flows that a search has still to look at: those of the least effort, and in turn those of each set of modules."""

from __future__ import annotations

import bisect
import heapq
from collections import deque
from dataclasses import dataclass, field

from composer.views.proposing.flows import CallFlow

__all__ = ["BestAlike", "FlowQueue"]

MOST_SETS = 256
"""Sets of modules that have turns: where there are more, most of them lead nowhere."""
Entry = tuple[tuple[float, ...], int, CallFlow]


@dataclass
class BestAlike:
    """Keeps the best flows among those that are alike: of the same modules, with open streams of the same types from
    the same inputs. What follows is the same for all of them.
    """

    most: int
    _ranks: dict[object, list[tuple[object, ...]]] = field(default_factory=dict)

    def keeps(self, flow: CallFlow) -> bool:
        """Whether the flow is one of the best so far."""
        streams = frozenset((s.type.kind, s.type.role, s.roots) for s in flow.streams)
        ranks = self._ranks.setdefault((frozenset(flow.modules), streams), [])
        bisect.insort(ranks, flow.rank)
        del ranks[self.most :]
        return flow.rank <= ranks[-1]


@dataclass
class FlowQueue:
    """Two orders over the same flows. What one of them has given, the other leaves out."""

    _all: list[Entry] = field(default_factory=list)
    _sets: dict[frozenset[str], list[Entry]] = field(default_factory=dict)
    _turns: deque[frozenset[str]] = field(default_factory=deque)
    _taken: set[int] = field(default_factory=set)
    _put: int = 0
    _by_set: bool = False

    def put(self, flow: CallFlow, effort: tuple[float, float]) -> None:
        """Keep a flow; of equal effort those that came first are given first."""
        self._put += 1
        entry = (effort, self._put, flow)
        modules = frozenset(flow.modules)
        if modules not in self._sets:
            self._sets[modules] = []
            self._turns.append(modules)
        heapq.heappush(self._all, entry)
        heapq.heappush(self._sets[modules], (self._rank(flow, effort[1]), self._put, flow))

    @staticmethod
    def _rank(flow: CallFlow, left: float) -> tuple[float, ...]:
        total, _, joined, _ = flow.rank
        return round(total + left, 6), left, joined

    def take(self) -> CallFlow | None:
        """The next flow; None where all have been given."""
        self._by_set = not self._by_set and len(self._sets) <= MOST_SETS
        return self._next_of_a_set() if self._by_set else self._first(self._all)

    def _next_of_a_set(self) -> CallFlow | None:
        while self._turns:
            modules = self._turns.popleft()
            flow = self._first(self._sets[modules])
            if flow is not None:
                self._turns.append(modules)
                return flow
            del self._sets[modules]
        return None

    def _first(self, entries: list[Entry]) -> CallFlow | None:
        while entries:
            _, number, flow = heapq.heappop(entries)
            if number not in self._taken:
                self._taken.add(number)
                return flow
        return None
