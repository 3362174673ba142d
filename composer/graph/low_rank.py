"""Low-rank adapters and frozen weights as a document declares them: what a module's names match. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import Field

from composer.plugin import Config
from composer.problems import YamlPath

__all__ = ["CheckedAdapter", "LowRank", "matches", "unmatched", "within"]


class LowRank(Config):
    """A low-rank adapter: the product of two small matrices, added to the weight of each part that it adapts."""

    targets: list[str] = Field(min_length=1)
    """Parts of the module that are adapted: linear maps, convolutions and embeddings, by name, by the end of one
    (`query` is every `layers.N.attention.query`), or with `*` for any text."""
    rank: int = Field(default=8, ge=1)
    """Width between the two matrices."""
    alpha: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The product is scaled by `alpha / rank`; left out, by 1."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Part of the values that training leaves out before the first matrix."""


@dataclass(frozen=True)
class CheckedAdapter:
    """A declared adapter with its validated config."""

    name: str
    config: LowRank
    path: YamlPath


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern is a name, or the end of one after a dot; `*` in it stands for any text."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"*.{pattern}")


def within(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern matches a name, or a part that it is inside of."""
    return any(matches(outer, pattern) for outer in _around(name) for pattern in patterns)


def unmatched(patterns: Iterable[str], names: Iterable[str]) -> Iterator[str]:
    """The patterns that match none of the names and nothing around them."""
    known = {outer for name in names for outer in _around(name)}
    for pattern in patterns:
        if not any(matches(name, pattern) for name in known):
            yield pattern


def _around(name: str) -> Iterator[str]:
    """A name, and the parts that it is inside of: `a.b.c`, `a.b`, `a`."""
    while name:
        yield name
        name = name.rpartition(".")[0]
