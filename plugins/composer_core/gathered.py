"""Rows of all processes of a training that share a batch, in the order of the processes."""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.nn import functional

from composer.plugin.standing_in import rows_count

__all__ = ["rows_of_all"]


@torch.no_grad()
def rows_of_all(rows: Tensor) -> Tensor:
    """rows[B, ...] of every process → [sum of all B, ...]; of one process alone, the same rows. Without a gradient.

    Processes may have different numbers of rows, or none that count. All of them must ask together.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return rows
    rows = rows if rows_count() else rows[:0]
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.zeros_like(count) for _ in range(distributed.get_world_size())]
    distributed.all_gather(counts, count)
    most = int(max(counts))
    padded = functional.pad(rows, (0, 0) * (rows.ndim - 1) + (0, most - len(rows))).contiguous()
    found = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(found, padded)
    return torch.cat([each[: int(own)] for each, own in zip(found, counts, strict=True)])
