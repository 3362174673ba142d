"""What chance decides in `generate` of transformers, decided as `core.sample` does it: by seed, position and token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from unittest.mock import patch

import torch
from composer_core.sampling import noise
from torch import Tensor

__all__ = ["drawing"]


@contextmanager
def drawing(seeds: Sequence[int]) -> Iterator[None]:
    """Have `generate` draw each sample's tokens with its seed."""
    turns = count()

    def draw(chances: Tensor, num_samples: int) -> Tensor:
        each = torch.tensor(list(seeds[: len(chances)])).unsqueeze(1)
        at = torch.tensor([next(turns)])
        return (chances.log() + noise(each, at, chances.shape[-1])).argmax(-1, keepdim=True)

    with patch("torch.multinomial", draw):
        yield
