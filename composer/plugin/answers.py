"""What plugin functions answer, read and held to its form: for `ask`, as `accept`.

Each reader gives the value to use, or raises TypeError or ValueError that says what would be right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from composer.plugin.declarations import Rule, Vocabulary
from composer.types import Dim, Port, PortType, Signature, VocabularyIds

__all__ = [
    "as_adapter_config",
    "as_beams",
    "as_flag",
    "as_instance",
    "as_made_for",
    "as_map",
    "as_names",
    "as_output_ports",
    "as_ports",
    "as_ranges",
    "as_rules",
    "as_signature",
    "as_vocabularies",
    "as_vocabulary",
]


T = TypeVar("T")


def as_signature(config: object) -> Callable[[object], Signature]:
    """A reader of signatures whose every part is what it should be, for a config."""

    def read(answer: object) -> Signature:
        signature = _signature(answer)
        for symbol, field in signature.fixed.items():
            if not isinstance(field, str) or not hasattr(config, field):
                raise ValueError(f"`fixed` gives {field!r} for {symbol}, which is not a field of the config")
        return signature

    return read


def _signature(answer: object) -> Signature:
    if not isinstance(answer, Signature):
        raise TypeError("a Signature is expected")
    for ports in (answer.inputs, answer.outputs):
        for name, port in ports.items():
            _hold_port(name, port.type)
    as_ranges(answer.ranges)
    return answer


def _is_range(bounds: Any) -> bool:
    whole = isinstance(bounds, (tuple, list)) and len(bounds) == 2
    return whole and all(isinstance(end, int) for end in bounds)


def as_output_ports(answer: Any) -> dict[str, PortType]:
    """Port types by name: what a search policy's `ports` gives, perhaps none."""
    return as_ports(answer) if as_map(answer) else {}


def as_ports(answer: Any) -> dict[str, PortType]:
    """Port types by name: what a modality's `ports` and `host` give. There is at least one."""
    ports = {name: Port.of(value).type for name, value in as_map(answer).items()}
    if not ports:
        raise ValueError("at least one port is expected")
    for name, port in ports.items():
        _hold_port(name, port)
    return ports


def as_made_for(answer: Any) -> dict[str, dict[str, Any]]:
    """Values of a modality's config by its id: what a module type's `made_for` gives."""
    return {str(modality): dict(as_map(values)) for modality, values in as_map(answer).items()}


def _hold_port(name: object, port: object) -> None:
    if not isinstance(name, str) or not name:
        raise TypeError(f"a port is called {name!r}; a name is expected")
    whole = isinstance(port, PortType) and all(isinstance(dim, Dim) for dim in port.dims)
    if not whole:
        raise TypeError(f"port {name} is {port!r}; a port type such as `states[B, N, 64]` is expected")


def as_map(answer: object) -> Mapping[Any, Any]:
    """A map, such as ports by name."""
    if not isinstance(answer, Mapping):
        raise TypeError("a map by name is expected")
    return answer


def as_names(answer: object) -> tuple[str, ...]:
    """Names, perhaps none, such as those of fields of a config."""
    if not isinstance(answer, (tuple, list)) or not all(isinstance(name, str) for name in answer):
        raise TypeError("a tuple of names is expected")
    return tuple(answer)


def as_vocabulary(answer: object) -> Vocabulary:
    """What a decoder writes, its special ids being numbers."""
    if not isinstance(answer, Vocabulary):
        raise TypeError("a `Vocabulary` is expected")
    for name in ("start", "end", "pad"):
        if not isinstance(getattr(answer, name), int):
            raise ValueError(f"`{name}` is {getattr(answer, name)!r}; the id of a token is expected")
    if not isinstance(answer.stop, tuple) or not all(isinstance(id, int) for id in answer.stop):
        raise ValueError(f"`stop` is {answer.stop!r}; a tuple of ids is expected")
    if not isinstance(answer.modality, str) or not isinstance(answer.config, Mapping):
        raise TypeError("the id of a modality and a map as its config are expected")
    return answer


def as_vocabularies(answer: object) -> Mapping[str, VocabularyIds]:
    """The vocabularies that ports carry, by their names."""
    found = as_map(answer)
    if not all(isinstance(ids, VocabularyIds) for ids in found.values()):
        raise TypeError("a `VocabularyIds` for each port is expected")
    return found


def as_ranges(answer: object) -> Mapping[str, tuple[int, int]]:
    """The sizes that symbols can take."""
    found = as_map(answer)
    for symbol, bounds in found.items():
        if not _is_range(bounds):
            raise ValueError(f"the range of {symbol} is {bounds!r}; two whole numbers are expected")
    return found


def as_beams(answer: object) -> int:
    """How many texts a search follows."""
    if not isinstance(answer, int) or isinstance(answer, bool) or answer < 1:
        raise ValueError("a whole number from 1 on is expected")
    return answer


def as_flag(answer: object) -> bool:
    """Yes or no."""
    if not isinstance(answer, bool):
        raise TypeError("True or False is expected")
    return answer


def as_rules(answer: object) -> tuple[Rule, ...]:
    """The rules of a layout."""
    if not isinstance(answer, (tuple, list)) or not all(isinstance(rule, Rule) for rule in answer):
        raise TypeError("a tuple of `Rule`s is expected")
    return tuple(answer)


def as_adapter_config(answer: object) -> dict[str, object] | None:
    """The config of an adapter as a document can write it, or None where there is none."""
    if answer is None:
        return None
    config = dict(as_map(answer))
    json.dumps(config, allow_nan=False)
    return config


def as_instance(expected: type[T], form: str) -> Callable[[object], T]:
    """A reader of instances of a class; `form` says what is expected, such as "a torch module"."""

    def read(answer: object) -> T:
        if not isinstance(answer, expected):
            raise TypeError(f"{form} is expected")
        return answer

    return read
