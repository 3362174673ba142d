"""Values that samples of a batch share, and those of the batches after it: read once, not once for each sample."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import PurePath
from threading import Lock
from typing import Any

from composer.execution.host_inputs import Arrays, HostInput, HostInputs, HostPort
from composer.types import ITEMS

__all__ = ["SameValues", "is_same", "value_key"]


class SameValues:
    """Remembers what the value of an input was read as while the same one comes again. Thread-safe."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[object, Arrays]] = {}
        self._last: dict[str, object] = {}
        self._lock = Lock()

    def known(
        self, host: HostInputs, raw: Mapping[str, object], names: Collection[str], *, again: bool = False
    ) -> dict[str, Arrays]:
        """The host ports of those of the inputs `names` of which samples share values; `again`: a single one may come
        with the next batch too.

        Raises InputError where such a value cannot be read.
        """
        found: dict[str, Arrays] = {}
        for name in host.per_sample:
            item = host.inputs[name]
            if name not in names or item.modality.follows is not None:
                continue  # what the latter becomes depends on how many values of others a sample has
            values = host.values(name, raw)
            first = values[0]
            absent = item.several is not None and (first is None or first == [])
            if not absent and (self._comes_again(name, values) or (again and len(values) == 1)):
                found[name] = _repeated(item, self._of(host, name, first), len(values))
            elif all(port.batch in (None, item.batch) for port in item.ports.values()) and not item.several:
                places, different = _places(values)
                if len(different) < len(values):
                    found[name] = _placed(item, host.encode(name, different), places)
        return found

    def _comes_again(self, name: str, values: Sequence[object]) -> bool:
        """Whether all samples have one value; of a single sample, whether the one before had it too."""
        before, self._last[name] = self._last.get(name), values[0]
        others = values[1:] if len(values) > 1 else [before]
        return all(is_same(value, values[0]) for value in others)

    def _of(self, host: HostInputs, name: str, value: object) -> Arrays:
        with self._lock:  # another thread may be reading the same value
            if name not in self._read or not is_same(self._read[name][0], value):
                self._read[name] = (value, host.encode(name, [value]))
            return self._read[name][1]


def is_same(value: object, other: object) -> bool:
    """Whether two raw values are one: the same object, or lists of the same objects."""
    if type(value) is list and type(other) is list:
        return len(value) == len(other) and all(map(is_same, value, other))
    return value is other


def value_key(value: object) -> Hashable:
    """What is equal for raw values of one batch that are read alike: equal texts, paths and numbers, or one object."""
    if isinstance(value, (str, bytes, int, float, PurePath)) or value is None:
        return type(value), value
    if isinstance(value, (list, tuple)):
        return list, tuple(map(value_key, value))
    if isinstance(value, Mapping):
        return dict, tuple((key, value_key(each)) for key, each in value.items())
    return object, id(value)


def _places(values: Sequence[object]) -> tuple[list[int], list[object]]:
    """The values that differ, and which of them each one is."""
    numbers: dict[Hashable, int] = {}
    different: list[object] = []
    places = []
    for value in values:
        key = value_key(value)
        if key not in numbers:
            numbers[key] = len(numbers)
            different.append(value)
        places.append(numbers[key])
    return places, different


def _repeated(item: HostInput, arrays: Arrays, count: int) -> Arrays:
    """The ports of one sample, so many times."""
    found = {
        port: _taken(item.ports[port], value, [*range(item.ports[port].kind.rows(value) or 0)] * count)
        for port, value in arrays.items()
    }
    if item.several is not None:
        import numpy as np

        own = arrays[ITEMS]
        shift = np.arange(count)[:, None] * ((own >= 0).sum() or 1)
        found[ITEMS] = np.where(found[ITEMS] >= 0, found[ITEMS] + shift, -1)
    return found


def _placed(item: HostInput, arrays: Arrays, places: Sequence[int]) -> Arrays:
    """The ports with the samples at these places."""
    return {port: _taken(item.ports[port], value, places) for port, value in arrays.items()}


def _taken(port: HostPort, value: Any, places: Sequence[int]) -> Any:
    import numpy as np

    axis = port.kind.batch_axis

    def taken(part: Any, axes: tuple[int, ...]) -> Any:
        if part is None or axis not in axes:
            return part
        if isinstance(part, list):
            return [part[place] for place in places]
        return np.take(part, places, axis=axes.index(axis))

    fields = list(port.kind.fields.values())
    if port.kind.record is None:
        return taken(value, fields[0].dims)
    return port.kind.record(*(taken(part, field.dims) for part, field in zip(value, fields, strict=True)))
