"""Raw values to tensors: the host side of a run. Decides what is a batch, and says what is missing or too much."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from composer.execution.input_sizes import Given, hold_sizes
from composer.execution.processors import Processors, encoded
from composer.plan import Plan
from composer.plugin.asking import PluginError
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.types import Dim, Kind

__all__ = [
    "Inputs",
    "check_batches",
    "check_names",
    "check_record",
    "first_sample",
    "holds_samples",
    "to_tensors",
]

_TEXTS = "USO"
"""NumPy's letters for arrays of texts."""


class Inputs:
    """The processors of a plan's inputs, taken from `shared` where other plans have made them.

    `kinds` are the registered ones, by which values that are not records of theirs are refused.
    """

    def __init__(
        self, plan: Plan, shared: Processors | None = None, kinds: Mapping[str, Kind] | None = None
    ) -> None:
        self.plan = plan
        self.kinds = kinds or {}
        made = shared if shared is not None else Processors()
        self.processors = {name: made.of(item.modality, item.config) for name, item in plan.inputs.items()}
        self.groups = {name: _batch_symbol(plan, name) for name in plan.inputs}

    def encode(
        self, raw: Mapping[str, object], device: torch.device, dtype: torch.dtype | None = None
    ) -> tuple[dict[str, dict[str, Any]], bool]:
        """Host ports of every input as tensors, and whether the caller gave single values rather than lists.

        `dtype` is the number format of the model, which floating-point values are cast to.

        Inputs that share their batch must have equally many values; a single value is repeated for the others.
        Raises InputError for missing, unexpected or unequal inputs, and for values that the modality refuses.
        """
        check_names(self.plan.task.name, self.plan.inputs, raw)
        arrays = self.arrays(raw, raw)
        return {
            name: {port: to_tensors(value, device, dtype) for port, value in ports.items()}
            for name, ports in arrays.items()
        }, self.is_single(raw)

    def arrays(self, raw: Mapping[str, object], names: Container[str]) -> dict[str, dict[str, Any]]:
        """Host ports of some of the inputs as arrays, held to what the document says of them.

        `raw` holds the values of at least these; they form batches with all that are there.
        """
        arrays = {}
        for name, processor in self.processors.items():
            if name not in names:
                continue
            item = self.plan.inputs[name]
            arrays[name] = encoded(item.modality, processor, self._batch(name, raw), item.host)
            self.hold(name, arrays[name])
        self.hold_together(arrays)
        return arrays

    def is_single(self, raw: Mapping[str, object]) -> bool:
        """Whether single values were given rather than lists: then answers are single values too."""
        return not any(
            holds_samples(raw[name]) for name in self.groups if name in raw and self._is_main(name)
        )

    def samples(self, raw: Mapping[str, object]) -> int:
        """How many samples the answer has."""
        return max((len(self._batch(name, raw)) for name in self.groups if self._is_main(name)), default=1)

    def check_known(self, raw: Mapping[str, object]) -> None:
        """Raise InputError for inputs that the task does not have; the others may be missing."""
        check_names(self.plan.task.name, self.plan.inputs, [*self.plan.inputs, *raw])

    def check_asked(self, kept: Mapping[str, object], asked: Mapping[str, object]) -> None:
        """Raise InputError where inputs do not make up a request with those that a session keeps."""
        check_names(self.plan.task.name, self.plan.inputs, {**kept, **asked})
        check_batches(kept, asked, self.groups, lambda name, raw: len(self._batch(name, raw)))

    def hold(self, name: str, arrays: Mapping[str, object]) -> None:
        """Raise InputError where the encoded ports of an input are not what the document says of them."""
        self._check_kinds(name, arrays)
        self._check_limits(name, arrays)

    def hold_together(self, arrays: Mapping[str, Mapping[str, object]], *, grouped: bool = False) -> None:
        """Raise InputError where the ports of all inputs have not the sizes that the document gives them.

        `grouped` says that some inputs have several rows for one of others, so that batches may differ.
        """
        hold_sizes(given for name, ports in arrays.items() for given in self._shapes(name, ports, grouped))

    def _shapes(self, name: str, ports: Mapping[str, object], grouped: bool) -> Iterator[Given]:
        """The tensors of an input with what they are declared to be; lists, such as texts, have no shape."""
        for port, found in self.plan.host_types(name).items():
            kind = self.kinds.get(found.kind)
            value = ports.get(port)
            if kind is None or value is None:
                continue
            fields = value if isinstance(value, tuple) else (value,)
            declared = str(replace(found, dims=tuple(dim.renamed(_bare) for dim in found.dims)))
            for spec, field in zip(kind.fields.values(), fields, strict=True):
                if not hasattr(field, "shape"):
                    continue
                if field.ndim != len(spec.dims):
                    raise InputError(
                        f"input `{name}` takes {declared}, and a value of shape {field.shape} came"
                    )
                axes = [axis for axis in range(field.ndim) if not (grouped and axis == 0)]
                dims = [found.dims[spec.dims[axis]] for axis in axes]
                labels = [kind.dims[spec.dims[axis]] for axis in axes]
                yield Given(name, declared, labels, dims, [field.shape[axis] for axis in axes])

    def _check_kinds(self, name: str, arrays: Mapping[str, object]) -> None:
        for port, value in arrays.items():
            found = self.plan.task.types.get(
                (name, port)
            )  # pixels are not what a node reads before they are prepared
            if found is not None and found.kind in self.kinds:
                check_record(name, self.kinds[found.kind], value)

    def _check_limits(self, name: str, arrays: Mapping[str, Any]) -> None:
        """A free dimension can have a limit, such as the positions of a text encoder, that only the value reaches."""
        task, item = self.plan.task, self.plan.inputs[name]
        for port in arrays.keys() & item.ports.keys():
            array = arrays[port][0] if isinstance(arrays[port], tuple) else arrays[port]
            declared = task.types[name, port]
            shape = tuple(array.shape) if hasattr(array, "shape") else (len(array),)
            if len(shape) != len(declared.dims):
                fault = f"gives {port} of shape {list(shape)} where {declared} is declared"
                raise PluginError(f"`encode` of {item.modality.title}", fault)
            for axis, (dim, size) in enumerate(zip(declared.dims, shape, strict=True)):
                least, most = task.ranges.get(dim.symbols[0], (0, size)) if dim.is_symbol else (0, size)
                tokens = axis > 0 and hasattr(item.config, "max_tokens")
                noun = "tokens" if tokens else "entries" if axis else "values"
                what = f"input `{name}` has {size} {noun}, and task `{task.name}` takes"
                if size > most:
                    cure = f"set its `max_tokens` to {most}" if tokens else "give fewer"
                    raise InputError(f"{what} at most {most}; shorten it, or {cure}")
                if size < least:
                    raise InputError(f"{what} at least {least}; give more")

    def _is_main(self, name: str) -> bool:
        """Whether an input is of the batch whose samples the answer has: that of the first input that has one."""
        batches = [group for group in self.groups.values() if group is not None]
        return bool(batches and self.groups[name] == batches[0])

    def _batch(self, name: str, raw: Mapping[str, Any]) -> list[object]:
        value = raw[name]
        if self.groups[name] is None:
            if holds_samples(value):
                raise InputError(f"input `{name}` is one value for the whole batch, not a list")
            return [value]
        counts = {
            len(raw[n])
            for n in self.groups
            if n in raw and self.groups[n] == self.groups[name] and holds_samples(raw[n])
        }
        if len(counts) > 1:
            given = ", ".join(
                f"{n}: {len(raw[n])}" for n in self.groups if n in raw and holds_samples(raw[n])
            )
            raise InputError(f"the inputs of one batch have unequal numbers of values ({given})")
        if counts == {0}:
            raise InputError(f"input `{name}` is an empty list: give at least one value")
        if holds_samples(value):
            return list(value)
        return [value] * (counts.pop() if counts else 1)


