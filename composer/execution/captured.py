"""A step as one CUDA graph: one launch for all kernels, since launching each takes longer than running it.

What the step changes lies in fixed places. Whatever cannot be captured runs as it is, and the log says why.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from composer.problems import ComposerError

__all__ = [
    "Capture",
    "Captured",
    "CapturedStep",
    "Graphs",
    "Step",
    "Values",
    "capture",
    "capturing",
    "into_graph",
]

LOG = logging.getLogger(__name__)
MOST_SHAPES = 8
"""Shapes that stay captured of one step; each has places of its own in memory."""
WARMING = 2
"""Runs before a capture, in which libraries make what they keep."""

Values = Any
"""Tensors in records and tuples."""
Step = Callable[[Values], "tuple[Values, Tensor | None]"]
"""From values to those of the next step and perhaps a result."""
Replay = Callable[[], "Tensor | None"]
"""Runs what was captured; the tensor that it gives is the same one each time."""
Capture = Callable[[Replay, Callable[[], None], torch.device], Replay]
"""As `capture` below."""


def capture(run: Replay, begin: Callable[[], None], device: torch.device) -> Replay:
    """Run a function on tensors of a GPU as one CUDA graph from now on. Raises RuntimeError where it cannot be one.

    It runs a few times before; `begin` puts what it changes back to where it began.
    """
    with torch.cuda.device(device):
        beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(beside):
            for _ in range(WARMING):
                begin()
                run()
        torch.cuda.current_stream(device).wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            graph, capture_error_mode="thread_local"
        ):  # other threads go on with what they do
            result = run()

    def replay() -> Tensor | None:
        graph.replay()
        return result

    return replay


_HERE = threading.local()


def capturing() -> dict[object, object] | None:
    """Whether what this thread runs becomes part of a graph; then what parts of it keep, as long as the graph lives."""
    found: dict[object, object] | None = getattr(_HERE, "kept", None)
    return found


@contextmanager
def into_graph(kept: dict[object, object]) -> Iterator[None]:
    """What this thread runs meanwhile becomes part of a graph, which holds `kept`."""
    _HERE.kept = kept
    try:
        yield
    finally:
        _HERE.kept = None


class CapturedStep:
    """A step at one shape of its values, which lie in fixed places. Raises RuntimeError where it cannot be captured."""

    def __init__(self, step: Step, values: Values, capture: Capture) -> None:
        leaves, self.spec = tree_flatten(values)
        self.step = step
        self.kept: dict[object, object] = {}
        # Places that were made in inference mode could not be filled outside of it.
        with torch.inference_mode(False), torch.no_grad(), into_graph(self.kept):
            self.places: list[Tensor | None] = [None if leaf is None else leaf.clone() for leaf in leaves]
            device = next(place.device for place in self.places if place is not None)
            self.replay = capture(self._run, partial(self.fill, leaves), device)

    @property
    def values(self) -> Values:
        """What lies in the places, which the next step changes."""
        return tree_unflatten(self.places, self.spec)

    def fill(self, leaves: Sequence[Tensor | None]) -> None:
        """Begin anew: the leaves of first values are put into their places."""
        for place, leaf in zip(self.places, leaves, strict=True):
            if place is not None and leaf is not None:
                place.copy_(leaf)

    def _run(self) -> Tensor | None:
        after, result = self.step(self.values)
        if tree_flatten(after)[1] != self.spec:
            raise RuntimeError("its values change their form from step to step")
        changed = []
        for place, leaf in zip(self.places, tree_leaves(after), strict=True):
            if not _fits(place, leaf):
                raise RuntimeError(
                    "one of its tensors comes, goes, grows or changes its format from step to step"
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
        return result


def _fits(place: Tensor | None, leaf: object) -> bool:
    """Whether what a step gave can lie where the value before it lay."""
    if place is None or not isinstance(leaf, Tensor):
        return place is leaf
    return (place.shape, place.dtype) == (leaf.shape, leaf.dtype)


class Captured:
    """A captured step as one search has it; the places are free again when nothing holds this any more."""

    def __init__(self, captured: CapturedStep) -> None:
        self.captured = captured

    @property
    def values(self) -> Values:
        """What lies in the places now."""
        return self.captured.values

    @property
    def step(self) -> Step:
        """What was captured."""
        return self.captured.step

    def copied(self) -> Values:
        """What lies in the places now, as values that stay."""
        return tree_map(lambda place: None if place is None else place.clone(), self.captured.values)

    def __call__(self) -> Tensor | None:
        """Run it once: the values change in their places."""
        return self.captured.replay()


class Graphs:
    """Captured steps by the shapes of their values. Thread-safe: a search has its places alone.

    `what` is said where a step runs as it is; `make` gives the step for new shapes. `capture` is another way to run it.
    """

    def __init__(self, what: str, make: Callable[[], Step], *, capture: Capture | None = None) -> None:
        self.what = what
        self.make = make
        self.capture = capture
        self._known: OrderedDict[object, CapturedStep | None] = OrderedDict()
        self._lent: dict[object, weakref.ref[Captured]] = {}
        self._lock = threading.Lock()

    def lend(self, values: Values) -> Captured | None:
        """A captured step that begins with these values; None where there is none, or another search has it."""
        leaves, spec = tree_flatten(values)
        if not all(leaf is None or isinstance(leaf, Tensor) for leaf in leaves):
            return None
        key = (repr(spec), *(leaf if leaf is None else (leaf.shape, leaf.dtype) for leaf in leaves))
        with self._lock:
            captured = self._captured(key, values)
            lent = self._lent.get(key)
            if captured is None or (lent is not None and lent() is not None):
                return None
            given = Captured(captured)
            self._lent[key] = weakref.ref(given)
        captured.fill(leaves)
        return given

    def _captured(self, key: object, values: Values) -> CapturedStep | None:
        if key not in self._known:
            try:
                self._known[key] = CapturedStep(self.make(), values, self.capture or capture)
            except (RuntimeError, ComposerError) as error:  # it reads its numbers, or its values grow
                told = str(error).partition("\n")[0]
                LOG.info("%s runs as it is: %s", self.what, told)
                self._known[key] = None
            while len(self._known) > MOST_SHAPES:
                oldest, _ = self._known.popitem(last=False)
                self._lent.pop(oldest, None)
        self._known.move_to_end(key)
        return self._known[key]
