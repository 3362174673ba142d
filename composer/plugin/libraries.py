"""Names of well-known libraries and hubs, which people write where a registered module type is asked for."""

from __future__ import annotations

__all__ = ["library_help"]

LIBRARIES = frozenset(
    (
        "diffusers",
        "hf",
        "huggingface",
        "keras",
        "open_clip",
        "peft",
        "sentence_transformers",
        "tensorflow",
        "timm",
        "torch",
        "torchaudio",
        "torchvision",
        "transformers",
    )
)


def library_help(name: str) -> str | None:
    """How a part of another library comes in, where `name` is one: `timm`, `torch.nn.Linear`, `org/model`."""
    library = name.replace(":", ".").partition(".")[0].strip()
    plain = library.lower().replace("-", "_")
    if plain in LIBRARIES:
        what = f"`{library}` is a library: no installed plugin offers its models"
    elif name.count("/") == 1 and not name.startswith((".", "/")):
        what = f"`{name}` is written as a model of a hub, which cannot be named here"
    else:
        return None
    cure = "`composer plugins new` writes a plugin, which makes a module type of one in a few lines (docs/plugins.md)"
    return f"{what}; {cure}"
