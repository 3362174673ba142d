"""Port types: what flows along an edge, written `kind[dims]`, e.g. `states[B, N, 1024]`; ports with none or several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from composer.types.dims import UNBOUNDED, Dim
from composer.types.kinds import Kind
from composer.types.parsing import parse_dim

__all__ = ["COUNTS", "ITEMS", "Port", "PortType", "Several", "parse_port_type"]

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


COUNTS = "counts"
"""The kind of what says how many values of another input each sample has."""
ITEMS = "items"
"""The port that says which values belong to each sample, and its kind."""


@dataclass(frozen=True)
class Several:
    """How many values of an input a sample may have, and the symbols that this needs.

    All values of a batch stand one after the other: `pixels[B, 3, 1, 32, 32]` becomes `pixels[P, 3, 1, 32, 32]`, and
    beside it `items[B, M]` holds the place among them of each sample's values, -1 where it has fewer.
    """

    least: int = 0
    most: int = UNBOUNDED
    values: str = "P"
    """The symbol that counts the values of the whole batch."""
    count: str = "M"
    """The symbol that counts the values of the sample with most of them; a number where that can be one alone."""

    @staticmethod
    def of(least: int, most: int, ports: Iterable[PortType]) -> Several:
        """With symbols that the ports do not have themselves."""
        taken = {symbol.name for port in ports for dim in port.dims for symbol in dim.symbols}
        free = [
            next(n for n in (letter, *(f"{letter}{i}" for i in range(2, 99))) if n not in taken)
            for letter in "PM"
        ]
        return Several(least, most, *free)

    def __str__(self) -> str:
        """`optional`, `0 to 3`, `1 or more`: how many values a sample may have, for people."""
        if (self.least, self.most) == (0, 1):
            return "optional"
        if self.most >= UNBOUNDED:
            return f"{self.least} or more"
        return f"{self.least} to {self.most}" if self.least < self.most else f"{self.most}"

    @property
    def may_be_absent(self) -> bool:
        return self.least == 0

    @property
    def is_list(self) -> bool:
        """Whether a sample may have more than one value, and is given as a list."""
        return self.most > 1

    @property
    def limits(self) -> tuple[int, int]:
        """The numbers that `count` may be: an empty place is there where no sample has a value."""
        return max(self.least, 1), self.most

    def ports(self, ports: Mapping[str, PortType], kinds: Mapping[str, Kind]) -> dict[str, PortType]:
        """The ports of the input, of those of its modality. Raises ValueError where these have not one common batch."""
        batches = {
            str(found): found
            for port in ports.values()
            if (kind := kinds.get(port.kind)) is not None and (found := kind.batch_of(port.dims)) is not None
        }
        batch = next(iter(batches.values()), None)
        if batch is None or len(batches) > 1 or not batch.is_symbol:
            raise ValueError(
                f"its ports have {' and '.join(batches) or 'no'} batch" + "es" * (len(batches) > 1)
            )
        if ITEMS in ports:
            raise ValueError(f"it has a port `{ITEMS}` of its own")
        own = {batch.symbols[0]: Dim.of(self.values)}
        count = Dim.of(self.count) if self.is_list else Dim(1)
        return {
            ITEMS: PortType(ITEMS, (batch, count)),
            **{
                name: port.with_dims(tuple(dim.substitute(own) for dim in port.dims))
                for name, port in ports.items()
            },
        }
