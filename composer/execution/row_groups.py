"""The rows of a batch by the values of some of its inputs: what depends on these alone is the same in equal rows."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import NamedTuple

from composer.execution.host_inputs import HostInputs
from composer.execution.same_values import value_key

__all__ = ["EVERY_ROW", "Inputs", "RowGroups", "row_groups", "values_alone"]

Inputs = frozenset[str]
"""Names of inputs that something depends on."""
EVERY_ROW = ""
"""An input that no task has: what depends on it, such as chance, is another in every row."""


class RowGroups(NamedTuple):
    """The rows of a batch by the values of some inputs."""

    firsts: list[int]
    """The first row of each group of equals."""
    group: list[int]
    """The group of each row."""


def row_groups(
    host: HostInputs, raw: Mapping[str, object], every: Collection[Inputs]
) -> dict[Inputs, RowGroups]:
    """The rows of a batch by each of these sets of inputs."""
    keys = {name: [value_key(each) for each in host.values(name, raw)] for name in host.per_sample}
    count = host.samples(raw)
    return {inputs: _grouped(keys, inputs, count) for inputs in every}


def _grouped(keys: Mapping[str, Sequence[Hashable]], inputs: Inputs, count: int) -> RowGroups:
    if EVERY_ROW in inputs:
        return RowGroups(list(range(count)), list(range(count)))
    names = [name for name in keys if name in inputs]
    numbers: dict[Hashable, int] = {}
    firsts, group = [], []
    for row in range(count):
        key = tuple(keys[name][row] for name in names)
        if key not in numbers:
            numbers[key] = len(numbers)
            firsts.append(row)
        group.append(numbers[key])
    return RowGroups(firsts, group)


def values_alone(
    host: HostInputs, raw: Mapping[str, object], inputs: Inputs, rows: RowGroups
) -> list[object] | None:
    """The raw values of these inputs, by their names, where all rows of a batch have the same ones."""
    if not inputs or EVERY_ROW in inputs or len(rows.firsts) != 1:
        return None
    return [host.values(name, raw)[0] for name in sorted(inputs)]
