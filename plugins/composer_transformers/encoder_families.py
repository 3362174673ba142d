"""The families of encoders: one row each. Imports neither transformers nor torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ENCODER_FAMILIES", "EncoderFamily", "families_of"]

Sort = Literal["text", "vision", "audio", "dual"]
Shape = Literal[
    "tokens", "patches", "windows", "stages", "tubelets", "mels", "waves", "spectrogram", "towers"
]
"""How the places of the states follow from the config."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class EncoderFamily:
    """One row: how a family is called here and in transformers, and what is special about it."""

    name: str
    """As documents write it."""
    sort: Sort
    model_type: str
    """As a published config.json writes it."""
    config_class: str
    model_class: str
    shape: Shape = "tokens"
    prefix: int = 0
    """Tokens before those of the places: a class token, a distillation token."""
    inside: str = ""
    """The key under which the config of a larger published model has this one's."""
    options: tuple[str, ...] = ()
    """Arguments of the model class that are off, since their parts are heads."""
    pooled: Literal["", "first", "mean", "own"] = ""
    """How one vector is made: the first state, the mean, or as the model does; none where it is empty."""
    positions: Literal["", "counted", "behind padding", "behind one"] = ""
    """How positions are numbered: by the model alone, from zero, or from behind the padding id, which is always 1 for
    some."""
    token_types: bool = False
    """Whether it reads token types."""
    colours: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Mean and spread of pictures, where a folder does not say."""
    further: tuple[str, ...] = ()
    """Keys of published configs that the library reads and does not declare."""
    fused: bool = True
    """Whether the library knows the family with torch's fused attention."""


_PLAIN = ("add_pooling_layer",)

ENCODER_FAMILIES: tuple[EncoderFamily, ...] = (
    EncoderFamily(
        "bert",
        "text",
        "bert",
        "BertConfig",
        "BertModel",
        options=_PLAIN,
        positions="counted",
        token_types=True,
    ),
    EncoderFamily(
        "roberta",
        "text",
        "roberta",
        "RobertaConfig",
        "RobertaModel",
        options=_PLAIN,
        positions="behind padding",
    ),
    EncoderFamily(
        "distilbert", "text", "distilbert", "DistilBertConfig", "DistilBertModel", positions="counted"
    ),
    EncoderFamily(
        "mpnet",
        "text",
        "mpnet",
        "MPNetConfig",
        "MPNetModel",
        options=_PLAIN,
        positions="behind one",
        fused=False,
    ),
    EncoderFamily(
        "modernbert",
        "text",
        "modernbert",
        "ModernBertConfig",
        "ModernBertModel",
        further=("global_attn_every_n_layers",),
    ),
    EncoderFamily(
        "deberta-v2",
        "text",
        "deberta-v2",
        "DebertaV2Config",
        "DebertaV2Model",
        positions="counted",
        further=("position_buckets", "norm_rel_ebd", "share_att_key", "conv_kernel_size", "conv_act"),
        fused=False,
    ),
    EncoderFamily(
        "vit", "vision", "vit", "ViTConfig", "ViTModel", "patches", 1, "", _PLAIN, "first", colours=HALVES
    ),
    EncoderFamily(
        "dinov2",
        "vision",
        "dinov2",
        "Dinov2Config",
        "Dinov2Model",
        "patches",
        1,
        "",
        (),
        "first",
        colours=IMAGENET,
    ),
    EncoderFamily(
        "clip",
        "vision",
        "clip_vision_model",
        "CLIPVisionConfig",
        "CLIPVisionModel",
        "patches",
        1,
        "vision_config",
        (),
        "own",
        colours=CLIP,
    ),
    EncoderFamily(
        "siglip",
        "vision",
        "siglip_vision_model",
        "SiglipVisionConfig",
        "SiglipVisionModel",
        "patches",
        0,
        "vision_config",
        (),
        "own",
        colours=HALVES,
    ),
    EncoderFamily(
        "swin",
        "vision",
        "swin",
        "SwinConfig",
        "SwinModel",
        "windows",
        0,
        "",
        _PLAIN,
        "mean",
        colours=IMAGENET,
    ),
    EncoderFamily(
        "convnext",
        "vision",
        "convnext",
        "ConvNextConfig",
        "ConvNextModel",
        "stages",
        0,
        "",
        (),
        "own",
        colours=IMAGENET,
        fused=False,
    ),
    EncoderFamily(
        "videomae",
        "vision",
        "videomae",
        "VideoMAEConfig",
        "VideoMAEModel",
        "tubelets",
        0,
        "",
        (),
        "mean",
        colours=IMAGENET,
    ),
    EncoderFamily("whisper", "audio", "whisper", "WhisperConfig", "WhisperModel", "mels", pooled="mean"),
    EncoderFamily("wav2vec2", "audio", "wav2vec2", "Wav2Vec2Config", "Wav2Vec2Model", "waves"),
    EncoderFamily(
        "ast",
        "audio",
        "audio-spectrogram-transformer",
        "ASTConfig",
        "ASTModel",
        "spectrogram",
        2,
        pooled="own",
    ),
    EncoderFamily("clip", "dual", "clip", "CLIPConfig", "CLIPModel", "towers", 1, colours=CLIP),
    EncoderFamily("siglip", "dual", "siglip", "SiglipConfig", "SiglipModel", "towers", colours=HALVES),
)
"""Text, vision, audio, and pictures beside text."""


def families_of(sort: Sort) -> dict[str, EncoderFamily]:
    """The families of one sort by the name that documents write."""
    return {family.name: family for family in ENCODER_FAMILIES if family.sort == sort}
