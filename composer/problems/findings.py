"""Findings: the problems of one file as they are found, and the values of which nothing more is to be told."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from composer.problems.effects import Effect
from composer.problems.place import Place, YamlPath
from composer.problems.problem import Problem

__all__ = ["Finding", "Findings", "Scope"]


@dataclass(slots=True, eq=False)
class Finding:
    """A problem that was told. Who told it may complete its text when more places are known to have its cause."""

    problem: Problem


class Findings:
    """The problems of one file in the order of their finding, and what is silenced.

    A value is silenced once it has a problem of its own: what depends on it cannot be known, and what would be said of
    that follows from the problem that is there. Checkers silence the paths of values, and ask before they tell.
    """

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self._found: list[Finding] = []
        self._errors = 0
        self._causes: dict[Hashable, Finding] = {}
        self._silent: set[YamlPath] = set()
        self._below: dict[YamlPath, dict[str | int, None]] = {}
        """Of every map and list on the way to what is silenced: the keys that lead there."""
        self._doubted: set[YamlPath] = set()
        self.extend(problems)

    def __iter__(self) -> Iterator[Problem]:
        return (finding.problem for finding in self._found)

    def __len__(self) -> int:
        return len(self._found)

    def copy(self) -> Findings:
        """The same findings, to which others are added."""
        other = Findings(self)
        copies = dict(zip(self._found, other._found, strict=True))
        other._causes = {cause: copies[finding] for cause, finding in self._causes.items()}
        other._errors = self._errors
        other._silent, other._doubted = set(self._silent), set(self._doubted)
        other._below = {path: dict(keys) for path, keys in self._below.items()}
        return other

    # ---- problems

    def add(self, problem: Problem, *causes: Hashable) -> Finding:
        """Tell of a problem, unless one of its causes is told already; gives what tells of it.

        What is not told again is an error of its scope all the same.
        """
        self._errors += problem.severity == "error"
        known = next((self._causes[cause] for cause in causes if cause in self._causes), None)
        if known is not None:
            return known
        finding = Finding(problem)
        self._found.append(finding)
        self._causes.update(dict.fromkeys(causes, finding))
        return finding

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.add(problem)

    def repeat(self, *causes: Hashable) -> Finding | None:
        """What tells of an error with one of these causes, which then was found once more; None where nothing does."""
        known = next((self._causes[cause] for cause in causes if cause in self._causes), None)
        self._errors += known is not None
        return known

    def stands_at(self, place: Place) -> bool:
        """Whether there is a problem at exactly this place."""
        return any(problem.place == place for problem in self)

    def has(self, effect: Effect) -> bool:
        """Whether a problem has this effect on its surroundings."""
        return any(problem.has(effect) for problem in self)

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return self._errors > 0

    def scope(self) -> Scope:
        """What is found from now on."""
        return Scope(self, len(self._found), self._errors)

    # ---- what is silenced

    def silence(self, *paths: YamlPath) -> None:
        """Tell nothing of what depends on the values at paths: they have problems of their own, or were not read."""
        for path in paths:
            self._silent.add(path)
            for length, key in enumerate(path):
                self._below.setdefault(path[:length], {})[key] = None

    def silenced(self) -> frozenset[YamlPath]:
        """All that is silenced now, for `silence_only`."""
        return frozenset(self._silent)

    def silence_only(self, paths: Iterable[YamlPath]) -> None:
        """Go back to what was silenced: what came since belonged to a question that is answered."""
        self._silent.clear()
        self._below.clear()
        self.silence(*paths)

    def is_silent(self, path: YamlPath) -> bool:
        """Whether exactly this value is silenced."""
        return path in self._silent

    def touches(self, path: YamlPath) -> bool:
        """Whether a value is silenced, or one of its keys is."""
        return path in self._silent or bool(self.silent_keys(path))

    def is_silent_within(self, path: YamlPath) -> bool:
        """Whether a value is silenced, or something in it, however deep."""
        return path in self._silent or path in self._below

    def silent_keys(self, path: YamlPath) -> list[str | int]:
        """The keys of a map that are silenced, in the order of their finding."""
        return [key for key in self._below.get(path, ()) if (*path, key) in self._silent]

    def touched_keys(self, path: YamlPath) -> list[str | int]:
        """The keys of a map under which something is silenced, or that are silenced themselves."""
        return list(self._below.get(path, ()))

    def doubt(self, path: YamlPath) -> None:
        """Call no name unknown that may stand below a path: a name there is misspelt, stands twice, or is unread."""
        self._doubted.add(path)

    def is_in_doubt(self, path: YamlPath) -> bool:
        """Whether an unknown name may be one that should stand below a path."""
        return path in self._doubted


@dataclass(frozen=True, slots=True)
class Scope:
    """What is found from a moment on: of one task, or by one function."""

    findings: Findings
    first: int
    errors: int

    def __iter__(self) -> Iterator[Problem]:
        return (finding.problem for finding in self.told)

    @property
    def told(self) -> list[Finding]:
        """What tells of the problems."""
        return self.findings._found[self.first :]

    @property
    def failed(self) -> bool:
        """Whether an error was found, be it told of here or with an earlier one that has the same cause."""
        return self.findings._errors > self.errors
