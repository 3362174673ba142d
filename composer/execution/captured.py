"""A decoder's step as one CUDA graph: one launch for all kernels, since launching each takes longer than running it.

The cache lies in fixed places, which every step changes; the search sees it as a value that it may reorder. So this is
for searches that step from each cache once (`SearchPolicy.steps_once`). Whatever cannot be captured runs as it is.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from composer.plugin import DecoderStep

__all__ = ["CapturedCache", "CapturedSteps", "capture"]

LOG = logging.getLogger(__name__)
MOST_SHAPES = 8
"""Shapes of caches that stay captured for one decoder; each has a cache of its own in memory."""
WARMING = 2
"""Runs before a capture, in which libraries make what they keep."""

Replay = Callable[[], Tensor]
"""Runs what was captured; the tensor that it gives is the same one each time."""


def capture(run: Replay, device: torch.device) -> Replay:
    """Run a function on tensors of a GPU as one CUDA graph from now on. Raises RuntimeError where it cannot be one."""
    with torch.cuda.device(device):
        beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(beside):
            for _ in range(WARMING):
                run()
        torch.cuda.current_stream(device).wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            graph, capture_error_mode="thread_local"
        ):  # other threads go on with what they do
            result = run()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


class CapturedCache:
    """A cache in fixed places, as a search sees it: reordering is only noted, and the next step does it."""

    def __init__(self, owner: _Captured, number: int, parents: Tensor | None = None) -> None:
        self.owner = owner
        self.number = number
        self.parents = parents

    @property
    def device(self) -> torch.device:
        return self.owner.ids.device

    def reorder(self, parents: Tensor) -> CapturedCache:
        """Beam k of sample b goes on from beam parents[b, k] (parents[B, K] int64)."""
        chosen = parents if self.parents is None else self.parents.gather(1, parents)
        return CapturedCache(self.owner, self.number, chosen)

    def select(self, rows: Tensor) -> Any:
        """The samples `rows`[R] (int64) alone, in a cache of the decoder's own: it is searched as it is."""
        return self.owner.value(self).select(rows)


class _Captured:
    """The step of a decoder at one shape of its cache."""

    def __init__(self, decoder: Any, cache: Any, ids: Tensor) -> None:
        leaves, self.spec = tree_flatten(cache)
        self.decoder = decoder
        self.places: list[Tensor | None] = [None if leaf is None else leaf.clone() for leaf in leaves]
        self.ids = ids.clone()
        self.same = torch.arange(ids.shape[1], device=ids.device).repeat(ids.shape[0], 1)
        self.parents = self.same.clone()
        self.number = 0
        self.replay = capture(self._run, ids.device)

    def _run(self) -> Tensor:
        cache = tree_unflatten(self.places, self.spec)
        if self.ids.shape[1] > 1:
            cache = cache.reorder(self.parents)
        logits: Tensor
        logits, after = self.decoder.step(self.ids, cache)
        if tree_flatten(after)[1] != self.spec:
            raise RuntimeError("its cache changes its form from step to step")
        changed = []
        for place, leaf in zip(self.places, tree_leaves(after), strict=True):
            if not _fits(place, leaf):
                raise RuntimeError(
                    "a tensor of its cache comes, goes, grows or changes its format from step to step"
                )
            if place is not None and leaf is not place:
                changed.append((place, leaf))
        held = {place.untyped_storage()._cdata for place in self.places if place is not None}
        # A leaf that is a view of another's place is read before that is written.
        apart = [
            (place, leaf.clone() if leaf.untyped_storage()._cdata in held else leaf)
            for place, leaf in changed
        ]
        for place, leaf in apart:
            place.copy_(leaf)
        return logits

    def fill(self, leaves: Sequence[Tensor | None]) -> CapturedCache:
        """Begin a search: the leaves of its first cache are put into their places."""
        for place, leaf in zip(self.places, leaves, strict=True):
            if place is not None and leaf is not None:
                place.copy_(leaf)
        self.number += 1
        return CapturedCache(self, self.number)

    def step(self, ids: Tensor, cache: CapturedCache) -> tuple[Tensor, CapturedCache]:
        """ids[B, K] → logits[B, K, V], and the cache with these tokens in it."""
        self._hold(cache)
        self.ids.copy_(ids)
        self.parents.copy_(self.same if cache.parents is None else cache.parents)
        logits = self.replay().clone()  # the next step writes over it, and a search may keep it
        self.number += 1
        return logits, CapturedCache(self, self.number)

    def value(self, cache: CapturedCache) -> Any:
        """What a cache in these places holds, as the decoder's own."""
        self._hold(cache)
        copied = [None if place is None else place.clone() for place in self.places]
        own = tree_unflatten(copied, self.spec)
        return own if cache.parents is None else own.reorder(cache.parents)

    def _hold(self, cache: CapturedCache) -> None:
        if cache.number != self.number:
            raise RuntimeError(
                "a search that says `steps_once` went on from a cache that it had stepped from before"
            )


def _fits(place: Tensor | None, leaf: object) -> bool:
    """Whether what a step gave can lie where the value before it lay."""
    if place is None or not isinstance(leaf, Tensor):
        return place is leaf
    return (place.shape, place.dtype) == (leaf.shape, leaf.dtype)


class _Lease:
    """What one search steps with; its places are free again when nothing holds it any more."""

    def __init__(self, captured: _Captured) -> None:
        self.captured = captured

    def step(self, ids: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """One step, captured unless the search has left the places."""
        if isinstance(cache, CapturedCache):
            if ids.shape == self.captured.ids.shape:
                return self.captured.step(ids, cache)
            cache = self.captured.value(cache)
        logits, after = self.captured.decoder.step(ids, cache)
        return logits, after


class CapturedSteps:
    """The captured steps of one decoder, by the shapes of their caches. Thread-safe: a search has its places alone."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder
        self._known: OrderedDict[object, _Captured | None] = OrderedDict()
        self._lent: dict[object, weakref.ref[_Lease]] = {}
        self._lock = threading.Lock()

    def begin(self, cache: Any, *, batch: int, beams: int) -> tuple[DecoderStep, Any]:
        """The step and the cache to search with: captured ones, or the decoder's own where that is not possible."""
        leaves, spec = tree_flatten(cache)
        if not all(leaf is None or isinstance(leaf, Tensor) for leaf in leaves):
            return self.decoder.step, cache
        key = (
            batch,
            beams,
            repr(spec),
            *(leaf if leaf is None else (leaf.shape, leaf.dtype) for leaf in leaves),
        )
        with self._lock:
            captured = self._captured(key, cache, batch, beams)
            lent = self._lent.get(key)
            if captured is None or (lent is not None and lent() is not None):
                return self.decoder.step, cache
            lease = _Lease(captured)
            self._lent[key] = weakref.ref(lease)
        return lease.step, captured.fill(leaves)

    def _captured(self, key: object, cache: Any, batch: int, beams: int) -> _Captured | None:
        if key not in self._known:
            ids = torch.zeros(batch, beams, dtype=torch.int64, device=cache.device)
            try:
                self._known[key] = _Captured(self.decoder, cache, ids)
            except RuntimeError as error:  # a step that reads its numbers, or whose cache grows
                told = str(error).partition("\n")[0]
                LOG.info("the steps of a %s run as they are: %s", type(self.decoder).__name__, told)
                self._known[key] = None
            while len(self._known) > MOST_SHAPES:
                oldest, _ = self._known.popitem(last=False)
                self._lent.pop(oldest, None)
        self._known.move_to_end(key)
        return self._known[key]
