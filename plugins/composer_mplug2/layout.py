"""The layouts of the checkpoints that mPLUG-2 modules can start from."""

from __future__ import annotations

from composer.plugin import Layout
from composer_mplug2.published_config import mplug2_parameters, mplug_parameters
from composer_mplug2.published_keys import clip_rules, mplug2_rules

__all__ = ["LAYOUTS"]

TRANSFORMS = {
    name: f"composer_mplug2.transforms:{name}"
    for name in ("inflate_time", "log_of_inverse", "reshape", "resize_positions")
}

SMALL = {"text_layers": 2, "universal_layers": 1, "fusion_layers": 2, "decoder_layers": 2}
CONFIG = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "text_encoder_layers": 3,
    "num_uni_layer": 1,
    "fusion_layers": 2,
    "stride_layer": 1,
    "text_decode_layers": 2,
    "vocab_size": 99,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
SHAPES = {
    "inflate_time": ((4, 3, 2, 2), (4, 3, 3, 2, 2)),
    "log_of_inverse": ((), ()),
    "reshape": ((4, 3, 1, 1, 1), (4, 3)),
    "resize_positions": ((5, 8), (10, 8)),
}
"""What the conformance kit asks the layouts with."""

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "mplug2",
        "Checkpoints of mPLUG-2 as published, fine-tuned or pre-trained.",
        mplug2_rules,
        mplug2_parameters,
        TRANSFORMS,
        roots=("model", "module"),
        examples=(SMALL,),
        configs=(CONFIG,),
        shapes=SHAPES,
        document="mplug2",
    ),
    Layout(
        "mplug1",
        "Checkpoints of mPLUG, from which mPLUG-2 was made: no universal layers, retrieval with a queue.",
        mplug2_rules,
        mplug_parameters,
        TRANSFORMS,
        roots=("model", "module"),
        examples=({**SMALL, "universal_layers": 0},),
        configs=({key: value for key, value in CONFIG.items() if key != "num_uni_layer"},),
        shapes=SHAPES,
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
        examples=(SMALL,),
        shapes=SHAPES,
    ),
)
