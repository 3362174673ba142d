"""Lists of tensor names made readable: layers of one pattern collapse into one line, and near names are found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from composer.problems.suggest import nearest as nearest_word

__all__ = ["collapse", "first_words", "nearest"]

_MOST_COMPARISONS = 40_000  # some seconds; lists that are longer than that have nothing in common anyway


def collapse(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Group names that differ in their numbers only, each group under a pattern.

    `layers.0.weight` ... `layers.21.weight` become `layers.{0..21}.weight`; gaps are kept (`{0..3,7}`), and names with
    several numbers collapse as far as the pattern says exactly which names there are. Order of first appearance.
    """
    groups: dict[tuple[str, ...], tuple[str, ...]] = {}
    for name in names:
        groups[tuple(name.split("."))] = (name,)
    longest = max((len(parts) for parts in groups), default=0)
    for position in range(longest):
        groups = _merge(groups, position)
    return {".".join(parts): members for parts, members in groups.items()}


def _merge(
    groups: dict[tuple[str, ...], tuple[str, ...]], position: int
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Merge the groups that differ at `position` only, by a number."""
    families: dict[tuple[str, ...], dict[int, tuple[str, ...]]] = {}
    merged: dict[tuple[str, ...], tuple[str, ...]] = {}
    places: dict[tuple[str, ...], None] = {}
    for parts, members in groups.items():
        # isdecimal alone would take "01" or "²": only what int() prints back unchanged is an index.
        part = parts[position] if position < len(parts) else ""
        if part.isascii() and part.isdecimal() and str(int(part)) == part:
            family = (*parts[:position], "", *parts[position + 1 :])
            families.setdefault(family, {})[int(part)] = members
            places[family] = None
        else:
            merged[parts] = members
            places[parts] = None
    result: dict[tuple[str, ...], tuple[str, ...]] = {}
    for place in places:
        if place in merged:
            result[place] = merged[place]
            continue
        numbers = families[place]
        parts = (*place[:position], _ranges(sorted(numbers)), *place[position + 1 :])
        result[parts] = tuple(name for number in sorted(numbers) for name in numbers[number])
    return result


def _ranges(numbers: Sequence[int]) -> str:
    """`{0..3,7}` for sorted numbers; a single one stays plain."""
    if len(numbers) == 1:
        return str(numbers[0])
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return "{" + ",".join("..".join(map(str, run)) for run in runs) + "}"


def first_words(names: Iterable[str]) -> list[str]:
    """What stands before the first dot of each name, each once, in order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in names))


def nearest(names: Sequence[str], candidates: Sequence[str]) -> dict[str, str]:
    """The candidate that resembles each name most; names without a near one are left out."""
    if len(names) * len(candidates) > _MOST_COMPARISONS:
        return {}
    known = tuple(candidates)
    found = {name: nearest_word(name, known) for name in names}
    return {name: near for name, near in found.items() if near is not None}
