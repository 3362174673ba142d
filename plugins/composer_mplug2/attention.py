"""Multi-head attention of a BERT block, with keys and values that can be made once and used many times."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Attention", "KeyValues"]


class KeyValues(NamedTuple):
    """Keys and values of a sequence, [B, heads, N, width / heads] each."""

    keys: Tensor
    values: Tensor


class Attention(nn.Module):
    """Scaled dot-product attention with biased projections and an output projection."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def project(self, states: Tensor) -> KeyValues:
        """states[B, N, D] → keys and values."""
        return KeyValues(self._split(self.key(states)), self._split(self.value(states)))

    def forward(
        self, hidden: Tensor, memory: KeyValues, *, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """hidden[B, L, D] attends to memory[B, heads, N, d] → [B, L, D]; mask [B, 1, 1 or L, N] is added or boolean."""
        attended = functional.scaled_dot_product_attention(
            self._split(self.query(hidden)),
            memory.keys,
            memory.values,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
        )
        return self.output(attended.transpose(1, 2).flatten(2))  # [B, heads, L, d] → [B, L, D]

    def _split(self, projected: Tensor) -> Tensor:
        """[B, N, D] → [B, heads, N, D / heads]."""
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, N, d]
