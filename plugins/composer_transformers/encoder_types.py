"""The module types of encoders, and the layouts of their checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from composer.plugin import Layout, Method, ModuleType, Rule
from composer_transformers import encoder_signatures as signatures
from composer_transformers.encoder_configs import (
    LibraryAudioConfig,
    LibraryDualConfig,
    LibraryEncoderConfig,
    LibraryTextConfig,
    LibraryVisionConfig,
)
from composer_transformers.published_names import RENAMED, published_rules

__all__ = ["ENCODERS", "ENCODER_LAYOUTS"]

_TEXT = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
_OWN: Mapping[str, Mapping[str, Any]] = {
    "distilbert": {"hidden_dim": 48},
    "modernbert": {"local_attention": 8, "global_attn_every_n_layers": 2},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8},
}
_NONE = {
    "bos_token_id": None,
    "eos_token_id": None,
    "cls_token_id": None,
    "sep_token_id": None,
}
_VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 16,
    "patch_size": 8,
}
_SOUND = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 48}
_WAVES = {
    "conv_dim": [16, 16],
    "conv_kernel": [10, 3],
    "conv_stride": [5, 2],
    "num_conv_pos_embeddings": 6,
    "num_conv_pos_embedding_groups": 4,
}

_SWIN = {
    "image_size": 16,
    "patch_size": 2,
    "embed_dim": 16,
    "depths": [1, 1],
    "num_heads": [2, 4],
    "window_size": 4,
}
_CONVNEXT = {"image_size": 32, "hidden_sizes": [8, 16, 24], "depths": [1, 1, 1], "num_stages": 3}
_WHISPER = {
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "num_mel_bins": 8,
    "max_source_positions": 12,
    "decoder_attention_heads": 4,
}
_SPECTROGRAM = {
    "patch_size": 4,
    "max_length": 24,
    "num_mel_bins": 12,
    "time_stride": 3,
    "frequency_stride": 3,
}


def _text_example(family: str) -> dict[str, Any]:
    own = dict(_TEXT) | dict(_OWN.get(family, {}))
    if family == "distilbert":
        del own["intermediate_size"]
    if family == "modernbert":
        own |= _NONE
    return {"family": family, "config": own}


def _dual_example(family: str) -> dict[str, Any]:
    text = {**_TEXT, "max_position_embeddings": 12, "bos_token_id": 1, "eos_token_id": 119}
    config: dict[str, Any] = {"vision_config": dict(_VISION), "text_config": text}
    return {"family": family, "config": config | ({"projection_dim": 24} if family == "clip" else {})}


def _layout(config: LibraryEncoderConfig) -> str:
    if config.sort == "dual":
        return "transformers-dual"
    if config.row.inside:
        return "transformers-tower"
    return f"transformers-{config.row.name}" if config.row.name in RENAMED else "transformers"


TEXT_ENCODER = ModuleType(
    "transformers.text_encoder",
    LibraryTextConfig,
    {"forward": Method(signatures.read, summary="States of a text; padding is hidden.")},
    "composer_transformers.encoder_models:build_text",
    "An encoder of texts: bert, roberta, distilbert, mpnet, modernbert, deberta-v2.",
    made_for=signatures.made_for,
    layout=_layout,
    examples=tuple(
        _text_example(family)
        for family in ("bert", "roberta", "distilbert", "mpnet", "modernbert", "deberta-v2")
    ),
)

VISION_ENCODER = ModuleType(
    "transformers.vision_encoder",
    LibraryVisionConfig,
    {
        "forward": Method(
            signatures.see, summary="States of a picture, or of a clip for families that read clips."
        ),
        "pooled": Method(signatures.see_pooled, attribute="pooled", summary="One vector."),
        "frames": Method(
            signatures.see_frames, attribute="frames", summary="States of every frame of a clip."
        ),
    },
    "composer_transformers.encoder_models:build_vision",
    "An encoder of pictures: vit, dinov2, clip, siglip, swin, convnext; or of clips: videomae.",
    made_for=signatures.made_for,
    layout=_layout,
    examples=(
        *({"family": family, "config": _VISION} for family in ("vit", "clip", "siglip")),
        {"family": "dinov2", "config": {key: v for key, v in _VISION.items() if key != "intermediate_size"}},
        {
            "family": "swin",
            "config": _SWIN,
        },
        {"family": "videomae", "config": {**_VISION, "num_frames": 4, "tubelet_size": 2}},
        {"family": "convnext", "config": _CONVNEXT},
    ),
)

AUDIO_ENCODER = ModuleType(
    "transformers.audio_encoder",
    LibraryAudioConfig,
    {
        "forward": Method(
            signatures.hear,
            summary="States of a spectrogram (whisper, ast) or of a waveform (wav2vec2).",
        ),
    },
    "composer_transformers.encoder_audio:build_audio",
    "An encoder of sound: whisper, wav2vec2, ast.",
    made_for=signatures.made_for,
    layout=_layout,
    examples=(
        {
            "family": "whisper",
            "config": _WHISPER,
        },
        {"family": "wav2vec2", "config": {**_SOUND, **_WAVES}},
        {"family": "ast", "config": {**_SOUND, **_SPECTROGRAM}},
    ),
)

DUAL_ENCODER = ModuleType(
    "transformers.dual_encoder",
    LibraryDualConfig,
    {
        "forward": Method(signatures.dual_scores, summary="How well every picture goes with every text."),
        "image": Method(
            signatures.dual_image, attribute="image", summary="A picture as a vector of length one."
        ),
        "text": Method(signatures.dual_text, attribute="text", summary="A text as a vector of length one."),
        "similarity": Method(
            signatures.dual_similarity,
            attribute="similarity",
            summary="Scores of such vectors, scaled as trained.",
        ),
    },
    "composer_transformers.encoder_models:build_dual",
    "Pictures and texts in one space, compared: clip, siglip.",
    made_for=signatures.made_for,
    layout=_layout,
    examples=(_dual_example("clip"), _dual_example("siglip")),
)

ENCODERS: tuple[ModuleType, ...] = (TEXT_ENCODER, VISION_ENCODER, AUDIO_ENCODER, DUAL_ENCODER)

_HEADS = (
    "cls",
    "lm_head",
    "classifier",
    "pooler",
    "qa_outputs",
    r"vocab_\w+",
    "head",
    r"(?:mask_|lm_)?predictions",
    "quantizer",
    r"project_\w+",
    r"mask_time_emb\w*",
    "masked_spec_embed",
    "decoder",
    "proj_out",
    "dense",
)
_WRAPS = (
    "bert",
    "roberta",
    "distilbert",
    "mpnet",
    "deberta",
    "vit",
    "dinov2",
    "swin",
    "convnext",
    "videomae",
    "wav2vec2",
    "audio_spectrogram_transformer",
    "base_model",
    "model",
)
HEADS = f"(?:{'|'.join(_HEADS)})"
"""First words of what stands in checkpoints beside the encoder."""
WRAPS = f"(?:{'|'.join(_WRAPS)})"
"""Words with which checkpoints of models with a head begin."""
OTHERS = r"text_model\..*|text_projection\..*|visual_projection\..*|logit_scale|logit_bias"
"""What stands in checkpoints beside one tower."""


def _rules(tower: str, family: str = "") -> tuple[Rule, ...]:
    """`tower`: what else begins the keys of the module's part of a larger model, as a pattern."""
    counted = Rule(r"(?:.*\.)?position_ids", None, name="positions, which are counted")
    head = "a head, which the module was built without"
    other = "another part of the whole model"
    parts = [
        Rule(rf"{tower}\.(.*)", r"model.\1"),
        Rule(f"({OTHERS})", r"model.\1", name=other, spare=True),
    ]
    return (
        counted,
        Rule(rf"(?:{WRAPS}\.)?({HEADS}\..*|{HEADS})", r"model.\1", name=head, spare=True),
        *(parts if tower else []),
        *published_rules(family, rf"(?:{WRAPS}\.)?"),
        Rule(rf"{WRAPS}\.(.*)", r"model.\1"),
        Rule(r"(.*)", r"model.\1"),
    )


def _plain(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    return _rules("")


def _tower(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    return _rules("vision_model")


def _whole(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    return (
        Rule(r"(?:.*\.)?position_ids", None, name="positions, which are counted"),
        Rule(r"(.*)", r"model.\1"),
    )


def _of(family: str) -> Callable[[Mapping[str, Any]], tuple[Rule, ...]]:
    return lambda parameters: _rules("", family)


ENCODER_LAYOUTS = (
    *(
        Layout(
            f"transformers-{family}",
            f"Checkpoints of transformers' {family}, as they are published.",
            _of(family),
        )
        for family in RENAMED
    ),
    Layout("transformers", "Checkpoints of transformers for one encoder: heads are left out.", _plain),
    Layout("transformers-tower", "Checkpoints of CLIP and SigLIP for the vision encoder alone.", _tower),
    Layout("transformers-dual", "Checkpoints of CLIP and SigLIP.", _whole),
)
