"""Torch modules that work on every value alone: activations, and dropout while training."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.nn import functional

from composer.types import States
from composer_core.configs import ActivationConfig, DropoutConfig

__all__ = ["Elementwise", "build_activation", "build_dropout"]

FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_tanh": lambda values: functional.gelu(values, approximate="tanh"),
    "relu": functional.relu,
    "silu": functional.silu,
    "tanh": lambda values: values.tanh(),
    "sigmoid": lambda values: values.sigmoid(),
}


class Elementwise(nn.Module):
    """Applies a function to states[B, N, D], whose mask is passed on, or to an embedding[B, D]."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *, states: States | None = None, embedding: Tensor | None = None) -> States | Tensor:
        if states is not None:
            return States(self.function(states.values), states.mask)
        assert embedding is not None, "the signature has one of the two ports"
        return self.function(embedding)


def build_activation(config: ActivationConfig) -> Elementwise:
    return Elementwise(FUNCTIONS[config.function])


def build_dropout(config: DropoutConfig) -> Elementwise:
    return Elementwise(nn.Dropout(config.rate))
