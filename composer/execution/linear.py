"""Linear maps of float32 on processors where torch's usual matrix library leaves half of the speed unused.

On AMD processors with AVX-512, MKL (what torch calls for float32) reaches half the speed of oneDNN, which torch carries
as well: 110 against 240 GFLOP/s on one core of an EPYC of family 26, at the sizes of a base model. For a few rows, as
in a step of a decoder, the time is that of reading the weight, and there MKL's product of a batch of matrices is the
fastest: 36 GB/s for one row on two cores of an EPYC of family 25, against 13 to 24 of oneDNN and 12 of the usual call.
Results agree within rounding, and the weights are read where they lie.
"""

from __future__ import annotations

import functools
import math
import platform
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "linear",
    "linear_in_pieces",
    "onednn_is_faster",
    "pieces_of",
    "prefers_onednn",
    "prefers_packed",
    "use_fastest_linears",
]

LARGE_WEIGHT = 300_000
"""Entries of a weight that oneDNN reads faster than MKL even for one row: a step of a decoder is read, not computed."""
MANY = 8_000_000
"""Multiplications that a smaller weight must make for oneDNN's fixed cost of about ten microseconds to be won back."""
FEW = 4096
"""Numbers of all rows of values together up to which a weight is multiplied in pieces, as a batch of matrices."""
PIECES = 16
"""Pieces of a weight at most. A single piece is multiplied as slowly as by the usual call."""
WORTH_PIECES = 32_768
"""Entries of a weight that wins back the cost of taking it in pieces."""
PACKED, MANY_PACKED = 100_000, 1_000_000
"""Entries, and multiplications, that win back oneDNN's fixed cost where the weight was packed for it before."""

_CPUINFO = Path("/proc/cpuinfo")


def use_fastest_linears(module: nn.Module) -> None:
    """Let the linear maps of a model that answers run by `linear`, in place: parameters and keys stay as they are.

    A module that applies a weight of another one does so by its attribute `linear`, which is `functional.linear` until
    it is replaced here.
    """
    if not onednn_is_faster():
        return
    for part in module.modules():
        if getattr(part, "linear", None) is functional.linear:
            setattr(part, "linear", linear)  # noqa: B010 - nn.Module types its attributes as tensors and modules
        if (
            type(part) is nn.Linear
            and part.weight.dtype is torch.float32
            and part.weight.device.type == "cpu"
        ):
            part.__class__ = _Linear


def linear(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """values[..., I], weight[O, I], bias[O] → [..., O], as `torch.nn.functional.linear`, which it calls for small maps,
    for gradients, under autocast, while a graph is captured, for anything but float32 on the CPU, and where
    `onednn_is_faster` does not hold."""
    if (
        torch.compiler.is_compiling()  # first: a size that is compared would become a condition of the graph
        or values.dtype is not torch.float32
        or weight.dtype is not torch.float32
        or values.device.type != "cpu"
        or torch.is_grad_enabled()
        or torch.is_autocast_enabled("cpu")
        or not onednn_is_faster()
    ):
        return functional.linear(values, weight, bias)
    if (pieces := pieces_of(values.numel(), weight.shape[0], weight.shape[1])) > 1:
        return linear_in_pieces(values, weight, bias, pieces)
    if not prefers_onednn(values.numel() // weight.shape[1], weight.numel()):
        return functional.linear(values, weight, bias)
    # The operator behind compiled graphs; eager torch has no public door to oneDNN for plain float32 tensors.
    result: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
    return result


def linear_in_pieces(values: Tensor, weight: Tensor, bias: Tensor | None, pieces: int) -> Tensor:
    """`linear` of a few rows: each piece of the weight's rows is a matrix of a batch."""
    width = weight.shape[1]
    columns = values.reshape(-1, width).t().expand(pieces, -1, -1)  # [pieces, I, R]
    found = torch.bmm(weight.view(pieces, -1, width), columns)  # [pieces, O / pieces, R]
    shaped = found.view(weight.shape[0], -1).t().reshape(*values.shape[:-1], -1).contiguous()
    return shaped if bias is None else shaped + bias


class _Linear(nn.Linear):
    """The same parameters as `nn.Linear`, run by `linear`."""

    def forward(self, values: Tensor) -> Tensor:
        return linear(values, self.weight, self.bias)


def pieces_of(count: int, outputs: int, width: int) -> int:
    """In how many pieces a weight of [outputs, width] is best taken, for so many numbers of values; 1 is whole.

    Float32 on the CPU.
    """
    is_worth = 0 < count <= FEW and outputs * width >= WORTH_PIECES and onednn_is_faster()
    return math.gcd(outputs, PIECES) if is_worth else 1


def prefers_onednn(rows: int, entries: int) -> bool:
    """Whether a linear map of so many rows by a weight of so many entries, float32 on the CPU, is faster by oneDNN."""
    return (entries >= LARGE_WEIGHT or rows * entries >= MANY) and onednn_is_faster()


def prefers_packed(rows: int, entries: int) -> bool:
    """As `prefers_onednn`, for a weight that was brought into oneDNN's own layout before: then no other way is as fast,
    for one row or for thousands."""
    return (entries >= PACKED or rows * entries >= MANY_PACKED) and onednn_is_faster()


@functools.cache
def onednn_is_faster() -> bool:
    """Whether this machine and this torch are the case that the module describes."""
    return (
        torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and "AuthenticAMD" in _processor()
    )


def _processor() -> str:
    """Text that names the maker of the processor."""
    try:
        with _CPUINFO.open(encoding="ascii", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return platform.processor()
