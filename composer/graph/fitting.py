"""What makes an edge fit: roles that go together; and what does not fit of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from composer.graph.explaining import Edge
from composer.graph.solver import Refused

__all__ = ["Roles", "Unfit", "swapped_pair"]


@dataclass
class Roles:
    """The roles of one call. A port without a role says nothing: it takes any, and gives none."""

    known: dict[str, str] = field(default_factory=dict)
    """Open role of the signature (`K`) to the role that came in."""

    def taken(self, wanted: str, given: str) -> str | None:
        """Take a role in; the role that should have come where it is another."""
        if not wanted or not given:
            return None
        if wanted[0].isupper():
            wanted = self.known.setdefault(wanted, given)
        return None if wanted == given else wanted

    def given(self, declared: str) -> str:
        """The role of an output. `K+M` is the role that both have, and none where they differ."""
        if not declared or not declared[0].isupper():
            return declared
        found = {self.known.get(name, "") for name in declared.split("+")}
        return found.pop() if len(found) == 1 else ""


@dataclass(frozen=True)
class Unfit:
    """An edge that does not fit: in its kind, in its role, or in the dimensions at `indices`."""

    edge: Edge
    indices: tuple[int, ...] = ()
    is_role: bool = False
    refused: Refused | None = None
    """The last value that lies outside the range of what it should be."""


def swapped_pair(unfit: Sequence[Unfit]) -> tuple[Unfit, Unfit] | None:
    """Two edges of one node of which each has the role that the other should have."""
    for position, one in enumerate(unfit):
        for other in unfit[position + 1 :]:
            if not (one.is_role and other.is_role):
                continue
            roles = (one.edge.given.role, one.edge.wanted.role)
            if roles == (other.edge.wanted.role, other.edge.given.role):
                return one, other
    return None
