"""Everything of the process that is changed for a moment, in one file: torch's insides, switches, the environment.

Torch loads, exports and builds programs through state of the whole process (its tracer, its tables, Python's warning
filters), and so do the changes below. `torch_alone` lets one thread at a time in; whoever loads, exports or builds
holds it. What runs programs that are loaded does not need it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import typing
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch

__all__ = [
    "as_while_exporting",
    "full_float32",
    "patched",
    "patched_environment",
    "remembered_type_hints",
    "torch_alone",
]

_TORCH = threading.RLock()


@contextlib.contextmanager
def torch_alone() -> Iterator[None]:
    """Meanwhile no other thread loads, exports or builds; what torch warns of is not shown, for it concerns no user."""
    with _TORCH, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Meanwhile `owner.name` is `value`. Call it inside `torch_alone`."""
    missing = object()
    # A class's own entry: what it only inherits is taken off again.
    before = vars(owner).get(name, missing)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is missing:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


@contextlib.contextmanager
def as_while_exporting() -> Iterator[None]:
    """Meanwhile torch says that it exports, for tracers that do not say so themselves. Call it inside `torch_alone`.

    A module may have a form for `torch.compiler.is_compiling()`, as that of mPLUG-2 that mixes frames has.
    """
    compiler: Any = torch.compiler
    with patched(compiler, "_is_compiling_flag", True), patched(compiler, "_is_exporting_flag", True):
        yield


@contextlib.contextmanager
def patched_environment(**values: str) -> Iterator[None]:
    """Meanwhile environment variables have these values. Call it inside `torch_alone`."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def remembered_type_hints() -> Iterator[None]:
    """Meanwhile torch reads exported programs faster. Call it inside `torch_alone`.

    It asks for the type hints of a class anew for every object of a graph, about a third of the time of
    `torch.export.load`. Its serializer (private, seen in 2.8 to 2.14) looks them up through its own name `typing`;
    where that is so, the name is given a stand-in that remembers the answers.
    """
    try:
        from torch._export.serde import serialize
    except ImportError:
        serialize = None  # type: ignore[assignment]
    if serialize is None or vars(serialize).get("typing") is not typing:
        yield
        return
    with patched(serialize, "typing", _STAND_IN):
        yield


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


_STAND_IN = SimpleNamespace(**{**vars(typing), "get_type_hints": _remembering()})

_FULL = threading.Lock()
_full_held: list[tuple[str, str]] = []
"""What the switches stood at before each of those who hold them; the first of them is what everybody goes back to."""


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Meanwhile convolutions in float32 are that on a GPU, where torch computes them with the 10 bits of TF32.

    TensorRT is told not to; a live model that does would miss the tolerance by itself. The switch is torch's own, for
    the whole process, and several threads may hold it at once: the last one puts it back. Matrix products have one
    too, which is off unless somebody asked for it.
    """
    cudnn: Any = torch.backends.cudnn
    with _FULL:
        _full_held.append((cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision))
        # The older switch sets the newer ones as well; it cannot be read where they disagree with it.
        cudnn.allow_tf32 = False
    try:
        yield
    finally:
        with _FULL:
            before = _full_held[0]
            _full_held.pop()
            if not _full_held:
                cudnn.allow_tf32 = "tf32" in before
                cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = before
