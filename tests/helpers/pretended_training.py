"""Training on the pretended device: gradients come from a twin on the processor.

Autograd asks a driver for the streams of a device, and there is none. So a backward pass there computes the loss of the
same batch once more with the values that stand behind the weights, and puts the gradients on the device. All else (the
forward pass, clipping, the optimizer, checkpoints, scores) happens on the device as anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from pretended import OnDevice, pretended_cuda
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from composer.rows.answering_rows import RowRunner
from composer.training.numerics import Numerics
from composer.training.programs import Programs

__all__ = ["trains_on_pretended"]


@dataclass
class _Last:
    """What the last loss was computed from."""

    programs: Programs
    task: str
    batch: Any
    random: Tensor


@contextmanager
def trains_on_pretended() -> Iterator[None]:
    """Inside, `cuda` is a device that trains."""
    real, backward = Programs.loss, Tensor.backward
    last: list[_Last] = []

    def loss(programs: Programs, task: str, batch: Any) -> Tensor:
        last[:] = [_Last(programs, task, batch, torch.get_rng_state())]
        return real(programs, task, batch)

    def on_device(value: Tensor, *given: Any) -> None:
        if not isinstance(value, OnDevice):
            backward(value, *given)
            return
        (found,) = last
        _fill(found, real)

    with pretended_cuda(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Programs, "loss", loss)
        patch.setattr(Tensor, "backward", on_device)
        patch.setattr(_Last, "backward", staticmethod(backward), raising=False)
        patch.setattr(RowRunner, "_workers", lambda self: 0)  # what is pretended is so in this thread alone
        yield


def _fill(found: _Last, real: Any) -> None:
    """Gradients of every weight on the device, by its twin."""
    programs = found.programs
    parts = [part for program in programs._programs.values() for part in program.modules()]
    tables: dict[int, dict[str, Any]] = {}
    for part in parts:
        tables |= {id(table): table for table in (part._parameters, part._buffers)}
    taken = [
        (table, name, tensor)
        for table in tables.values()
        for name, tensor in table.items()
        if isinstance(tensor, OnDevice)
    ]
    twins: dict[int, Tensor] = {}
    numerics, after = programs.numerics, torch.get_rng_state()
    try:
        for table, name, tensor in taken:
            twin = twins.setdefault(id(tensor), tensor.held.detach().clone())
            is_weight = isinstance(tensor, nn.Parameter)
            table[name] = twins[id(tensor)] = nn.Parameter(twin, tensor.requires_grad) if is_weight else twin
        programs.numerics = Numerics(precision=numerics.precision)
        torch.set_rng_state(found.random)
        with _disable_current_modes():
            _Last.backward(real(programs, found.task, found.batch))  # type: ignore[attr-defined]
    finally:
        programs.numerics = numerics
        torch.set_rng_state(after)
        for table, name, tensor in taken:
            table[name] = tensor
    for _, _, tensor in taken:
        gradient = twins[id(tensor)].grad
        if gradient is not None and tensor.grad is None:
            tensor.grad = OnDevice(gradient)
