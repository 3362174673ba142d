"""Two encodings as a person would write them over the modules of a program, and the sizes they are measured at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from composer.types import States

__all__ = ["BASE", "QUESTION", "TINY", "image_qa", "pixels", "video_qa"]

BASE = {"frames": 8, "beams": 5, "answer_min_tokens": 10, "answer_max_tokens": 10}
TINY = {
    **BASE,
    **dict.fromkeys(("vision_layers", "text_layers", "fusion_layers", "decoder_layers", "universal_layers"), 1),
    **dict.fromkeys(("vision_width", "hidden"), 64),
    **{"heads": 4, "intermediate": 64, "image_size": 32, "patch_size": 16, "frames": 2, "latents": 4},
}  # fmt: skip
QUESTION = "what is the man in the red shirt doing with the two large boxes?"


def video_qa(runner: Any, tensors: Any) -> Callable[[], States]:
    """The encoding of video-qa of mPLUG-2."""
    m = runner.program.modules_by_name
    (prepare,) = runner.program.prepare

    def forward() -> States:
        prepared = prepare(**tensors["video"])
        adapted = m["adapter"](states=m["vision"](pixels=pixels(prepared)))
        visual = m["visual_norm"](states=adapted, update=m["universal"].vision(states=adapted))
        language = m["universal"].text(states=m["text"](tokens=tensors["question"]["tokens"]))
        fused = m["fusion"](text=language, vision=visual)
        return _joined(fused["vision"], fused["text"])

    return forward


def image_qa(runner: Any, tensors: Any) -> Callable[[], States]:
    """The encoding of image-qa of the quick start."""
    m = runner.program.modules_by_name
    (prepare,) = runner.program.prepare

    def forward() -> States:
        prepared = prepare(**tensors["image"])
        picture = m["vision"](pixels=pixels(prepared))
        visual = m["seen"](states=picture, update=m["universal"].vision(states=picture))
        language = m["universal"].text(states=m["text"](tokens=tensors["question"]["tokens"]))
        fused = m["fusion"](text=language, vision=visual)
        return _joined(visual, fused["text"])

    return forward


def pixels(prepared: Any) -> Tensor:
    """What preparing a picture or a clip gives, which has one port."""
    return prepared["pixels"] if isinstance(prepared, dict) else prepared


def _joined(first: States, second: States) -> States:
    masks = [_mask(first), _mask(second)]
    return States(torch.cat((first.values, second.values), 1), torch.cat(masks, 1))


def _mask(states: States) -> Tensor:
    if states.mask is None:
        return torch.ones(states.values.shape[:2], dtype=torch.int64, device=states.values.device)
    return states.mask
