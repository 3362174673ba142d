"""Where a run trains and in which numbers: a device, and float32 or bfloat16 beside float32 weights."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from composer.execution import device_of
from composer.problems import InputError
from composer.training.protocol import Batch

__all__ = ["FP32", "Numerics", "device_random_state", "near"]

FP32 = "fp32"
FP16 = "fp16"
PRECISIONS = (FP32, "bf16", FP16)


@dataclass(frozen=True)
class Numerics:
    """The weights, their gradients and the optimizer's state are float32 on the device, whatever the precision.

    With `bf16` the forward pass computes in bfloat16 where that is safe (torch's autocast: matrix products and
    convolutions; norms, softmax and losses stay in float32). Its range is that of float32, so losses need no scale.
    With `fp16` it computes in float16, whose range is small: losses are scaled up, gradients back down, and a step
    whose gradients were beyond the range is left out and the scale made smaller.
    """

    device: torch.device = field(default_factory=partial(torch.device, "cpu"))
    precision: str = FP32

    @classmethod
    def of(cls, device: str | torch.device = "cpu", precision: str = FP32) -> Numerics:
        """Raises InputError for a device that is not here, and a precision that there is not, or not on the device."""
        if precision not in PRECISIONS:
            raise InputError(
                f"there is no training in the precision {precision}; write {', '.join(PRECISIONS[:-1])} or "
                f"{PRECISIONS[-1]}"
            )
        found = device_of(device)
        if precision == "bf16" and found.type == "cuda" and not _has_bfloat16(found):
            raise InputError(
                f"device {device} does not compute in bfloat16, which begins with compute capability 8.0: "
                "train with --precision fp32"
            )
        return cls(found, precision)

    def computing(self) -> AbstractContextManager[Any]:
        """Around a forward pass."""
        if self.precision == FP32:
            return contextlib.nullcontext()
        return torch.autocast(
            self.device.type, dtype=torch.float16 if self.precision == FP16 else torch.bfloat16
        )

    def scaler(self) -> torch.amp.GradScaler | None:
        """What scales the losses, where they are."""
        return torch.amp.GradScaler(self.device.type) if self.precision == FP16 else None

    def placed(self, batch: Batch) -> Batch:
        """The batch on the device."""
        placed: Batch = tree_map_only(Tensor, lambda tensor: tensor.to(self.device), batch)
        return placed

    @property
    def random_devices(self) -> list[torch.device]:
        """Devices with random numbers of their own."""
        return [self.device] if self.device.type == "cuda" else []


def _has_bfloat16(device: torch.device) -> bool:
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


_Value = TypeVar("_Value")


def near(value: _Value) -> _Value:
    """The same with every tensor in it on the processor: for a file that is read anywhere, and for metrics."""
    found: _Value = tree_map_only(Tensor, lambda tensor: tensor.detach().cpu(), value)
    return found


def device_random_state(device: torch.device) -> Tensor | None:
    """The state of the device's own random numbers, which dropout draws there; None on the processor."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
