"""States of encoders in half precision, taken as finite: the library looks at their values, which no program can."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

__all__ = ["taken_as_finite"]


class _Finite:
    """What `torch.isfinite` gives where nothing is looked at."""

    def all(self) -> bool:
        return True


class _TakenAsFinite(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return _Finite() if func is torch.isfinite else func(*args, **(kwargs or {}))


def taken_as_finite(encoder: nn.Module) -> contextlib.AbstractContextManager[object]:
    """Meanwhile an encoder in float16 does not ask whether its states are finite, to bound them where they are not.

    BART and Marian ask behind the norm that ends a layer, where no state of usual weights is beyond the format. On a
    GPU the host would wait at every layer for the answer.
    """
    is_half = next(encoder.parameters()).dtype == torch.float16
    return _TakenAsFinite() if is_half else contextlib.nullcontext()
