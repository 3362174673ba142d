"""Torch modules that work on the width of states and embeddings, with learned weights."""

from __future__ import annotations

from torch import Tensor, nn

from composer.types import States
from composer_core.configs import ClassVectorsConfig, LayerNormConfig, LinearConfig

__all__ = ["LayerNorm", "Linear", "build_layer_norm", "build_linear"]


class Linear(nn.Module):
    """Maps the width from `input_dim` to `output_dim`; parameters `map.weight` and `map.bias`."""

    def __init__(self, *, input_dim: int, output_dim: int, bias: bool = True) -> None:
        super().__init__()
        self.map = nn.Linear(input_dim, output_dim, bias=bias)

    def forward(self, *, states: States) -> States:
        """states[B, N, input_dim] → states[B, N, output_dim]; the mask is passed on."""
        return States(self.map(states.values), states.mask)

    def embedding(self, *, embedding: Tensor) -> Tensor:
        """embedding[B, input_dim] → embedding[B, output_dim]."""
        return self.map(embedding)

    def scores(self, *, embedding: Tensor) -> Tensor:
        """embedding[B, input_dim] → scores[B, output_dim]."""
        return self.map(embedding)


class ClassVectors(nn.Module):
    """A vector for each class; parameter `vectors.weight`."""

    def __init__(self, *, classes: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(classes, width)

    def forward(self, *, probabilities: Tensor) -> Tensor:
        """probabilities[B, K] → embedding[B, D], the mean of the vectors by probability."""
        return probabilities.to(self.vectors.weight.dtype) @ self.vectors.weight


class LayerNorm(nn.Module):
    """Normalises each of states[B, N, dim] over its width."""

    def __init__(self, *, dim: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=eps)

    def forward(self, *, states: States) -> States:
        return States(self.norm(states.values), states.mask)


def build_linear(config: LinearConfig) -> Linear:
    assert config.input_dim is not None  # the checker fills it in from the calls
    return Linear(input_dim=config.input_dim, output_dim=config.output_dim, bias=config.bias)


def build_class_vectors(config: ClassVectorsConfig) -> ClassVectors:
    return ClassVectors(classes=config.classes, width=config.width)


def build_layer_norm(config: LayerNormConfig) -> LayerNorm:
    assert config.dim is not None  # the checker fills it in from the calls
    return LayerNorm(dim=config.dim, eps=config.eps)
