"""What flows in a run, as types: a tensor, or a record of tensors such as `States`, is what its kind says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composer.types import Kind, Port

__all__ = ["PortValues", "Slots", "TaskValues", "rows_in"]

PortValues = Mapping[str, Any]
"""Tensors and records by port."""
TaskValues = Mapping[str, PortValues]
"""The same of every input of a task."""
Slots = list[Any]
"""What the slots of a plan hold while it runs: a tensor or a record each, None before it is made."""


def rows_in(values: PortValues, ports: Mapping[str, Port], kinds: Mapping[str, Kind]) -> int:
    """How many samples the input ports of a call have: as many as the first that has a batch."""
    for name, value in values.items():
        port = ports[name]
        first = value[0] if port.many and value else value
        rows = None if first is None else kinds[port.type.kind].rows(first)
        if rows is not None:
            return rows
    raise ValueError(f"none of the ports {', '.join(values)} has a batch")
