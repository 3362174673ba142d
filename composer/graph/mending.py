"""Mending: the fixes that keep what documents mean, found by checking the documents as they would be afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from composer.graph.checked import Report
from composer.graph.checking import check
from composer.graph.faults import without_count
from composer.language import Source
from composer.plugin import Registry
from composer.problems import Effect, Problem
from composer.problems.effects import effects_of
from composer.problems.fix import apply_fixes

__all__ = ["Mended", "Refused", "mend"]

MAX_FOLLOWING = 4
"""Fixes in a row that may each bring another one to light."""
MAX_CHECKS, MIN_CHECKS, MAX_CHARACTERS = 1000, 12, 5_000_000
"""Finding the fixes that do harm among many takes checks, as many as the size of the documents allows; what is not
decided by then stays a hint."""

_Key = tuple[str, str, str]
"""File, code and message of a problem: what stays the same while edits move its place."""


@dataclass(frozen=True)
class Refused:
    """A fix that was not made, and the problem that it would have brought."""

    problem: Problem
    follows: Problem


@dataclass(frozen=True)
class Mended:
    """What `--fix` makes of documents: the texts of each file that changes, and what became of the fixes."""

    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    fixed: tuple[Problem, ...] = ()
    """Problems that are gone, with their edits as of the text that they were found in."""
    refused: tuple[Refused, ...] = ()


def mend(
    documents: Sequence[str], registry: Registry, settings: Mapping[str, object] | None = None
) -> Mended:
    """Make every fix that removes its problem and brings no other, in memory, until none is left.

    A document is changed for what it says itself: no fix for a fault that `settings` make, none in a document that
    another one extends (it is mended where it is named itself, and is faulty itself).
    """
    return _Mending(documents, registry, settings or {}).run()


@dataclass(frozen=True)
class _Look:
    """The documents at one moment."""

    texts: Mapping[str, str]
    """Of all files that were changed by now."""
    sources: Mapping[str, str]
    errors: Mapping[tuple[str, _Key], int]
    """Of each document that was looked at, how often it has a problem; of warnings those that can be mended."""
    mendable: Mapping[_Key, tuple[Problem, ...]]
    problems: Mapping[_Key, Problem]


@dataclass
class _Mending:
    documents: Sequence[str]
    registry: Registry
    settings: Mapping[str, object]
    checks: int = 0
    fixed: list[Problem] = field(default_factory=list)
    refused: dict[_Key, Refused] = field(default_factory=dict)

    def run(self) -> Mended:
        look = first = self._look({})
        while True:
            waiting = [key for key in look.mendable if key not in self.refused]
            keys = [key for key in waiting if _hides(key)]
            if not waiting or self.checks > 2 * self._allowed(look):
                break
            look = self._sieved(look, keys or waiting)
        before = {name: first.sources[name] for name in look.texts}
        after = {name: text for name, text in look.texts.items() if text != before[name]}
        return Mended(before, after, tuple(self.fixed), tuple(self.refused.values()))

    def _sieved(self, look: _Look, keys: Sequence[_Key]) -> _Look:
        """The documents with the fixes of as many of these problems as do no harm; the others are refused."""
        keys = [key for key in keys if key in look.mendable]
        if not keys:
            return look
        after, done, follows = self._tried(look, keys)
        if follows is None:
            self.fixed += done
            return after
        if len(keys) == 1 or self.checks > self._allowed(look):
            for key in keys:
                self.refused[key] = Refused(look.mendable[key][0], follows)
            return look
        half = len(keys) // 2
        return self._sieved(self._sieved(look, keys[:half]), keys[half:])

    def _tried(self, look: _Look, keys: Sequence[_Key]) -> tuple[_Look, list[Problem], Problem | None]:
        """The documents after these fixes and those of what they bring to light; and a problem that is left then."""
        after, done, made_for, waiting = look, list[Problem](), set[_Key](), list(keys)
        only_keys = all(map(_hides, keys))
        for _ in range(MAX_FOLLOWING):
            made = apply_fixes([p for key in waiting for p in after.mendable[key]], after.sources)
            done += made.applied
            made_for |= {key for key in waiting if any(p in made.applied for p in after.mendable[key])}
            after = self._look({**after.texts, **made.texts})
            waiting = [key for key in _grown(look, after) if not only_keys or _is_worse(key)]
            left = next((key for key in waiting if key not in after.mendable or only_keys), None)
            if left is not None:
                return look, [], after.problems[left]
            if not waiting:
                break
        stays = (key for key in keys if key in made_for and not _fewer(look, after, key))
        left = waiting[0] if waiting else next(stays, None)
        return (after, done, None) if left is None else (look, [], after.problems[left])

    def _allowed(self, look: _Look) -> int:
        size = 1 + sum(map(len, look.sources.values()))
        return max(MIN_CHECKS, min(MAX_CHECKS, MAX_CHARACTERS // size))

    def _look(self, texts: Mapping[str, str]) -> _Look:
        self.checks += 1
        errors: Counter[tuple[str, _Key]] = Counter()
        mendable: dict[_Key, tuple[Problem, ...]] = {}
        problems: dict[_Key, Problem] = {}
        sources: dict[str, str] = {}
        for document in self.documents:
            report = self._report(document, texts, {})
            set_too = self._report(document, texts, self.settings) if self.settings else report
            sources |= report.sources
            problems |= {_key(problem): problem for problem in (*report.problems, *set_too.problems)}
            errors.update((document, _key(problem)) for problem in filter(_counts, report.problems))
            if set_too is not report:
                errors.update(
                    (f"{document} --set", _key(problem)) for problem in filter(_counts, set_too.problems)
                )
            there = set(map(_key, set_too.problems))
            for problem in report.problems if Path(document).is_file() else ():
                key = _key(problem)
                if problem.fix and key in there and all(edit.file == document for edit in problem.fix):
                    mendable[key] = (*mendable.get(key, ()), problem)
        return _Look(texts, sources, errors, mendable, problems)

    def _report(self, document: str, texts: Mapping[str, str], settings: Mapping[str, object]) -> Report:
        source = Source(document, texts[document], Path(document)) if document in texts else document
        unsaved = {Path(name).resolve(): text for name, text in texts.items()}
        return check(source, registry=self.registry, settings=settings, unsaved=unsaved)


def _key(problem: Problem) -> _Key:
    return problem.place.file, problem.code, without_count(problem.message)


def _counts(problem: Problem) -> bool:
    """Whether a problem is held against a fix, or is one that a fix takes away."""
    return problem.severity == "error" or bool(problem.fix)


def _hides(key: _Key) -> bool:
    """Whether a fault hides others: with a misspelt key right, they are no reason to write it wrong again."""
    return Effect.HIDES_WHAT_IS_UNDER in effects_of(key[1])


def _is_worse(key: _Key) -> bool:
    """Whether no fix may bring a fault, that of a misspelt key included."""
    return Effect.SHAPELESS in effects_of(key[1])


def _grown(before: _Look, after: _Look) -> list[_Key]:
    """The errors that a document has and had not, or had less often."""
    grown = (
        key
        for (document, key), count in after.errors.items()
        if count > before.errors.get((document, key), 0)
    )
    return list(dict.fromkeys(grown))


def _fewer(before: _Look, after: _Look, key: _Key) -> bool:
    return any(
        after.errors.get((document, other), 0) < count
        for (document, other), count in before.errors.items()
        if other == key
    )
