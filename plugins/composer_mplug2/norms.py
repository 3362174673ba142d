"""The two small modules between vision and text: the width adapter and the norm of a residual sum."""

from __future__ import annotations

from torch import Tensor, nn

from composer.types import States
from composer_mplug2.bert import NORM_EPS, initialise
from composer_mplug2.configs import NormConfig, WidthAdapterConfig

__all__ = ["Identity", "ResidualNorm", "WidthAdapter", "build_residual_norm", "build_width_adapter"]


class WidthAdapter(nn.Module):
    """states[B, N, width] → states[B, N, hidden]: a linear map and a norm, where the widths differ.

    Where they are equal it owns no weights and passes the states on, as the published models do.
    """

    def __init__(self, *, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.projection = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden, eps=NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, *, states: States) -> States:
        values: Tensor = self.dropout(self.norm(self.projection(states.values)))
        return States(values, states.mask)


class ResidualNorm(nn.Module):
    """states[B, N, D] + update[B, N, D], normalised; the mask is that of the states."""

    def __init__(self, *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden, eps=NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, *, states: States, update: States) -> States:
        return States(self.dropout(self.norm(states.values + update.values)), states.mask)


class Identity(nn.Module):
    """states → the same states."""

    def forward(self, *, states: States) -> States:
        return states


def build_width_adapter(config: WidthAdapterConfig) -> WidthAdapter | Identity:
    if config.width == config.hidden:
        return Identity()
    adapter = WidthAdapter(width=config.width, hidden=config.hidden, dropout=config.dropout)
    adapter.apply(initialise)
    return adapter


def build_residual_norm(config: NormConfig) -> ResidualNorm:
    return ResidualNorm(hidden=config.hidden, dropout=config.dropout)
