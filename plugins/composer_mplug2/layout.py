"""The layouts of the checkpoints that mPLUG-2 modules can start from."""

from __future__ import annotations

from composer.plugin import Layout
from composer_mplug2.published_config import mplug2_parameters
from composer_mplug2.published_keys import clip_rules, mplug2_rules

__all__ = ["LAYOUTS"]

TRANSFORMS = {
    name: f"composer_mplug2.transforms:{name}" for name in ("inflate_time", "reshape", "resize_positions")
}

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "mplug2",
        "Checkpoints of mPLUG-2 as published, fine-tuned or pre-trained.",
        mplug2_rules,
        mplug2_parameters,
        TRANSFORMS,
        roots=("model", "module"),
    ),
    Layout(
        "mplug2-clip",
        "A CLIP checkpoint as the start of the vision encoder; all other modules keep their initial values.",
        clip_rules,
        transforms=TRANSFORMS,
        initialised={
            r"vision\.layers\.\d+\.temporal_before_.*": "CLIP has no local temporal modules; they start as no change",
            r"(?!vision\.).*": "not a part of CLIP",
        },
    ),
)
