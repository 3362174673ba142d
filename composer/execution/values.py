"""What flows in a run, as types: a tensor, or a record of tensors such as `States`, is what its kind says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PortValues", "Slots", "TaskValues"]

PortValues = Mapping[str, Any]
"""Tensors and records by port."""
TaskValues = Mapping[str, PortValues]
"""The same of every input of a task."""
Slots = list[Any]
"""What the slots of a plan hold while it runs: a tensor or a record each, None before it is made."""
