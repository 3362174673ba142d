"""Names of well-known libraries and hubs, which people write where a registered module type is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["as_id", "library_help"]

LIBRARIES = frozenset(
    (
        "accelerate",
        "asteroid",
        "bitsandbytes",
        "detectron2",
        "diffusers",
        "espnet",
        "fairseq",
        "flash_attn",
        "flax",
        "haiku",
        "hf",
        "hf_hub",
        "huggingface",
        "huggingface_hub",
        "jax",
        "k2",
        "keras",
        "kornia",
        "lavis",
        "librosa",
        "lightning",
        "llama_cpp",
        "llava",
        "mmcls",
        "mmcv",
        "mmdet",
        "mmengine",
        "mmpretrain",
        "mmseg",
        "monai",
        "nemo",
        "nltk",
        "onnx",
        "onnxruntime",
        "open_clip",
        "opencv",
        "optimum",
        "paddle",
        "paddlenlp",
        "peft",
        "pytorch",
        "pytorch_lightning",
        "qwen_vl_utils",
        "sacrebleu",
        "sam2",
        "scikit_learn",
        "segment_anything",
        "sentence_transformers",
        "sklearn",
        "spacy",
        "speechbrain",
        "tensorflow",
        "tf",
        "timm",
        "torch",
        "torchaudio",
        "torchmetrics",
        "torchmultimodal",
        "torchtext",
        "torchtune",
        "torchvision",
        "transformers",
        "trl",
        "ultralytics",
        "unsloth",
        "vllm",
        "whisper",
        "xformers",
    )
)
_SIGNS = re.compile(r"[/:]+|\.{2,}")
_BARE = frozenset(library.replace("_", "") for library in LIBRARIES)


def as_id(text: str) -> str:
    """An id in the signs of a document: others write `core/beam` or `core:beam` for `core.beam`."""
    return _SIGNS.sub(".", text).strip(". ")


def library_help(name: str, offered: Iterable[str] = ()) -> str | None:
    """How a part of another library comes in, where `name` is one: `torch.nn.Linear`, `org/model`.

    `offered` are the ids that there are: those of the library are named where a plugin has some (`timm.backbone`).
    """
    library = name.replace(":", ".").partition(".")[0].strip()
    own = sorted(id for id in offered if id.startswith(f"{library}."))
    if own and library in LIBRARIES:
        return f"`{library}` is a library whose models come in by {', '.join(own)} (docs/models.md)"
    if library.lower().replace("-", "").replace("_", "") in _BARE:  # `openclip` is meant for `open_clip`
        what = f"`{library}` is a library: no installed plugin offers its parts"
    elif name.count("/") == 1 and not name.startswith((".", "/")):
        what = f"`{name}` is written as a model of a hub, which cannot be named here"
    else:
        return None
    cure = "`composer plugins new` writes a plugin, which offers such a part in a few lines (docs/plugins.md)"
    return f"{what}; {cure}"
