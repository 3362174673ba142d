"""Port types: what flows along an edge, written `kind[dims]`, e.g. `states[B, N, 1024]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from composer.types.dims import Dim
from composer.types.parsing import parse_dim

__all__ = ["Port", "PortType", "parse_port_type"]

_PORT_TYPE = re.compile(
    r"\s*(?P<kind>[a-z][\w.-]*)(?::(?P<role>[A-Za-z][\w-]*(?:\+[A-Za-z][\w-]*)*))?\s*(?:\[(?P<dims>[^\[\]]*)\])?\s*",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class PortType:
    """A registered kind with its dimensions, in the order in which the kind's fields use them.

    `role` narrows the kind by a name: `states:vision` connects to `states:vision` and to plain `states`, and not to
    `states:text`. In a signature a role with a capital letter, `states:K`, stands for whatever role comes in; an
    output `states:K+M` has the role that both have, and none where they differ.
    """

    kind: str
    dims: tuple[Dim, ...] = ()
    role: str = ""

    @property
    def name(self) -> str:
        """The kind with its role: `states:vision`."""
        return f"{self.kind}:{self.role}" if self.role else self.kind

    @property
    def has_open_role(self) -> bool:
        """Whether the role stands for whatever comes in."""
        return self.role[:1].isupper()

    def with_dims(self, dims: tuple[Dim, ...]) -> PortType:
        """The same kind and role with other dimensions."""
        return PortType(self.kind, dims, self.role)

    def with_role(self, role: str) -> PortType:
        """The same kind and dimensions with another role."""
        return self if role == self.role else PortType(self.kind, self.dims, role)

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.dims))}]" if self.dims else self.name


@lru_cache(maxsize=4096)
def parse_port_type(text: str) -> PortType:
    """Read `"states:vision[B, N + L, 1024]"`; raises ValueError that quotes the faulty part."""
    match = _PORT_TYPE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a port type: write kind[dims], e.g. states[B, N, 1024]")
    dims = match["dims"]
    parts = dims.split(",") if dims and dims.strip() else []
    return PortType(match["kind"], tuple(parse_dim(part.strip()) for part in parts), match["role"] or "")


@dataclass(frozen=True, slots=True)
class Port:
    """One named input or output of a method.

    `optional` inputs may stay unwired (the method receives None); a `many` input takes a list of sources and
    the method receives a tuple.
    """

    type: PortType
    optional: bool = False
    many: bool = False

    @staticmethod
    def of(value: Port | PortType | str, *, optional: bool = False, many: bool = False) -> Port:
        """Accept the short spellings that signatures use: a string or a bare port type."""
        if isinstance(value, Port):
            return value
        return Port(parse_port_type(value) if isinstance(value, str) else value, optional, many)
