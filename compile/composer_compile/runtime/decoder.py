"""A decoder's cache that lives in compiled programs, as search policies use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import register_pytree_node

__all__ = ["CompiledCache", "CompiledDecoder"]


class CompiledCache:
    """A value: no method changes it. Reordering is only noted; the next step's program does it.

    `rows` counts the samples that are searched; the tensors may hold more, where the program takes no fewer. `sizes`
    are those of the request, which say what program it is.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        axes: Mapping[str, int | None],
        rows: int,
        sizes: Mapping[str, int],
        parents: Tensor | None = None,
    ) -> None:
        self.tensors = dict(tensors)
        self.axes = axes
        self.rows = rows
        self.sizes = sizes
        self.parents = parents

    @property
    def device(self) -> torch.device:
        return next(iter(self.tensors.values())).device

    def reorder(self, parents: Tensor) -> CompiledCache:
        """Beam k of sample b goes on from beam parents[b, k] (parents[B, K] int64)."""
        chosen = parents if self.parents is None else self.parents.gather(1, parents)
        return CompiledCache(self.tensors, self.axes, self.rows, self.sizes, chosen)

    def select(self, rows: Tensor) -> CompiledCache:
        """Keep the samples `rows`[R] (int64) alone, in that order."""
        tensors = {
            name: tensor if (axis := self.axes[name]) is None else tensor.index_select(axis, rows)
            for name, tensor in self.tensors.items()
        }
        parents = None if self.parents is None else self.parents[rows]
        return CompiledCache(tensors, self.axes, len(rows), self.sizes, parents)


def _flatten(cache: CompiledCache) -> tuple[list[Tensor | None], object]:
    fixed = tuple(cache.tensors), tuple(cache.axes.items()), cache.rows, tuple(cache.sizes.items())
    return [*cache.tensors.values(), cache.parents], fixed


def _unflatten(leaves: Iterable[Any], fixed: Any) -> CompiledCache:
    names, axes, rows, sizes = fixed
    *tensors, parents = leaves
    return CompiledCache(dict(zip(names, tensors, strict=True)), dict(axes), rows, dict(sizes), parents)


register_pytree_node(
    CompiledCache, _flatten, _unflatten, serialized_type_name="composer_compile.CompiledCache"
)


class CompiledDecoder:
    """The decode program of a `generate` node as the `step` that a policy calls."""

    def __init__(
        self,
        *,
        run: Callable[[Sequence[Tensor], int, Mapping[str, int]], Sequence[Tensor]],
        cached: Sequence[str],
        changed: Sequence[str],
        axes: Mapping[str, int | None],
        beams: int,
        fewest: int,
    ) -> None:
        self.run = run
        self.cached = tuple(cached)
        self.changed = tuple(changed)
        self.axes = axes
        self.beams = beams
        self.fewest = fewest

    def start(self, values: Mapping[str, Tensor], batch: int, sizes: Mapping[str, int]) -> CompiledCache:
        """The cache that the encode program made."""
        return CompiledCache({name: values[name] for name in self.cached}, self.axes, batch, sizes)

    def step(self, ids: Tensor, cache: CompiledCache) -> tuple[Tensor, CompiledCache]:
        """ids[B, K] → logits[B, K, V], and the cache with these tokens in it."""
        rows = ids.shape[0]
        inputs = [ids]
        if self.beams > 1:
            same = torch.arange(self.beams, device=ids.device).expand(rows, -1)
            inputs.append(same if cache.parents is None else cache.parents)
        tensors = cache.tensors
        held = self._held(cache)
        if rows < self.fewest:  # the program takes no smaller batch: repeat the last sample
            inputs = [_padded(tensor, 0, self.fewest) for tensor in inputs]
            if held < self.fewest:
                tensors = {
                    name: tensor if (axis := self.axes[name]) is None else _padded(tensor, axis, self.fewest)
                    for name, tensor in tensors.items()
                }
        logits, *changed = self.run(
            [*inputs, *(tensors[name] for name in self.cached)], max(rows, self.fewest), cache.sizes
        )
        after = {**tensors, **dict(zip(self.changed, changed, strict=True))}
        return logits[:rows], CompiledCache(after, self.axes, rows, cache.sizes)

    def _held(self, cache: CompiledCache) -> int:
        """Samples that the tensors hold."""
        name = next(name for name in self.cached if self.axes[name] is not None)
        axis = self.axes[name]
        assert axis is not None
        return cache.tensors[name].shape[axis]


def _padded(tensor: Tensor, axis: int, size: int) -> Tensor:
    rows = torch.arange(size, device=tensor.device).clamp(max=tensor.shape[axis] - 1)
    return tensor.index_select(axis, rows)
