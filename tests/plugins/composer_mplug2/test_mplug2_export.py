"""Every module exports with free batch and lengths, and the exported program gives what the module gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from composer_mplug2.configs import (
    DecoderConfig,
    FusionConfig,
    TextEncoderConfig,
    UniversalConfig,
    VisionConfig,
)
from composer_mplug2.fusion import build_fusion
from composer_mplug2.text_decoder import TextDecoder, build_text_decoder
from composer_mplug2.text_encoder import build_text_encoder
from composer_mplug2.universal import build_universal_layers
from composer_mplug2.vision_encoder import build_vision_encoder
from torch import nn
from torch.export import Dim, export
from torch.utils._pytree import tree_flatten

from composer.types import States, Tokens

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SIZES: dict[str, Any] = {"hidden": 16, "heads": 2}
BATCH, LENGTH, PATCHES = (
    Dim("batch", min=2, max=64),
    Dim("length", min=2, max=16),
    Dim("patches", min=2, max=512),
)
STATES = States({0: BATCH, 1: PATCHES}, None)
WORDS = States({0: BATCH, 1: LENGTH}, {0: BATCH, 1: LENGTH})


class OneArgument(nn.Module):
    """A method of one port, as a module: what `torch.export` takes."""

    def __init__(self, module: nn.Module, method: str) -> None:
        super().__init__()
        self.module = module
        self.method = method

    def forward(self, states: States) -> Any:
        return getattr(self.module, self.method)(states=states)


class Started(nn.Module):
    """The start of a search with five beams."""

    def __init__(self, decoder: TextDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, memory: States) -> Any:
        return self.decoder.start(memory=memory, beams=5, max_tokens=4)


class Stepped(nn.Module):
    """One step of a search."""

    def __init__(self, decoder: TextDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, ids: torch.Tensor, cache: Any) -> Any:
        return self.decoder.step(ids, cache)


def agrees(module: nn.Module, first: dict[str, Any], second: dict[str, Any], shapes: dict[str, Any]) -> None:
    """Export at the sizes of `first`, run at the sizes of `second`."""
    module.eval()
    program = export(module, (), first, dynamic_shapes=shapes).module()
    ours, exported = tree_flatten(module(**second))[0], tree_flatten(program(**second))[0]
    for one, other in zip(ours, exported, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


def states(batch: int, length: int) -> States:
    return States(torch.randn(batch, length, 16))


def words(batch: int, length: int) -> States:
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[0, -1] = 0
    return States(torch.randn(batch, length, 16), mask)


def tokens(batch: int, length: int) -> Tokens:
    return Tokens(torch.randint(1, 20, (batch, length)), words(batch, length).mask)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_vision(frames, stem) -> None:
    vision = build_vision_encoder(VisionConfig(image_size=16, patch_size=8, width=64, layers=1, stem=stem))
    first, second = (torch.randn(batch, 3, frames, 16, 16) for batch in (2, 5))
    agrees(vision, {"pixels": first}, {"pixels": second}, {"pixels": {0: BATCH}})


def test_text() -> None:
    text = build_text_encoder(TextEncoderConfig(**SIZES, layers=1, vocabulary=20, positions=16))
    agrees(text, {"tokens": tokens(2, 4)}, {"tokens": tokens(3, 7)}, {"tokens": Tokens(*WORDS)})


@pytest.mark.parametrize("layers", [1, 3])
def test_universal(layers) -> None:
    universal = build_universal_layers(UniversalConfig(**SIZES, layers=layers, latents=5))
    agrees(
        OneArgument(universal, "text"), {"states": words(2, 4)}, {"states": words(3, 7)}, {"states": WORDS}
    )
    agrees(
        OneArgument(universal, "vision"),
        {"states": states(2, 9)},
        {"states": states(3, 4)},
        {"states": STATES},
    )


@pytest.mark.parametrize("stride", [None, 2])
def test_fusion(stride) -> None:
    fusion = build_fusion(FusionConfig(**SIZES, layers=3, stride=stride))
    first, second = ({"text": words(b, 4 + b), "vision": states(b, 3 * b)} for b in (2, 3))
    agrees(fusion, first, second, {"text": WORDS, "vision": STATES})


@pytest.fixture
def decoder() -> TextDecoder:
    return build_text_decoder(DecoderConfig(**SIZES, layers=2, vocabulary=200, positions=16)).eval()


def test_decoder(decoder) -> None:
    first, second = ({"memory": words(b, 5 * b), "tokens": tokens(b, 3 + b)} for b in (2, 3))
    patches = Dim("patches", min=2, max=512)
    memory = States({0: BATCH, 1: patches}, {0: BATCH, 1: patches})
    agrees(decoder, first, second, {"memory": memory, "tokens": Tokens(*WORDS)})


def test_one_step_of_generation(decoder) -> None:
    def arguments(batch: int, patches: int, steps: int) -> dict[str, Any]:
        cache = decoder.start(memory=words(batch, patches), beams=3, max_tokens=6)
        ids = torch.randint(1, 200, (batch, 3))
        for _ in range(steps):
            _, cache = decoder.step(ids, cache)
        return {"ids": ids, "cache": cache}

    first, second = arguments(2, 5, 0), arguments(4, 9, 3)
    layer = type(first["cache"].memory[0])({0: BATCH, 2: PATCHES}, {0: BATCH, 2: PATCHES})
    past = type(first["cache"].past)({1: BATCH}, {1: BATCH})
    cache = type(first["cache"])((layer, layer), {0: BATCH, 3: PATCHES}, past, None)
    agrees(Stepped(decoder), first, second, {"ids": {0: BATCH}, "cache": cache})


def test_start_of_generation(decoder) -> None:
    memory = States({0: BATCH, 1: PATCHES}, {0: BATCH, 1: PATCHES})
    agrees(Started(decoder), {"memory": words(2, 5)}, {"memory": words(3, 8)}, {"memory": memory})
