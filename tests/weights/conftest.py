"""Small modules and checkpoints that the weights tests share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)


class Encoder(nn.Module):
    """Numbered layers, a persistent buffer and one that no checkpoint holds."""

    def __init__(self, *, width: int = 4, layers: int = 3) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(width=width) for _ in range(layers)])
        self.positions: Tensor
        self.register_buffer("positions", torch.arange(width))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)


class TiedDecoder(nn.Module):
    """The output projection is the word embedding, as in BERT."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7)
        self.head.weight = self.words.weight


def native(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The state of modules under native names; tied tensors under every name."""
    return {
        f"{name}.{key}": value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def randomised(tensors: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Other values of the same shapes and dtypes."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(value.shape, generator=generator) if value.is_floating_point() else value + 1
        for key, value in tensors.items()
    }


@pytest.fixture
def modules() -> dict[str, nn.Module]:
    return {"text": Encoder(), "vision": Encoder(width=6, layers=2)}


@pytest.fixture
def state(modules: dict[str, nn.Module]) -> dict[str, Tensor]:
    return randomised(native(modules))


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Mapping[str, Tensor]], Path]:
    """Write tensors as safetensors and give the path."""

    def write(tensors: Mapping[str, Tensor], name: str = "w.safetensors") -> Path:
        path = tmp_path / name
        save_file({key: value.contiguous() for key, value in tensors.items()}, path)
        return path

    return write
