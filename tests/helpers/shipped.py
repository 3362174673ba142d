"""Every document that ships, registered or among the examples, at sizes and with weights that a test can run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from faulty_plugins import write_metadata

from composer.language import Library, find_source, resolve
from composer.plugin import load_registry

__all__ = ["TEXTS", "Shipped", "lay_out", "shipped", "values_of"]

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "tiny"
GALLERY = ROOT / "examples" / "gallery"
RESULTS = ROOT / "examples" / "results"
PLUGINS = {"vad": GALLERY / "plugin_vad", "sound": ROOT / "examples" / "plugin_sound"}
"""The plugins among the examples, `composer_NAME` in these folders."""
SIZES: Mapping[str, Any] = yaml.safe_load((TINY / "tiny.yaml").read_text(encoding="utf-8"))["parameters"]
FAMILIES = {"positions": 64, "text_tokens": 24, "embed_dim": 8, "queue": 6, "rerank": 2}
"""Sizes of the document with every task family, beside those."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {"answer": {"width": 32}, "chat": {"tokens": 6}}
"""What fits the tiny language model that stands for the one of the gallery."""
DINO = {
    "model_type": "dinov2",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
"""A tiny vision transformer in place of the one of the gallery."""
SAME = {"mplug2-base", "mplug2-tasks", "small-apart", "small-single", "pretrain", "seek", "boxes", "joint"}
"""Those with further tasks over modules that another document has too."""
WHOLE = {"conse", "similar-sentences", "movies", "photo", "photo-classes"}
"""Those with networks at full size."""
TEXTS = ["what is the man doing in the picture now", "who", "is there a red circle"]
"""Of other lengths, in words of every tokenizer."""


@dataclass(frozen=True)
class Shipped:
    """A document, and how it is loaded."""

    name: str
    document: str
    """Its registered name, or its file below the folder of `lay_out`."""
    tasks: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = "initial"
    """None for those that ship with it."""

    @property
    def is_slow(self) -> bool:
        """Whether a test of it takes seconds, or shows little that one of another document does not."""
        return self.name in SAME | WHOLE


def shipped() -> Iterator[Shipped]:
    """All of them. No plugin of the examples needs to be installed for that."""
    registered = {name: entry.path for name, entry in load_registry().documents.items()}
    library = Library(registered)
    for name in sorted(registered):
        shape = resolve(find_source(name, library), library).shape
        if "rank_top" not in shape.parameters:
            yield Shipped(name, name, tuple(shape.tasks), weights=None)
            continue
        yield Shipped(name, name, tuple(shape.tasks), _toy_sizes(shape.parameters))
    for path in sorted(
        [*GALLERY.glob("*.yaml"), *RESULTS.glob("*.yaml"), *PLUGINS["sound"].glob("*/*.yaml")]
    ):
        shape = resolve(find_source(path, library), library).shape
        found = Shipped(shape.name or path.stem, str(path.relative_to(ROOT / "examples")), tuple(shape.tasks))
        yield (
            found
            if found.name not in SETTINGS
            else Shipped(found.name, found.document, found.tasks, SETTINGS[found.name])
        )


def _toy_sizes(known: Mapping[str, Any]) -> dict[str, Any]:
    """mPLUG-2 at the sizes of `tiny.yaml`."""
    found = {name: value for name, value in SIZES.items() if name in known}
    if "text_tokens" in known:  # coordinates are tokens of the whole vocabulary
        return {
            name: value for name, value in found.items() if name not in ("vocabulary", "tokenizer")
        } | FAMILIES
    return found | {"tokenizer": str(TINY / "vocabulary.txt")}


def lay_out(folder: Path) -> Path:
    """Copy the examples, with tiny models where the published ones go; the folder of their plugins, to be installed."""
    from tiny_folders import save_folder

    for name in ("gallery", "results"):
        (folder / name).mkdir()
        for path in (GALLERY.parent / name).glob("*.yaml"):
            shutil.copy(path, folder / name)
    shutil.copytree(PLUGINS["sound"], folder / "plugin_sound")
    (folder.parent / "graphs").mkdir()
    shutil.copy(ROOT / "graphs" / "quickstart.words.txt", folder.parent / "graphs")
    models = folder / "gallery" / "models"
    (models / "smollm2").mkdir(parents=True)
    save_folder(models / "smollm2", "llama", chat=True)
    (models / "dinov2-focus").mkdir()
    (models / "dinov2-focus" / "config.json").write_text(json.dumps(DINO))
    (models / "imagenet.txt").write_text("".join(f"class {number}\n" for number in range(1000)))
    site = folder / "site"
    for name, place in PLUGINS.items():
        shutil.copytree(place / f"composer_{name}", site / f"composer_{name}")
        write_metadata(site, name, f"{name} = composer_{name}")
    return site


def values_of(modality: str, config: Any) -> list[Any]:
    """Three values of a modality, each another one; texts and sounds of other lengths."""
    draw = np.random.default_rng(7)
    if modality in ("text", "string", "prompt"):
        return TEXTS
    if modality in ("audio", "sound"):
        return [draw.uniform(-0.5, 0.5, length).astype(np.float32) for length in (4_000, 700, 2_500)]
    shape = (40, 48, 3) if modality == "image" else (getattr(config, "frames", 1), 40, 48, 3)
    assert modality in ("image", "video"), f"give this test a value of the modality {modality}"
    return [draw.integers(0, 255, shape, dtype=np.uint8) for _ in range(3)]
