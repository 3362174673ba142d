"""Taking single samples out of a batch, with the parts that belong to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from typing import Any

import torch

from composer.conformance.cases import MethodCase
from composer.conformance.sample_inputs import as_record, fields_of, group_counts
from composer.conformance.symbol_sizes import batch_symbol
from composer.execution.slot_values import PortValues
from composer.types import Kind, Port

__all__ = ["batch_units", "select_rows"]

Rows = Mapping[str, list[int]]
"""Symbol → the rows along the dims that it sizes."""


def batch_units(case: MethodCase, sizes: Mapping[str, int]) -> Iterator[tuple[str, list[Rows]]]:
    """For each symbol that counts samples of inputs and outputs: its samples, each as the rows that make it up."""
    outputs = {batch_symbol(port, case.kinds) for port in case.signature.outputs.values()} - {None}
    if case.partition is not None:
        _, samples, parts = case.partition
        if outputs & {samples, parts}:
            ends = [0, *accumulate(group_counts(case.partition, sizes))]
            groups = [list(range(start, end)) for start, end in pairwise(ends)]
            yield (
                samples,
                [{samples: [i], **({parts: group} if parts else {})} for i, group in enumerate(groups)],
            )
        outputs -= {samples, parts}
    for symbol in sorted(str(symbol) for symbol in outputs):
        if symbol in sizes:
            yield symbol, [{symbol: [i]} for i in range(sizes[symbol])]


def select_rows(
    values: PortValues, ports: Mapping[str, Port], kinds: Mapping[str, Kind], rows: Rows
) -> dict[str, object]:
    """The same values with the rows of one sample; ports without samples stay whole."""
    selected: dict[str, object] = {}
    for name, value in values.items():
        port, kind = ports[name], kinds[ports[name].type.kind]
        symbol = batch_symbol(port, kinds)
        if symbol is None or symbol not in rows:
            selected[name] = value
        elif port.many:
            selected[name] = tuple(_selected(kind, item, rows[symbol]) for item in value)
        else:
            selected[name] = _selected(kind, value, rows[symbol])
    return selected


def _selected(kind: Kind, value: Any, rows: list[int]) -> Any:
    index = torch.tensor(rows)
    fields = {}
    for name, item in fields_of(kind, value).items():
        axes = kind.fields[name].dims
        has_rows = item is not None and kind.batch_axis in axes
        if has_rows and kind.fields[name].dtype == "object":
            fields[name] = [item[row] for row in rows]
        else:
            fields[name] = item.index_select(axes.index(kind.batch_axis), index) if has_rows else item
    return as_record(kind, fields)
