"""Mechanical fixes: edits put into texts, and texts put back into files without harm to anything else in them."""

from __future__ import annotations

import difflib
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from composer.problems.lines import newline_of, split_lines
from composer.problems.problem import Edit, Problem
from composer.problems.render.cells import visible

__all__ = ["Fixed", "apply_fixes", "difference"]


@dataclass(frozen=True)
class Fixed:
    """The result of `apply_fixes`: the new text of every file that changes, and what became of each fix."""

    texts: Mapping[str, str] = field(default_factory=dict)
    applied: tuple[Problem, ...] = ()
    postponed: tuple[Problem, ...] = ()
    """Problems whose edits overlap with those of an earlier one; they can be fixed after a new check."""
    refused: tuple[Problem, ...] = ()
    """Problems whose edits would spoil a text."""


def apply_fixes(
    problems: Iterable[Problem],
    sources: Mapping[str, str],
    *,
    spoils: Callable[[str, str], bool] = lambda file, text: False,
) -> Fixed:
    """Put the edits of `problems` into `sources`, each problem's edits together or not at all.

    Where edits overlap, the problem that comes first wins. The same edit asked for twice is made once. Line breaks
    in inserted text follow those of the file. `spoils` says whether a file may not have a text; the fixes that would
    give it that text are refused.

    Raises:
        ValueError: an edit names a file that is not in `sources`, or offsets outside its text.
    """
    mendable = [problem for problem in problems if problem.fix]
    fixed = _applied(mendable, sources)
    if not _any_spoilt(fixed, spoils):
        return fixed
    kept: list[Problem] = []
    refused: list[Problem] = []
    for problem in mendable:
        is_refused = _any_spoilt(_applied([*kept, problem], sources), spoils)
        (refused if is_refused else kept).append(problem)
    return replace(_applied(kept, sources), refused=tuple(refused))


def _any_spoilt(fixed: Fixed, spoils: Callable[[str, str], bool]) -> bool:
    return any(spoils(file, text) for file, text in fixed.texts.items())


def _applied(problems: Iterable[Problem], sources: Mapping[str, str]) -> Fixed:
    accepted: dict[str, _Edits] = {}
    applied: list[Problem] = []
    postponed: list[Problem] = []
    for problem in problems:
        for edit in problem.fix:
            _require_inside(edit, sources)
        own = list(dict.fromkeys(problem.fix))
        if any(edit.file in accepted and accepted[edit.file].collide(edit) for edit in own):
            postponed.append(problem)
            continue
        applied.append(problem)
        for edit in own:
            accepted.setdefault(edit.file, _Edits()).add(edit)
    texts = {file: _edited(sources[file], edits.ordered) for file, edits in accepted.items()}
    changed = {file: text for file, text in texts.items() if text != sources[file]}
    return Fixed(changed, tuple(applied), tuple(postponed))


@dataclass
class _Edits:
    """Edits of one file of which no two collide, in the order of the text. Thousands may be made at once."""

    ordered: list[Edit] = field(default_factory=list)
    known: set[Edit] = field(default_factory=set)

    def add(self, edit: Edit) -> None:
        if edit not in self.known:
            self.known.add(edit)
            insort(self.ordered, edit, key=_order)

    def collide(self, edit: Edit) -> bool:
        first = max(0, bisect_left(self.ordered, (edit.start, -1), key=_order) - 2)
        for index in range(first, len(self.ordered)):
            if self.ordered[index].start > edit.end:
                return False
            if _collides(edit, self.ordered[index]):
                return True
        return False


def _order(edit: Edit) -> tuple[int, int]:
    return edit.start, edit.end


def _require_inside(edit: Edit, sources: Mapping[str, str]) -> None:
    if edit.file not in sources:
        raise ValueError(f"an edit names {edit.file!r}, whose text is not given")
    if not 0 <= edit.start <= edit.end <= len(sources[edit.file]):
        raise ValueError(
            f"an edit of {edit.file!r} reaches from {edit.start} to {edit.end}, outside of its text"
        )


def _collides(edit: Edit, other: Edit) -> bool:
    """Whether both cannot be made: they share characters, or they insert at one point and their order is open."""
    if edit == other:
        return False
    if edit.start == edit.end or other.start == other.end:
        inside = other.start < edit.start < other.end or edit.start < other.start < edit.end
        return inside or (edit.start, edit.end) == (other.start, other.end)
    return edit.start < other.end and other.start < edit.end


def _edited(text: str, edits: list[Edit]) -> str:
    newline = newline_of(text)
    parts, position = [], 0
    for edit in edits:
        parts += [text[position : edit.start], newline.join(split_lines(edit.text))]
        position = edit.end
    return "".join([*parts, text[position:]])


def difference(file: str, before: str, after: str) -> str:
    """What changed in a file, as a unified diff that is safe to show: control characters stand there as escapes."""
    old, new = split_lines(before), split_lines(after)
    lines = difflib.unified_diff(old, new, file, file, "before", "after", lineterm="")
    return "".join(f"{visible(line)}\n" for line in lines)
