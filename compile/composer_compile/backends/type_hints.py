"""Reading exported programs faster: torch asks for the type hints of a class anew for every object of a graph.

That is about a third of the time of `torch.export.load`. The serializer of torch (private, seen in 2.8 to 2.14) looks
them up through its own name `typing`; where that is so, the name is given a stand-in that remembers the answers.
"""

from __future__ import annotations

import typing
from types import SimpleNamespace
from typing import Any

__all__ = ["remember_type_hints"]


def remember_type_hints() -> None:
    """Do it once for this process; does nothing where torch's serializer is built otherwise."""
    try:
        from torch._export.serde import serialize
    except ImportError:
        return
    if vars(serialize).get("typing") is typing:
        vars(serialize)["typing"] = SimpleNamespace(**{**vars(typing), "get_type_hints": _remembering()})


def _remembering() -> Any:
    known: dict[tuple[type, int], dict[str, Any]] = {}

    def get_type_hints(thing: Any, globalns: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
        if others or not isinstance(thing, type):
            return typing.get_type_hints(thing, globalns, **others)
        key = (thing, id(globalns))
        if key not in known:
            known[key] = typing.get_type_hints(thing, globalns)
        return known[key]

    return get_type_hints
