"""The meter: the floating-point operations of tensor code that runs on meta tensors, and the memory it would hold.

Operations: those of matrix products, convolutions and attention, a multiply-add as two, as torch's own counter has
them; elementwise work is left out. Memory: the bytes of every storage that is alive at one moment, weights excluded:
what an eager run asks the allocator for, without its rounding and without workspaces. Attention written as
`scaled_dot_product_attention` counts as fused: its score matrix is never stored; under a causal mask it counts in full.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

__all__ = ["Meter"]


class Meter:
    """Measures calls one after the other; values that stay alive between calls stay on the account.

    `known`: tensors whose memory is counted elsewhere, which are the weights.
    """

    def __init__(self, known: Iterable[torch.Tensor] = ()) -> None:
        self.memory = _Memory(known)

    def measure(self, function: Callable[[], object]) -> tuple[Any, int, int]:
        """Call a function; its result, its floating-point operations, and the most bytes alive while it ran."""
        self.memory.peak = self.memory.alive
        attention = _FusedAttention()
        counter = FlopCounterMode(display=False)
        # No grad rather than inference mode: there, composite operations would reach the counters undivided.
        with torch.no_grad(), torch.device("meta"), counter, self.memory, attention:
            result = function()
        return result, counter.get_total_flops() + attention.flops, self.memory.peak

    def hold(self, value: object) -> object:
        """Put tensors that were made outside on the account; hands the value back."""
        self.memory.add(value)
        return value


class _Memory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps the number of bytes of all storages alive, and its highest value."""

    def __init__(self, known: Iterable[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = self.peak = 0
        self._seen = WeakIdKeyDictionary()
        self._known = [tensor.untyped_storage() for tensor in known]
        self._seen.update(dict.fromkeys(self._known))

    def __torch_dispatch__(
        self, func: Any, types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        self.add(result)
        return result

    def add(self, value: object) -> None:
        for tensor in tree_leaves(value):
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage in self._seen:
                continue
            self._seen[storage] = None
            size = storage.nbytes()
            weakref.finalize(storage, self._release, size).atexit = False
            self.alive += size
        self.peak = max(self.peak, self.alive)

    def _release(self, size: int) -> None:
        self.alive -= size


class _FusedAttention(TorchFunctionMode):
    """Stands in for scaled_dot_product_attention, which the meta device would take apart, scores and all."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(
        self, func: Any, types: object, args: Sequence[Any] = (), kwargs: dict[str, object] | None = None
    ) -> object:
        keywords = kwargs or {}
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **keywords)
        names = ("query", "key", "value")
        query, key, value = (*args, *(keywords[name] for name in names[len(args) :]))[:3]
        # query[..., H, L, E], key[..., H', S, E], value[..., H', S, F] → [..., H, L, F]
        heads = query.shape[:-2]
        if not keywords.get("enable_gqa", False):
            heads = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])  # type: ignore[no-untyped-call]
        length, others = query.shape[-2], key.shape[-2]
        width = query.shape[-1] + value.shape[-1]
        self.flops += 2 * heads.numel() * length * others * width
        return query.new_empty((*heads, length, value.shape[-1]))
