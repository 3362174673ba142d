"""A node of an encode stage as one CUDA graph for each of its shapes, once these come a second time.

What goes in is copied into fixed places, and what comes out is copied out of them: two launches more for a thousand
fewer. Shapes that come once are not worth the runs that a capture takes.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten

from composer.execution import captured
from composer.problems import ComposerError

__all__ = ["MOST_SHAPES", "CapturedNode"]

LOG = logging.getLogger(__name__)
MOST_SHAPES = 4
"""Shapes that stay captured of one node; each keeps what the node reckons with in memory."""
MOST_SEEN = 64
"""Shapes that are remembered to have come once."""

Leaf = Any
"""A tensor, or None."""


class CapturedNode:
    """What runs a node, given the function that does: captured for tensors on a GPU, and the function otherwise.

    Thread-safe: a graph serves one run at a time, and whoever comes meanwhile runs the function.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function
        self._graphs: OrderedDict[object, _Graph | None] = OrderedDict()
        self._seen: OrderedDict[object, None] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, **values: Any) -> Any:
        leaves, spec = tree_flatten(values)
        if not _can_be_captured(leaves):
            return self.function(**values)
        key = (repr(spec), *(leaf if leaf is None else (leaf.shape, leaf.dtype) for leaf in leaves))
        graph = self._graph(key, leaves, spec)
        if graph is None or not graph.free.acquire(blocking=False):
            return self.function(**values)
        try:
            return graph.run(leaves)
        finally:
            graph.free.release()

    def _graph(self, key: object, leaves: Sequence[Leaf], spec: TreeSpec) -> _Graph | None:
        with self._lock:
            if key not in self._graphs:
                if key not in self._seen:
                    _remember(self._seen, key, None, MOST_SEEN)
                    return None
                _remember(self._graphs, key, self._made(leaves, spec), MOST_SHAPES)
            self._graphs.move_to_end(key)
            return self._graphs[key]

    def _made(self, leaves: Sequence[Leaf], spec: TreeSpec) -> _Graph | None:
        try:
            return _Graph(self.function, leaves, spec)
        except (
            RuntimeError,
            ComposerError,
        ) as error:  # it reads numbers, or makes tensors of what the host has
            told = str(error).partition("\n")[0]
            LOG.info("node `%s` runs as it is: %s", self.name, told)
            return None


class _Graph:
    """A node at one shape of its inputs. Raises RuntimeError where it cannot be captured."""

    def __init__(self, function: Callable[..., Any], leaves: Sequence[Leaf], spec: TreeSpec) -> None:
        self.free = threading.Lock()
        self.places = [None if leaf is None else leaf.clone() for leaf in leaves]
        self.result: Any = None
        self.kept: dict[object, object] = {}

        def run() -> None:
            self.result = function(**tree_unflatten(self.places, spec))

        device = next(place.device for place in self.places if place is not None)
        with captured.into_graph(self.kept):
            self.replay = captured.capture(run, lambda: None, device)

    def run(self, leaves: Sequence[Leaf]) -> Any:
        """The results for these inputs, in tensors of their own."""
        for place, leaf in zip(self.places, leaves, strict=True):
            if place is not None:
                place.copy_(leaf)
        self.replay()
        return tree_map(lambda value: value.clone() if isinstance(value, Tensor) else value, self.result)


def _can_be_captured(leaves: Sequence[Leaf]) -> bool:
    """Whether there are tensors on a GPU and nothing else, and nobody wants gradients of them or captures already."""
    tensors = [leaf for leaf in leaves if leaf is not None]
    return (
        bool(tensors)
        and torch.is_inference_mode_enabled()
        and captured.capturing() is None
        and all(isinstance(each, Tensor) and each.device.type == "cuda" for each in tensors)
    )


def _remember(known: OrderedDict[object, Any], key: object, value: Any, most: int) -> None:
    known[key] = value
    while len(known) > most:
        known.popitem(last=False)
