"""Roots: the entry of a pickled checkpoint under which its tensors lie, beside the optimizer and the epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from composer.sources.weights_error import WeightsError, unreadable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ROOTS", "Roots", "find_tensors"]

ROOTS = (
    "model",
    "module",
    "state_dict",
    "model_state_dict",
    "ema",
    "model_ema",
    "ema_state_dict",
    "state_dict_ema",
    "params_ema",
    "params",
    "net",
)
"""Where training scripts keep the tensors, the usual first: trained weights come before their running mean."""

_DEEPEST = 3


@dataclass(frozen=True)
class Roots:
    """The roots to try in order, or the one that the user asked for (`asked`, with dots between entries)."""

    names: tuple[str, ...] = ROOTS
    asked: str | None = None


def find_tensors(path: Path, value: object, roots: Roots) -> tuple[Mapping[str, Tensor], str]:
    """The map from names to tensors in what a file holds, and the root under which it lies ("" for the top).

    Raises:
        WeightsError: there is no such map; the entries that could be meant are named.
    """
    if roots.asked is not None:
        found = _at(value, roots.asked)
        if isinstance(found, Mapping):
            return _checked(path, found, roots.asked, roots, value), roots.asked
        if not _is_state(value):  # a flat file: the root may be the first words of its keys
            raise unreadable(path, f"it has no entry `{roots.asked}`", _candidates_hint(value))
        return _checked(path, value, "", roots, value), ""
    state, root = value, ""
    for _ in range(_DEEPEST):
        entry = next((name for name in roots.names if _may_be_root(state, name)), None)
        if entry is None:
            break
        assert isinstance(state, Mapping)
        state, root = state[entry], f"{root}.{entry}" if root else entry
    return _checked(path, state, root, roots, value), root


def _may_be_root(value: object, name: str) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get(name), Mapping)


def _at(value: object, dotted: str) -> object:
    """The entry that a root names: the whole name as one key, or from entry to entry along its dots."""
    if not isinstance(value, Mapping):
        return None
    if dotted in value:
        return value[dotted]
    head, dot, rest = dotted.partition(".")
    return _at(value.get(head), rest) if dot else None


def _is_state(value: object) -> bool:
    import torch

    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(key, str) and isinstance(item, torch.Tensor) for key, item in value.items())
    )


def _candidates(value: object, above: str = "", depth: int = _DEEPEST) -> Iterator[tuple[str, int]]:
    """Entries that are maps from names to tensors, with how many."""
    if not isinstance(value, Mapping) or depth == 0:
        return
    for key, item in value.items():
        name = f"{above}.{key}" if above else str(key)
        if _is_state(item):
            yield name, len(item)
        else:
            yield from _candidates(item, name, depth - 1)


def _candidates_hint(value: object) -> str:
    found = list(_candidates(value))
    if not found:
        return ""
    listed = ", ".join(f"`{name}` ({count} tensors)" for name, count in found[:5])
    return f"tensors lie under {listed}: name the entry, --root {found[0][0]} (root={found[0][0]!r})"


def _checked(path: Path, state: object, root: str, roots: Roots, whole: object) -> Mapping[str, Tensor]:
    """`state` as a map from names to tensors. Raises WeightsError for anything else."""
    import torch

    place = f"its entry {root!r}" if root else "it"
    if not isinstance(state, Mapping):
        kind = type(state).__name__
        raise unreadable(path, f"{place} is of the type {kind}, not a state dict", "save module.state_dict()")
    others = {
        str(key): type(item).__name__ for key, item in state.items() if not isinstance(item, torch.Tensor)
    }
    if others or not state:
        raise _not_tensors(
            path, place, len(state) - len(others), others, _candidates_hint(whole) or _tried(roots)
        )
    if not all(isinstance(key, str) for key in state):
        raise unreadable(path, f"{place} has keys that are not names", "save module.state_dict()")
    return state


def _tried(roots: Roots) -> str:
    return f"the tensors are looked for under {', '.join(map(repr, roots.names))}; --root names another entry"


def _not_tensors(path: Path, place: str, tensors: int, others: Mapping[str, str], cure: str) -> WeightsError:
    if not others:
        return unreadable(path, f"{place} holds no tensor at all")
    listed = ", ".join(f"{name} ({kind})" for name, kind in sorted(others.items()))
    if tensors:
        return unreadable(path, f"{place} holds {len(others)} entries that are not tensors: {listed}")
    return unreadable(path, f"{place} is not a state dict, it holds {listed}", cure)
