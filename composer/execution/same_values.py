"""Values that all samples of a batch have, and of the batches after it: read once, not once for each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from composer.execution.host_inputs import Arrays, HostInput, HostInputs, HostPort
from composer.types import ITEMS

__all__ = ["SameValues"]


class SameValues:
    """Remembers what the value of an input was read as while the same one comes again. Thread-safe."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[object, Arrays]] = {}
        self._last: dict[str, object] = {}
        self._lock = Lock()

    def known(self, host: HostInputs, raw: Mapping[str, object]) -> dict[str, Arrays]:
        """The host ports of the inputs of which every sample has one and the same value.

        Raises InputError where such a value cannot be read.
        """
        found: dict[str, Arrays] = {}
        for name in host.per_sample:
            item = host.inputs[name]
            if item.modality.follows is not None:
                continue  # what it becomes depends on how many values of others a sample has
            values = host.values(name, raw)
            first = values[0]
            absent = item.several is not None and (first is None or first == [])
            if not absent and self._comes_again(name, values):
                found[name] = _repeated(item, self._of(host, name, first), len(values))
        return found

    def _comes_again(self, name: str, values: Sequence[object]) -> bool:
        """Whether all samples have one value; of a single sample, whether the one before had it too."""
        before, self._last[name] = self._last.get(name), values[0]
        others = values[1:] if len(values) > 1 else [before]
        return all(_is_same(value, values[0]) for value in others)

    def _of(self, host: HostInputs, name: str, value: object) -> Arrays:
        with self._lock:  # another thread may be reading the same value
            if name not in self._read or not _is_same(self._read[name][0], value):
                self._read[name] = (value, host.encode(name, [value]))
            return self._read[name][1]


def _is_same(value: object, other: object) -> bool:
    """Whether two raw values are one: the same object, or lists of the same objects."""
    if type(value) is list and type(other) is list:
        return len(value) == len(other) and all(map(_is_same, value, other))
    return value is other


def _repeated(item: HostInput, arrays: Arrays, count: int) -> Arrays:
    """The ports of one sample, so many times."""
    found = {port: _tiled(item.ports[port], value, count) for port, value in arrays.items()}
    if item.several is not None:
        import numpy as np

        own = arrays[ITEMS]
        shift = np.arange(count)[:, None] * ((own >= 0).sum() or 1)
        found[ITEMS] = np.where(found[ITEMS] >= 0, found[ITEMS] + shift, -1)
    return found


def _tiled(port: HostPort, value: Any, count: int) -> Any:
    import numpy as np

    axis = port.kind.batch_axis

    def tiled(part: Any, axes: tuple[int, ...]) -> Any:
        if part is None or axis not in axes:
            return part
        if isinstance(part, list):
            return part * count
        times = [1] * part.ndim
        times[axes.index(axis)] = count
        return np.tile(part, times)

    fields = list(port.kind.fields.values())
    if port.kind.record is None:
        return tiled(value, fields[0].dims)
    return port.kind.record(*(tiled(part, field.dims) for part, field in zip(value, fields, strict=True)))
