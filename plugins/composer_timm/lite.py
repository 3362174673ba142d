"""The keys of efficientnet-lite-pytorch's checkpoints, which number all blocks in one row, in timm's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from composer.plugin import Layout, Rule

__all__ = ["LITE_LAYOUTS"]

STAGES = {
    "lite0": (1, 2, 2, 3, 3, 4, 1),
    "lite1": (1, 3, 3, 4, 4, 5, 1),
    "lite2": (1, 3, 3, 4, 4, 5, 1),
    "lite3": (1, 3, 3, 5, 5, 6, 1),
    "lite4": (1, 4, 4, 6, 6, 8, 1),
}
"""Blocks of every stage. Those of the first stage do not expand, so that their layers are numbered from the second."""
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
LATER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
ENDS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def _rules(stages: tuple[int, ...], parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    rules = [Rule(rf"{old}\.(\w+)", rf"model.{new}.\1") for old, new in ENDS.items()]
    block = 0
    for stage, depth in enumerate(stages):
        for index in range(depth):
            names = FIRST if stage == 0 else LATER
            rules += [
                Rule(rf"_blocks\.{block}\.{old}\.(\w+)", rf"model.blocks.{stage}.{index}.{new}.\1")
                for old, new in names.items()
            ]
            block += 1
    rules.append(
        Rule(
            r"_fc\.(weight|bias)",
            r"model.classifier.\1",
            name="the classifier, which the module was built without",
            spare=True,
        )
    )
    return tuple(rules)


def _of(stages: tuple[int, ...]) -> Callable[[Mapping[str, Any]], tuple[Rule, ...]]:
    return partial(_rules, stages)


LITE_LAYOUTS = tuple(
    Layout(
        f"efficientnet-{name}",
        f"Checkpoints of efficientnet-lite-pytorch, for the timm model tf_efficientnet_{name}.",
        _of(stages),
    )
    for name, stages in STAGES.items()
)
