"""The host side of a request: raw values to the arrays of every input. A live model, an artifact and training share it.

It knows what both a plan and the manifest of an artifact say: the inputs by name, how each is read, and the types of
its host ports. What is a batch, what is missing or too much, and what does not fit is decided, and told, here. Imports
no torch: names are checked before anything of it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from composer.execution.host_values import fields_of, held_value, holds_samples
from composer.execution.input_sizes import Given, hold_sizes
from composer.execution.processors import encoded
from composer.execution.several_values import blank_ports, is_blank, item_places, values_of_sample
from composer.plugin import Config, Modality, Processor
from composer.plugin.asking import PluginError, ask
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.types import ITEMS, UNBOUNDED, Dim, Kind, PortType, Several, Symbol

__all__ = ["Arrays", "HostInput", "HostInputs", "HostPort", "check_names", "written_symbols"]

Arrays = dict[str, Any]
"""Host port → an array, a record of arrays, or a list of texts."""


@dataclass(frozen=True)
class HostPort:
    """A host port: its kind, and its type as messages write it (`states[B, N, 768]`)."""

    kind: Kind
    type: PortType

    @property
    def batch(self) -> Dim | None:
        """What counts its samples."""
        return self.kind.batch_of(self.type.dims)

    def axes(self) -> Iterator[tuple[str, Sequence[int]]]:
        """The fields of its kind, each with the positions of its dimensions in the type."""
        for label, field in self.kind.fields.items():
            yield label, field.dims


@dataclass(frozen=True)
class HostInput:
    """An input: how its raw values are read, and what they become on the host."""

    name: str
    modality: Modality
    config: Config
    processor: Processor
    ports: Mapping[str, HostPort]
    several: Several | None = None
    """How many values a sample may have, where that is not one."""

    default: object = None
    """The raw value of a sample that comes without one; None where each brings its own."""

    @property
    def may_be_absent(self) -> bool:
        """Whether a sample may come without it."""
        return self.default is not None or (self.several is not None and self.several.may_be_absent)

    def holds_samples(self, value: object) -> bool:
        """Whether a raw value stands for several samples: where a sample is a list, for a list of such."""
        if self.several is None or not self.several.is_list or not holds_samples(value):
            return holds_samples(value)
        return any(each is None or holds_samples(each) for each in value)  # type: ignore[attr-defined]

    noun: str = "input"
    """What messages call it: an input, or a node that reads what another one wrote."""

    @cached_property
    def batch(self) -> Dim | None:
        """What counts its values; inputs with the same form one batch. None for one value for the whole batch."""
        return next((port.batch for port in self.ports.values() if port.batch is not None), None)


class HostInputs:
    """All inputs of a task. `limits` are the sizes that its modules take for a symbol, both ends included."""

    def __init__(
        self, task: str, inputs: Mapping[str, HostInput], limits: Mapping[str, tuple[int, int]]
    ) -> None:
        self.task = task
        self.inputs = dict(inputs)
        self.limits = dict(limits)

    @property
    def processors(self) -> dict[str, Processor]:
        """What reads each input."""
        return {name: item.processor for name, item in self.inputs.items()}

    def check_names(self, raw: Collection[str]) -> None:
        """Raise InputError where inputs are given that the task does not have, or some of its own are missing."""
        check_names(self.task, self.inputs, [*raw, *self._may_be_absent])

    def check_known(self, raw: Collection[str]) -> None:
        """Raise InputError for inputs that the task does not have; the others may be missing."""
        check_names(self.task, self.inputs, [*self.inputs, *raw])

    def check_asked(self, kept: Mapping[str, object], asked: Mapping[str, object]) -> None:
        """Raise InputError where inputs do not make up a request with those that a session keeps.

        They may not repeat one of those, and bring as many values as the session keeps.
        """
        self.check_names({**kept, **asked})
        again = [f"`{name}`" for name in asked if name in kept]
        if again:
            raise InputError(
                f"the session keeps the input {' and '.join(again)}: open another one to change it"
            )
        together = {**kept, **asked}
        for name in kept:
            batch = self.inputs[name].batch
            if batch is None or not any(self.inputs[other].batch == batch for other in asked):
                continue
            own, wanted = len(self.values(name, kept)), len(self.values(name, together))
            if own != wanted:
                noun = "value" if own == 1 else "values"
                raise InputError(
                    f"the session keeps {own} {noun} of `{name}`, so it is asked for {own} at a time, not {wanted}"
                )

    @cached_property
    def _may_be_absent(self) -> list[str]:
        return [name for name, item in self.inputs.items() if item.may_be_absent]

    def whole(self, raw: Mapping[str, object], kept: Container[str] = ()) -> dict[str, object]:
        """A request with None for the inputs that it leaves out, but for those that are kept."""
        absent = [name for name in self._may_be_absent if name not in raw and name not in kept]
        return {**raw, **dict.fromkeys(absent)}

    def is_single(self, raw: Mapping[str, object]) -> bool:
        """Whether single values were given rather than lists: then answers are single values too."""
        return not any(self.inputs[name].holds_samples(raw[name]) for name in self.per_sample if name in raw)

    def samples(self, raw: Mapping[str, object]) -> int:
        """How many samples the answer has."""
        return max((len(self.values(name, raw)) for name in self.per_sample), default=1)

    @cached_property
    def per_sample(self) -> list[str]:
        """The inputs whose samples the answer has: those of the first batch."""
        batches = {name: item.batch for name, item in self.inputs.items() if item.batch is not None}
        first = next(iter(batches.values()), None)
        return [name for name, batch in batches.items() if batch == first]

    @property
    def batch_limits(self) -> tuple[int, int | None]:
        """The fewest and the most samples of one batch; None where there is no limit."""
        batch = next((self.inputs[name].batch for name in self.per_sample), None)
        if batch is None:
            return 1, 1
        if batch.is_number:
            return batch.constant, batch.constant
        least, most = self.limits.get(str(batch), (1, UNBOUNDED))
        return least, None if most >= UNBOUNDED else most

    def values(self, name: str, raw: Mapping[str, Any]) -> list[object]:
        """The values of an input; a single one is repeated for the lists that it goes with.

        Raises InputError where the inputs of its batch have unequal numbers of values, or none.
        """
        value, batch = raw.get(name), self.inputs[name].batch
        if batch is None:
            if holds_samples(value):
                raise InputError(f"input `{name}` is one value for the whole batch, not a list")
            return [value]
        counts = {
            other: len(raw[other])
            for other, item in self.inputs.items()
            if item.batch == batch and other in raw and item.holds_samples(raw[other])
        }
        empty = next((other for other, count in counts.items() if not count), None)
        if empty is not None:
            raise InputError(f"input `{empty}` is an empty list: give at least one value")
        if len(set(counts.values())) > 1:
            given = ", ".join(f"{other}: {count}" for other, count in counts.items())
            raise InputError(f"the inputs of one batch have unequal numbers of values ({given})")
        count = next(iter(counts.values()), 1)
        return list(value) if self.inputs[name].holds_samples(value) else [value] * count  # type: ignore[arg-type]

    def arrays(
        self, raw: Mapping[str, object], names: Container[str], known: Mapping[str, Arrays] | None = None
    ) -> dict[str, Arrays]:
        """The host ports of some of the inputs, held to what is declared of them.

        `raw` holds the values of at least these; they form batches with all that are there. Those that are `known` were
        read before. Raises InputError for
        values that a modality refuses, or that are not of the kind, number or sizes that are declared.
        """
        arrays = {
            name: known[name]
            if known and name in known
            else self.encode(name, self.values(name, raw), self._counts(name, raw))
            for name in self.inputs
            if name in names
        }
        self.hold_together(arrays)
        return arrays

    def _counts(self, name: str, raw: Mapping[str, object]) -> dict[str, list[int]] | None:
        def values(other: str) -> list[object]:
            if other not in raw:
                raise InputError(f"input `{name}` is read together with `{other}`: give both at a time")
            return self.values(other, raw)

        return self.counts(name, values)

    def counts(self, name: str, values: Callable[[str], Sequence[object]]) -> dict[str, list[int]] | None:
        """How many values each sample has of the inputs that an input counts; None for one that counts none.

        `values` gives those of another input, one for each sample.
        """
        item = self.inputs[name]
        if item.modality.follows is None:
            return None
        found = {}
        for other in self.followed(name):
            several = self.inputs[other].several
            found[other] = [
                1 if several is None else len(values_of_sample(other, several, value, number))
                for number, value in enumerate(values(other), start=1)
            ]
        return found

    def may_be_absent(self, name: str) -> bool:
        """Whether a sample may come without an input."""
        return name in self._may_be_absent

    def followed(self, name: str) -> list[str]:
        """What an input, or a node that reads, counts the values of: inputs, or input ports of the node."""
        item = self.inputs[name]
        if item.modality.follows is None:
            return []
        what = f"`follows` of {item.modality.title}"
        found: Mapping[str, str] = ask(item.modality.follows, item.config, what=what)
        return list(dict.fromkeys(found.values()))

    def encode(
        self, name: str, values: Sequence[object], counts: Mapping[str, Sequence[int]] | None = None
    ) -> Arrays:
        """The host ports of one input for a batch of values, each held to its kind, its rank and its limits.

        `counts` says how many values each sample has of the inputs that this one counts (see `counts`).

        Raises:
            InputError: a value cannot be used. PluginError: the modality gives something else than it declares.
        """
        try:
            return self._encode(self.inputs[name], values, counts)
        except InputError as error:
            error.input = error.input or name
            raise

    def _encode(
        self, item: HostInput, values: Sequence[object], counts: Mapping[str, Sequence[int]] | None
    ) -> Arrays:
        name = item.name
        if item.default is not None:
            values = [item.default if value is None else value for value in values]
        given = self._read(item, values, counts)
        held = {port: held_value(name, item.ports[port].kind, given[port]) for port in item.ports}
        self._check_rows(item, held, len(values))
        for port, value in held.items():
            self._check_rank(item, port, value)
            self._check_limits(item, item.ports[port], value)
        return held

    def _read(
        self, item: HostInput, values: Sequence[object], counts: Mapping[str, Sequence[int]] | None
    ) -> Mapping[str, object]:
        if item.several is None:
            return encoded(item.modality, item.processor, list(values), item.ports, counts)
        samples = [
            values_of_sample(item.name, item.several, value, number)
            for number, value in enumerate(values, start=1)
        ]
        flat = [value for sample in samples for value in sample]
        ports = {name: (port.kind, port.type) for name, port in item.ports.items()}
        own = [name for name in ports if name != ITEMS]
        given = encoded(item.modality, item.processor, flat, own) if flat else blank_ports(ports, self.limits)
        return {**given, ITEMS: item_places(samples)}

    def hold_together(self, arrays: Mapping[str, Arrays], *, grouped: bool = False) -> dict[str, int]:
        """The size of every symbol. Raises InputError where sizes are not what the inputs declare.

        `grouped` says that some inputs have several rows for one of others, so that batches may differ. What stands
        for an input of which no value came takes the sizes of the others.
        """
        held = {name: ports for name, ports in arrays.items() if not is_blank(ports)}
        sizes = hold_sizes(g for name, ports in held.items() for g in self._shapes(name, ports, grouped))
        for name in arrays.keys() - held.keys():
            ports = {port: (it.kind, it.type) for port, it in self.inputs[name].ports.items()}
            arrays[name].update(blank_ports(ports, self.limits, sizes))
        return hold_sizes(g for name, ports in arrays.items() for g in self._shapes(name, ports, grouped))

    def _shapes(self, name: str, ports: Arrays, grouped: bool) -> Iterator[Given]:
        """The tensors of an input with what they are declared to be; lists, such as texts, have no shape."""
        for port, value in ports.items():
            declared = self.inputs[name].ports[port]
            kind, dims = declared.kind, declared.type.dims
            for (_, axes), field in zip(declared.axes(), fields_of(name, kind, value), strict=True):
                if not hasattr(field, "shape"):
                    continue
                kept = [(n, axis) for n, axis in enumerate(axes) if not (grouped and axis == kind.batch_axis)]
                yield Given(
                    name,
                    str(declared.type),
                    [kind.dims[axis] for _, axis in kept],
                    [dims[axis] for _, axis in kept],
                    [field.shape[n] for n, _ in kept],
                )

    def _check_rows(self, item: HostInput, held: Arrays, count: int) -> None:
        """A modality gives a row for every value: in one of its ports at least, where others count parts of them."""
        rows = []
        for port, value in held.items():
            kind = item.ports[port].kind
            first = fields_of(item.name, kind, value)[0]
            axis = kind.batch_axis
            if axis is not None and len(_shape(first)) > axis:
                rows.append(_shape(first)[axis])
        if rows and count not in rows:
            noun = "row" if rows[0] == 1 else "rows"
            raise PluginError(
                f"`encode` of {item.modality.title}", f"gives {rows[0]} {noun} for {count} values"
            )

    def _check_rank(self, item: HostInput, port: str, value: object) -> None:
        declared = item.ports[port]
        parts = fields_of(item.name, declared.kind, value)
        for number, ((label, axes), part) in enumerate(zip(declared.axes(), parts, strict=True)):
            if part is None or len(_shape(part)) == len(axes):
                continue
            shape = list(_shape(part))
            if number == 0:
                fault = f"gives {port} of shape {shape} where {declared.type} is declared"
                raise PluginError(f"`encode` of {item.modality.title}", fault)
            raise InputError(
                f"input `{item.name}` takes {declared.type}, and its {label} came with the shape {shape}"
            )

    def _check_limits(self, item: HostInput, port: HostPort, value: object) -> None:
        """A free dimension can have a limit, such as the positions of a text encoder, that only the value reaches."""
        first = fields_of(item.name, port.kind, value)[0]
        (_, axes), *_ = port.axes()
        for axis, size in zip(axes, _shape(first), strict=True):
            dim = port.type.dims[axis]
            if not dim.is_symbol or dim.symbols[0] not in self.limits:
                continue
            least, most = self.limits[dim.symbols[0]]
            is_batch = axis == port.kind.batch_axis or port.kind.id == ITEMS
            limit = None if is_batch else item.modality.limit
            noun = "values" if is_batch else item.modality.counted
            what = f"{item.noun} `{item.name}` has {size} {noun}, and task `{self.task}` takes"
            if size > most:
                cure = f"set its `{limit}` to {most}" if limit else "give fewer"
                raise InputError(f"{what} at most {most}; shorten it, or {cure}")
            if size < least:
                raise InputError(f"{what} at least {least}; give more")


def check_names(task: str, known: Collection[str], given: Collection[str]) -> None:
    """Raise InputError where inputs are given that a task does not have, or some of its own are missing."""
    missing = [name for name in known if name not in given]
    unexpected = [name for name in given if name not in known]
    if unexpected:
        raise unknown("input", unexpected, known, f"task `{task}`", likely=missing)
    if missing:
        shown = " and ".join(f"`{name}`" for name in missing)
        raise InputError(f"task `{task}` needs the input {shown}; it takes {', '.join(known)}")


def written_symbols(types: Mapping[str, Mapping[str, PortType]]) -> dict[Symbol, str]:
    """The symbols of the host ports of all inputs, each with a name for people: `N` for `N@video`.

    Two that are not one size have two names: the second is `N_2`.
    """
    names: dict[Symbol, str] = {}
    every = (dim for ports in types.values() for found in ports.values() for dim in found.dims)
    for symbol in (symbol for dim in every for symbol in dim.symbols):
        if symbol not in names:
            bare, number = symbol.name, 2
            name = bare
            while name in names.values():
                name, number = f"{bare}_{number}", number + 1
            names[symbol] = name
    return names


def _shape(value: Any) -> tuple[int, ...]:
    """The sizes of an array; a list has its length."""
    return tuple(value.shape) if hasattr(value, "shape") else (len(value),)
