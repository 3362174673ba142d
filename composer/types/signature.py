"""Signatures: the typed inputs and outputs of one method of a module type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from composer.types.dims import UNBOUNDED
from composer.types.ports import Port, PortType

__all__ = ["Signature"]


@dataclass(frozen=True)
class Signature:
    """Input and output ports by name. Symbols (`B`, `N`) are local to the signature and shared by its ports.

    Values may be written as strings: `Signature({"states": "states[B, N, 768]"}, {"states": "states[B, N, 768]"})`.
    A trailing `?` marks an optional input, a trailing `*` an input that takes a list of sources.
    `ranges` narrows a symbol: `{"L": (1, 512)}`, both ends included. `fixed` names symbols that the module's weights
    fix, with the config field that holds their value: every call of the module must agree, and where the config leaves
    the field unset (None) the checker fills in what the calls agree on.
    `vocabulary` says of an input of ids how many it knows, as a number or a dim (`{"tokens": config.vocabulary}`,
    `{"labels": "V"}`), and of an output of ids which inputs they come from: `{"masked": "tokens"}`,
    `{"joined": "first + second"}`.
    `classes` says of an input of scores what the module calls their classes: `{"scores": ("cat", "dog")}`.
    """

    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    vocabulary: Mapping[str, int | str] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __init__(
        self,
        inputs: Mapping[str, Port | PortType | str],
        outputs: Mapping[str, Port | PortType | str],
        ranges: Mapping[str, tuple[int, int]] | None = None,
        fixed: Mapping[str, str] | None = None,
        vocabulary: Mapping[str, int | str] | None = None,
        classes: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        object.__setattr__(self, "inputs", {name: _port(value) for name, value in inputs.items()})
        object.__setattr__(self, "outputs", {name: _port(value) for name, value in outputs.items()})
        joined = [name for name, port in self.inputs.items() if "+" in port.type.role]
        if joined:
            raise ValueError(f"input {joined[0]}: roles are joined in outputs alone")
        object.__setattr__(self, "ranges", dict(ranges or {}))
        object.__setattr__(self, "fixed", dict(fixed or {}))
        object.__setattr__(self, "vocabulary", dict(vocabulary or {}))
        object.__setattr__(self, "classes", dict(classes or {}))

    def limits(self, symbol: str) -> tuple[int, int]:
        """The sizes that a symbol may have, both ends included."""
        return self.ranges.get(symbol, (1, UNBOUNDED))


def _port(value: Port | PortType | str) -> Port:
    if isinstance(value, str) and value.endswith(("?", "*")):
        return Port.of(value[:-1], optional=value.endswith("?"), many=value.endswith("*"))
    return Port.of(value)
