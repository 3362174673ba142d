"""What can stand in a flow: the calls of module types and the inputs of modalities, with their sizes left open.

A signature is a function of numbers. Which config field a dimension follows is found by trying: with twice the value
of `hidden`, the dimension that was `hidden` is twice as large, too. Such a dimension becomes a symbol of the field,
so that the checker's solver can say which fields of which modules have to be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from pydantic import ValidationError

from composer.plugin import Config, Modality, ModuleType
from composer.plugin.answers import as_instance, as_ports, as_signature
from composer.plugin.asking import ask
from composer.problems import ComposerError
from composer.types import Dim, Port, PortType, Signature, Symbol

__all__ = [
    "Offered",
    "OfferedInput",
    "calls_of",
    "config_of",
    "field_symbol",
    "input_with",
    "is_narrow",
    "offered_calls",
    "offered_input",
]

Ports = Mapping[str, PortType]
FACTORS = (2, 3)


def field_symbol(name: str, owner: str) -> Symbol:
    """The size that a config field holds; it is the same in every call of the module."""
    return Symbol(name, owner, lasting=True)


@dataclass(frozen=True, eq=False)
class Offered:
    """One way to call a module type, with the smallest config that it takes."""

    type: ModuleType
    method: str
    with_: Mapping[str, object]
    options: Mapping[str, object]
    signature: Signature
    """With symbols of config fields in place of the numbers that follow them."""
    fields: Mapping[str, int]
    """Those fields, with the values that they have as it is."""
    required: tuple[str, ...] = field(init=False)
    read_kinds: frozenset[str] = field(init=False)
    """Those of the ports that are required."""
    keeps: bool = field(init=False)
    """Whether it gives what it takes, whatever that is: it leads nowhere."""

    def __post_init__(self) -> None:
        inputs = self.signature.inputs
        required = tuple(name for name, port in inputs.items() if not port.optional)
        taken = {inputs[name].type.kind for name in required}
        given = [port.type for port in self.signature.outputs.values()]
        narrow = any(is_narrow(port) for port in (*given, *(inputs[name].type for name in required)))
        object.__setattr__(self, "required", required)
        object.__setattr__(self, "read_kinds", frozenset(taken))
        object.__setattr__(self, "keeps", not narrow and {port.kind for port in given} <= taken)

    @property
    def generates(self) -> bool:
        return self.method == "generate"

    @property
    def text(self) -> str:
        """How messages and keys call it."""
        return self.type.id if self.method == "forward" else f"{self.type.id}.{self.method}"


@dataclass(frozen=True, eq=False)
class OfferedInput:
    """A modality with the smallest config that it takes."""

    modality: Modality
    with_: Mapping[str, object]
    ports: Ports
    fields: Mapping[str, int]


def offered_calls(types: Iterable[ModuleType], modalities: Iterable[str]) -> tuple[Offered, ...]:
    """Every call of the types that has a signature of its own, those for training alone apart. What a plugin fails to
    answer is left out.
    """
    preferred = frozenset(modalities)
    return tuple(call for entry in types if not entry.for_training for call in calls_of(entry, preferred))


def offered_input(modality: Modality) -> OfferedInput:
    """A modality as an input. Raises ComposerError where it takes none of its own examples."""
    for with_ in _withs(modality.config, modality.examples):
        found = input_with(modality, with_)
        if found is not None:
            return found
    raise ComposerError(f"{modality.title} takes neither its defaults nor one of its examples")


def input_with(modality: Modality, with_: Mapping[str, object]) -> OfferedInput | None:
    """A modality as an input with this config; None where it refuses that."""

    def ports(config: Config) -> Ports:
        return ask(modality.ports, config, what=f"`ports` of {modality.title}", accept=as_ports)

    try:
        found, fields = _opened(modality.config, with_, ports, modality.id)
    except ComposerError:
        return None
    return OfferedInput(modality, with_, found, fields)


def calls_of(entry: ModuleType, preferred: frozenset[str] = frozenset()) -> Iterator[Offered]:
    """Every call of one type that has a signature of its own; of equal ones that whose method is `preferred`."""
    chosen: dict[str, Offered] = {}
    for with_ in _withs(entry.config, entry.examples):
        for name, method in entry.methods.items():
            call = _offered(entry, name, with_, method.signature, method.options)
            if call is not None:
                same = str((call.signature.inputs, call.signature.outputs))
                if (
                    same not in chosen or name in preferred
                ):  # of equal methods, the one named after what it reads
                    chosen[same] = call
        if entry.generation is not None:
            generation = entry.generation
            call = _offered(entry, "generate", with_, generation.signature, generation.options)
            if call is not None:
                chosen["generate"] = call
        if chosen:
            break
    return iter(chosen.values())


def _offered(
    entry: ModuleType,
    name: str,
    with_: Mapping[str, object],
    function: Callable[..., object],
    options: type[Config] | None,
) -> Offered | None:
    found: list[Signature] = []
    for given in ({}, {"max_tokens": 8}) if name == "generate" else ({},):
        try:
            more = () if options is None else (config_of(options, given),)

            def signature(config: Config, more: tuple[Config, ...] = more) -> Signature:
                return ask(function, config, *more, what=entry.title, accept=as_signature(config))

            def ports(config: Config, of: Callable[[Config], Signature] = signature) -> Ports:
                found.append(of(config))
                return _ports_of(found[-1])

            opened, fields = _opened(entry.config, with_, ports, entry.id, lambda: found[0].fixed)
        except ComposerError:
            found.clear()
            continue
        whole = _with_ports(found[0], opened)
        return Offered(entry, name, with_, given, whole, fields)
    return None


def _withs(model: type[Config], examples: Iterable[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    """What may stand under `with`: what must be there, then whole examples."""
    examples = tuple(examples) or ({},)
    needed = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    shortest = {name: value for name, value in examples[0].items() if name in needed}
    yield shortest
    yield from (example for example in examples if example != shortest)


def config_of(model: type[Config], with_: Mapping[str, object]) -> Config:
    """A config; raises ComposerError where the model refuses it."""
    try:
        return ask(
            partial(model.model_validate, dict(with_)),
            what="a config",
            accept=as_instance(model, f"a `{model.__name__}`"),
            passing=(ValidationError,),
        )
    except ValidationError as error:
        raise ComposerError(str(error)) from error


def _opened(
    model: type[Config],
    with_: Mapping[str, object],
    ports: Callable[[Config], Ports],
    owner: str,
    fixed: Callable[[], Mapping[str, str]] = dict,
) -> tuple[Ports, dict[str, int]]:
    """The ports with symbols in place of numbers that follow a field, and these fields with their values."""
    config = config_of(model, with_)
    found = dict(ports(config))
    names = {name: field_symbol(of, owner) for name, of in fixed().items()}
    opened = {key: _renamed(port, names) for key, port in found.items()}
    fields: dict[str, int] = {}
    for name in model.model_fields:
        value = getattr(config, name, None)
        if type(value) is not int or value < 1:
            continue
        for factor in FACTORS:
            try:
                other = ports(config_of(model, {**with_, name: value * factor}))
            except ComposerError:
                continue
            symbol = Dim.of(field_symbol(name, owner))
            for key in found.keys() & other.keys():
                opened[key] = _followed(opened[key], found[key], other[key], value, factor, symbol)
            if any(field_symbol(name, owner) in d.symbols for p in opened.values() for d in p.dims):
                fields[name] = value
            break
    return opened, fields


def _followed(
    opened: PortType, before: PortType, after: PortType, value: int, factor: int, symbol: Dim
) -> PortType:
    """The port with the field's symbol where a dimension is its value, and a free one where it depends on it."""
    dims = list(opened.dims)
    for index, (old, new) in enumerate(zip(before.dims, after.dims, strict=False)):
        if old != new and old.is_number and new.is_number:
            follows = (old.constant, new.constant) == (value, value * factor)
            dims[index] = symbol if follows else Dim.of(f"made_{index}")
    return opened.with_dims(tuple(dims))


def _renamed(port: PortType, names: Mapping[str, Symbol]) -> PortType:
    return port.with_dims(tuple(d.renamed(lambda s: names.get(s) or s) for d in port.dims)) if names else port


def _ports_of(signature: Signature) -> Ports:
    inputs = {f"in {name}": port.type for name, port in signature.inputs.items()}
    return inputs | {f"out {name}": port.type for name, port in signature.outputs.items()}


def _with_ports(signature: Signature, ports: Ports) -> Signature:
    def with_type(side: str, declared: Mapping[str, Port]) -> dict[str, Port]:
        return {name: replace(port, type=ports[f"{side} {name}"]) for name, port in declared.items()}

    return Signature(with_type("in", signature.inputs), with_type("out", signature.outputs), signature.ranges)


def is_narrow(port: PortType) -> bool:
    """Whether a port says more than its kind: `states:text`."""
    return bool(port.role) and not port.has_open_role