def check_names(task: str, known: Collection[str], given: Collection[str]) -> None:
    """Raise InputError where inputs are given that a task does not have, or some of its own are missing."""
    missing = [name for name in known if name not in given]
    unexpected = [name for name in given if name not in known]
    if unexpected:
        raise unknown("input", unexpected, known, f"task `{task}`", likely=missing)
    if missing:
        shown = " and ".join(f"`{name}`" for name in missing)
        raise InputError(f"task `{task}` needs the input {shown}; it takes {', '.join(known)}")


def check_batches(
    kept: Mapping[str, object],
    asked: Mapping[str, object],
    groups: Mapping[str, object],
    count: Callable[[str, Mapping[str, object]], int],
) -> None:
    """Raise InputError where asked inputs repeat one that a session keeps, or have another number of values.

    `groups` says which inputs form one batch (None for one without), `count(name, raw)` how many values an input has
    among those of `raw`.
    """
    again = [f"`{name}`" for name in asked if name in kept]
    if again:
        raise InputError(f"the session keeps the input {' and '.join(again)}: open another one to change it")
    together = {**kept, **asked}
    for name in kept:
        if not any(groups[other] == groups[name] is not None for other in asked):
            continue
        own, wanted = count(name, kept), count(name, together)
        if own != wanted:
            noun = "value" if own == 1 else "values"
            raise InputError(
                f"the session keeps {own} {noun} of `{name}`, so it is asked for {own} at a time, not {wanted}"
            )


