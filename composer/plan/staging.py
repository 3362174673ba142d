"""Cutting the steps of a task into stages: as few as its edges allow, and the same ones for the same task.

Tensor programs, searches, and nodes on the host that something waits for, alternate as often as the graph needs. What
no tensor program and no search waits for, such as a parser of the answer, cuts nothing: it goes with a program's stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["StageKind", "cut_stages"]

StageKind = Literal["encode", "decode", "host", "finish"]
"""What a stage is; code asks for this and never for its name, of which there are as many as searches."""


Cut = tuple[StageKind, list[str]]
"""A stage with the names of its steps."""


def cut_stages(
    names: Sequence[str],
    before: Mapping[str, Sequence[str]],
    *,
    searches: Iterable[str],
    on_host: Iterable[str],
) -> list[Cut]:
    """The stages of steps, which are named in running order; `before` names the steps that each one reads.

    A tensor step runs in the first program that it can run in. What depends on a search and no search depends on runs
    in the last one, so that texts come early.
    """
    return _Cutting(names, before, frozenset(searches), frozenset(on_host)).run()


@dataclass
class _Cutting:
    names: Sequence[str]
    before: Mapping[str, Sequence[str]]
    searches: frozenset[str]
    on_host: frozenset[str]
    after: dict[str, list[str]] = field(default_factory=dict)
    rank: dict[str, int] = field(default_factory=dict)
    """Of a step of a program, which program it is in; of the others, how many programs are before it."""

    def run(self) -> list[Cut]:
        names = self.names
        self.after = {name: [] for name in names}
        for name in names:
            for maker in self.before[name]:
                self.after[maker].append(name)
        waited = self._backwards(lambda name: name in self.searches or name not in self.on_host)
        self.sought = self._backwards(self.searches.__contains__)
        self.follows = self._forwards(self.searches.__contains__)
        # What nothing but other nodes on the host waits for goes with a program, as if it were a part of it.
        self.apart = {n for n in names if n in self.searches or (n in self.on_host and n in waited)}
        self._rank_early()
        self._rank_late()
        return self._emitted()

    def _forwards(self, starts: Callable[[str], bool]) -> set[str]:
        """The steps that depend on such a one."""
        found: set[str] = set()
        for name in self.names:
            if any(maker in found or starts(maker) for maker in self.before[name]):
                found.add(name)
        return found

    def _backwards(self, ends: Callable[[str], bool]) -> set[str]:
        """The steps that such a one depends on."""
        found: set[str] = set()
        for name in reversed(self.names):
            if any(reader in found or ends(reader) for reader in self.after[name]):
                found.add(name)
        return found

    def _rank_early(self) -> None:
        for name in self.names:
            least = (
                self.rank[maker] + (name in self.apart and maker not in self.apart)
                for maker in self.before[name]
            )
            self.rank[name] = max(least, default=0)

    def _rank_late(self) -> None:
        last = max((self.rank[name] for name in self.names if name not in self.apart), default=0)
        for name in reversed(self.names):
            if name in self.sought or name in self.searches or name not in self.follows:
                continue
            most = (
                self.rank[reader] - (name not in self.apart and reader in self.apart)
                for reader in self.after[name]
            )
            self.rank[name] = min(most, default=last + (name in self.apart))

    def _emitted(self) -> list[Cut]:
        programs: dict[int, list[str]] = {}
        for name in self.names:
            if name not in self.apart:
                programs.setdefault(self.rank[name], []).append(name)
        waiting = [name for name in self.names if name in self.apart]
        done: set[str] = set()
        stages: list[Cut] = []
        for rank in sorted(programs):
            own = programs[rank]
            if any(maker in self.apart and maker not in done for name in own for maker in self.before[name]):
                ready = [name for name in waiting if self.rank[name] <= rank]
                waiting = [name for name in waiting if self.rank[name] > rank]
                stages += self._alternated(ready)
                done.update(ready)
            stages.append((self._kind(own), own))
        stages += self._alternated(waiting)
        return stages

    def _kind(self, program: Sequence[str]) -> StageKind:
        """Whether what a program makes is searched on, or it comes after every search."""
        is_early = any(name in self.sought for name in program)
        return "encode" if is_early or not any(name in self.follows for name in program) else "finish"

    def _alternated(self, names: Sequence[str]) -> list[Cut]:
        """Nodes on the host and searches: those that can run together do, and each search is a stage."""
        stages: list[Cut] = []
        waiting = dict.fromkeys(names)
        while waiting:
            for is_search in (False, True):
                now: dict[str, None] = {}
                for name in waiting:
                    of_stage = (
                        maker in waiting and (is_search or maker not in now) for maker in self.before[name]
                    )
                    if (name in self.searches) == is_search and not any(of_stage):
                        now[name] = None
                waiting = {name: None for name in waiting if name not in now}
                if is_search:
                    stages += [("decode", [name]) for name in now]
                elif now:
                    stages.append(("host", list(now)))
        return stages
