"""Derivations: why a dimension has its value, as a chain of places, and which config value would change it.

A signature is a function of its config. To learn which value forced a dimension, the function is asked again with one
value changed: what moves the dimension is a cause. The same question gives the hint, by solving for the value that
would fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from composer.graph.checked import Callee, CheckedInput, Generate, InPlace, Read
from composer.language import Tree, key_of_parameter
from composer.plugin import Modality
from composer.plugin.answers import as_ports, as_ranges, as_signature
from composer.plugin.asking import ask
from composer.problems import ComposerError, Note, Place, YamlPath
from composer.types import UNBOUNDED, Dim, Kind, PortType, Signature, Symbol

__all__ = [
    "Cause",
    "Derivation",
    "Owner",
    "entries_port",
    "first_cause",
    "owner_of_call",
    "owner_of_input",
    "range_port",
    "ranges_of",
]


RANGE = "^"
"""Begins the names of ports that stand for the sizes of a symbol."""
MAX_DEPTH = 40
"""Nodes that a chain of causes goes back."""


@dataclass(frozen=True)
class Owner:
    """Whatever has a config and ports: a module's method, or a modality. `ports(config)` gives port types by name."""

    title: str
    config: Any
    ports: Callable[[Any], Mapping[str, PortType]]
    path: YamlPath
    module: str = ""
    """Name of the declared module, whose weights may fix symbols for all its calls (`D@@module`)."""
    method: str = ""
    """The method whose ports these are, where nothing but the config decides on them."""


def owner_of_input(item: CheckedInput, kinds: Mapping[str, Kind]) -> Owner:
    """The ports that an input would have under another config, with the sizes that it brings."""
    modality, several = item.modality, item.several

    def ports(config: object) -> dict[str, PortType]:
        declared = ask(modality.ports, config, what=modality.title, accept=as_ports)
        repeated = declared if several is None else several.ports(declared, kinds)
        return dict(repeated) | _bounds(ranges_of(modality, config))

    return Owner(f"input {item.name}", item.config, ports, item.path)


def owner_of_call(callee: Callee) -> Owner:
    """The ports that what a node calls would have under another config, with the sizes and ids that it takes."""
    module = callee.module
    if isinstance(callee, Generate):
        function = callee.decoding.generation.signature
    else:
        function = module.type.methods[callee.method].signature
    options = (callee.options,) if callee.options is not None else ()

    def ports(config: object) -> dict[str, PortType]:
        accept = as_signature(config)
        signature = ask(function, config, *options, what=module.type.title, accept=accept)
        found = {name: port.type for name, port in signature.outputs.items()}
        found |= {f">{name}": port.type for name, port in signature.inputs.items()}
        return found | _bounds(signature.ranges) | _known(signature)

    method = callee.method if callee.options is None else ""
    return Owner(_title(callee), module.config, ports, module.path, module.name, method)


def ranges_of(modality: Modality, config: object) -> Mapping[str, tuple[int, int]]:
    """The sizes that a modality brings: symbol → smallest and largest."""
    if modality.ranges is None:
        return {}
    return ask(modality.ranges, config, what=f"`ranges` of {modality.title}", accept=as_ranges)


def _title(callee: Callee) -> str:
    """What messages call the owner of a config that a node reads."""
    if isinstance(callee, Read):
        return f"node {callee.module.name}"
    return callee.module.type.id if isinstance(callee, InPlace) else callee.module.name


def _bounds(ranges: Mapping[str, tuple[int, int]]) -> dict[str, PortType]:
    """Ranges as ports of an `Owner`, so that the config field behind one can be asked for."""
    return {range_port(symbol): PortType("scalar", tuple(map(Dim, ends))) for symbol, ends in ranges.items()}


def _known(signature: Signature) -> dict[str, PortType]:
    """How many ids each input knows, as ports of an `Owner`."""
    return {
        entries_port(port): PortType("labels", (Dim(entries),))
        for port, entries in signature.vocabulary.items()
        if isinstance(entries, int)
    }