def holds_samples(value: object) -> bool:
    """Whether a raw value stands for several samples; a record such as `Tokens(ids, mask)` is one value."""
    return isinstance(value, list) or (isinstance(value, tuple) and not hasattr(value, "_fields"))


def first_sample(value: Any) -> object:
    """The only sample of a batch."""
    if isinstance(value, tuple):
        return type(value)(*[item if item is None else item[0] for item in value])  # type: ignore[arg-type]
    if isinstance(value, list):
        return value[0]
    return value[0] if getattr(value, "ndim", 0) else value


def check_record(name: str, kind: Kind, value: object) -> None:
    """Raise InputError where an input has one array in the place of a record such as `States(values, mask)`."""
    if kind.record is not None and not isinstance(value, tuple):
        raise InputError(f"input `{name}` takes {kind.id} with {' and '.join(kind.fields)}, not one array")
    for (field, declared), item in zip(kind.fields.items(), _fields_of(kind, value), strict=True):
        if isinstance(item, np.ndarray) and (declared.dtype == "object") != (item.dtype.kind in _TEXTS):
            wanted, given = ("texts", "numbers") if declared.dtype == "object" else ("numbers", "texts")
            of = f" for its {field}" if kind.record is not None else ""
            raise InputError(f"input `{name}` takes {wanted}{of}, and {given} were given")


def _bare(symbol: str) -> str:
    """A symbol without its owner."""
    return symbol.partition("@")[0]


def _fields_of(kind: Kind, value: Any) -> tuple[object, ...]:
    """The tensors of a value, one per field of its kind. Raises InputError where there are others."""
    if kind.record is None:
        return (value,)
    if len(value) != len(kind.fields):
        raise InputError(f"{kind.id} has {' and '.join(kind.fields)}, and a record of {len(value)} was given")
    return tuple(value)


def _batch_symbol(plan: Plan, name: str) -> Dim | None:
    """What the checker found the input's first dim to be: inputs with the same one form one batch.

    None for an input that is one value for all samples.
    """
    port = next(iter(plan.inputs[name].ports))
    return next(iter(plan.task.types[name, port].dims), None)


def to_tensors(value: object, device: torch.device | None = None, dtype: torch.dtype | None = None) -> Any:
    """Arrays as tensors, in records too; texts as lists. `dtype` is what floating-point numbers are cast to."""
    if isinstance(value, np.ndarray) and value.dtype.kind in _TEXTS:
        return value.tolist()
    if isinstance(value, (np.ndarray, np.generic)):
        tensor = torch.from_numpy(_for_torch(np.asarray(value)))
        return tensor.to(device, dtype if tensor.is_floating_point() else None)
    if isinstance(value, tuple):
        fields = [None if item is None else to_tensors(item, device, dtype) for item in value]
        return type(value)(*fields)  # type: ignore[arg-type]
    return value


def _for_torch(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers as torch takes them: forwards in memory, and in the machine's own order of bytes."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return np.ascontiguousarray(array) if any(stride < 0 for stride in array.strides) else array
