"""What implementations offer each other while a model runs, as types: a decoder, its cache, a search and what it finds.

Whoever uses a value of these types may rely on nothing else of it: a compiled artifact brings a cache of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from composer.plugin.asking import PluginError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Cache", "DecoderStep", "Hypothesis", "SearchPolicyImplementation", "as_policy", "held_hypotheses"]


class Cache(Protocol):
    """What a decoder remembers of a search, one row per sample and one entry per beam in it."""

    @property
    def device(self) -> torch.device:
        """Where the next ids are expected."""

    def reorder(self, parents: Tensor) -> Cache:
        """The cache in which beam `k` of sample `b` goes on from its beam `parents[b, k]`."""

    def select(self, rows: Tensor) -> Cache:
        """The cache of the samples `rows[R]` alone, in that order."""


DecoderStep = Callable[["Tensor", Any], "tuple[Tensor, Any]"]
"""`step(ids[B, K], cache) -> (logits[B, K, V], cache)`."""


class Hypothesis(Protocol):
    """One generated text: its ids with the start token, and its score."""

    @property
    def ids(self) -> Sequence[int]: ...

    @property
    def score(self) -> float: ...


class SearchPolicyImplementation(Protocol):
    """What a search policy's `implementation(options=, start=, end=, pad=)` gives. It knows nothing of decoders."""

    def search(self, step: DecoderStep, cache: Cache, batch: int) -> Sequence[Sequence[Hypothesis]]:
        """Every sample's hypotheses, best first, at least one each."""

    def stream(self, step: DecoderStep, cache: Cache) -> Iterator[int]:
        """The tokens of one sample as they are found; the end token ends the iteration and is not given."""


def as_policy(answer: Any) -> SearchPolicyImplementation:
    """For `ask`: an object that searches. Raises TypeError for another."""
    if not callable(getattr(answer, "search", None)):
        raise TypeError("an object with the method `search` is expected")
    policy: SearchPolicyImplementation = answer
    return policy


def held_hypotheses(found: Any, batch: int, what: str) -> Sequence[Sequence[Hypothesis]]:
    """What a search gave for `batch` samples, where it is what the contract says. Raises PluginError otherwise."""
    if not isinstance(found, (list, tuple)) or len(found) != batch:
        count = f"{len(found)} lists" if isinstance(found, (list, tuple)) else f"a {type(found).__name__}"
        raise PluginError(
            what, f"gives {count} where a list of hypotheses for each of {batch} samples is expected"
        )
    for each in found:
        if not isinstance(each, (list, tuple)) or not each:
            raise PluginError(what, "gives no hypothesis for a sample; at least one is expected")
        if not all(hasattr(one, "ids") and hasattr(one, "score") for one in each):
            raise PluginError(what, f"gives a {type(each[0]).__name__} where `ids` and `score` are expected")
    return found