@dataclass(frozen=True)
class Cause:
    """A config field that forces a dimension."""

    owner: Owner
    field: str
    value: int
    port: str
    index: int
    dim: Dim
    """What the dimension is."""

    def notes(self, tree: Tree, parameter_places: Mapping[str, Place], dim_name: str) -> Iterator[Note]:
        """The places that set the field: its value, and the parameter behind it."""
        where = self.path
        taken = (*self.owner.path, "for")
        if tree.node(where) is None and tree.node(taken) is not None:
            said = f"{self.owner.title}: {self.field} is {self.value}, as `{tree.text(taken)}` was made for"
            yield Note(tree.place(taken), said)
            return
        if tree.node(where) is None:
            yield Note(
                tree.place(self.owner.path, key=True),
                f"{self.owner.title}: {self.field} is {self.value} by default",
            )
            return
        unlimited = self.dim.is_number and self.dim.constant >= UNBOUNDED
        said = f"{self.owner.title} has no limit" if unlimited else f"{dim_name} is {self.dim}"
        yield Note(tree.place(where), f"{said} because of this")
        text = tree.text(where)
        key = key_of_parameter(text, where, parameter_places)
        if key is not None:
            yield Note(
                parameter_places[key], f"{text} is {self.value}" + (" in this use" if "/" in key else "")
            )

    @property
    def path(self) -> YamlPath:
        """Where the field stands in the document: `media.image` is an entry of a map."""
        return (*self.owner.path, "with", *self.field.split("."))

    def value_for(self, target: int) -> int | None:
        """The field's value with which the dimension would be `target`, if there is one."""
        here = self._at(self.value)
        if here is None:
            return None
        guesses = [target]
        for step in (1, self.value):
            there = self._at(self.value + step)
            if there is not None and there != here and (target - here) * step % (there - here) == 0:
                guesses.append(self.value + (target - here) * step // (there - here))
        return next((g for g in guesses if g > 0 and g != self.value and self._at(g) == target), None)

    def _at(self, value: int) -> int | None:
        dim = _with_value(self.owner, self.field, value, self.port, self.index)
        return dim.constant if dim is not None and dim.is_number else None


@dataclass
class Derivation:
    """Collects the causes of dimensions along the edges of one task."""

    tree: Tree
    owners: Mapping[str, Owner]
    bindings: Mapping[Symbol, tuple[tuple[str, str], int, YamlPath]]
    """Symbol (`N@node`) to the source port and dim that it was bound to, and the path of the reference that did it."""
    raw: Callable[[str, str], PortType | None]
    """Unsubstituted type of an output port, or (with a leading `>`) of an input port."""
    made: Collection[Symbol] = ()
    """Symbols of sizes that only a node knows."""
    _roots: dict[tuple[str, str, int], frozenset[YamlPath]] = field(default_factory=dict)

    def is_input(self, name: str) -> bool:
        """Whether an owner of symbols is an input of the task."""
        return name in self.owners and self.owners[name].title == f"input {name}"

    def causes(self, node: str, port: str, index: int, depth: int = 0) -> list[Cause | Note]:
        """What forced dim `index` of a port, nearest first: config fields, and the references it came along."""
        raw = self.raw(node, port)
        owner = self.owners.get(node)
        if raw is None or owner is None or depth > MAX_DEPTH:
            return []
        found: list[Cause | Note] = list(_fields(owner, port.removeprefix(">"), port.startswith(">"), index))
        for symbol in raw.dims[index].symbols:
            bound = self.bindings.get(Symbol(symbol.name, node))
            bound = bound or self.bindings.get(Symbol(symbol.name, owner.module, lasting=True))
            if bound is None:
                continue
            (source, source_port), source_index, reference = bound
            upstream = self.causes(source, source_port, source_index, depth + 1)
            if not found and depth == 0 and upstream:
                found.append(Note(self.tree.place(reference), "comes in here"))
            found.extend(upstream)
        return found

    def limit(self, node: str, port: str, index: int, depth: int = 0) -> Cause | None:
        """The config field that limits the size of dim `index` of a port, as near to an input as there is one."""
        raw, owner = self.raw(node, port), self.owners.get(node)
        if raw is None or owner is None or depth > MAX_DEPTH:
            return None
        for symbol in raw.dims[index].symbols:
            bound = None if port.startswith(">") else self.bindings.get(Symbol(symbol.name, node))
            found = None
            if bound is not None:
                (source, source_port), source_index, _ = bound
                found = self.limit(source, source_port, source_index, depth + 1)
            found = found or _limiting(owner, range_port(symbol))
            if found is not None:
                return found
        return None

    def roots(self, node: str, port: str, index: int) -> frozenset[YamlPath]:
        """What forced dim `index` of a port in the end: parameters, and config fields that read none."""
        key = (node, port, index)
        if key not in self._roots:
            causes = self.causes(node, port, index)
            self._roots[key] = frozenset(self._root(cause) for cause in causes if isinstance(cause, Cause))
        return self._roots[key]

    def _root(self, cause: Cause) -> YamlPath:
        where = cause.path
        text = self.tree.text(where)
        return ("parameter", text) if text is not None and text.startswith("$") else where


def _limiting(owner: Owner, name: str) -> Cause | None:
    """The config field behind the largest size of a range, or else behind the smallest."""
    return first_cause(owner, name, 1) or first_cause(owner, name, 0)


def range_port(symbol: str) -> str:
    """What `Owner.ports` calls the smallest and largest size of a symbol."""
    return f"{RANGE}{symbol}"


def entries_port(port: str) -> str:
    """What `Owner.ports` calls the number of ids that an input knows, so that its cause can be asked for."""
    return f"#{port}"


def first_cause(owner: Owner, name: str, index: int = 0) -> Cause | None:
    """The config field that moves a number of an owner, if there is one."""
    return next(_fields(owner, name, False, index), None)


def _fields(owner: Owner, port: str, incoming: bool, index: int) -> Iterator[Cause]:
    name = f">{port}" if incoming else port
    here = _dim_of(owner, owner.config, name, index)
    if here is None:
        return
    limits = name.startswith(RANGE)
    for field_name, value in _integers(owner.config, unset=limits):
        for other in (value + 1, value * 2):
            there = _with_value(owner, field_name, other, name, index)
            if there is not None and there != here:
                yield Cause(owner, field_name, value, name, index, here)
                break


def _integers(config: Any, *, unset: bool) -> Iterator[tuple[str, int]]:
    """Fields that hold a number; with `unset` also those that are null, which may stand for "no limit", as 0."""
    for name in type(config).model_fields:
        value = getattr(config, name)
        if type(value) is int:
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}.{key}", each) for key, each in value.items() if type(each) is int)
        elif value is None and unset:
            yield name, 0


def _with_value(owner: Owner, field: str, value: int, port: str, index: int) -> Dim | None:
    name, _, key = field.partition(".")
    changed = {**getattr(owner.config, name), key: value} if key else value
    return _dim_of(owner, owner.config.model_copy(update={name: changed}), port, index)


def _dim_of(owner: Owner, config: object, port: str, index: int) -> Dim | None:
    """A dimension of a port under a config; None where the plugin refuses or fails at a value that nobody wrote."""
    try:
        found = owner.ports(config).get(port)
    except ComposerError:  # it is only asked for a hint; what the document itself gives has been asked before
        return None
    return found.dims[index] if found is not None and index < len(found.dims) else None
