"""A small document with lively weights, live and compiled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import composer_compile
import torch
from word_list import WORDS

from composer.execution import Model, load
from composer.weights import save_weights

__all__ = ["Compiled", "compiled"]


@dataclass(frozen=True)
class Compiled:
    """A document, its weights, its live model and its artifact."""

    document: Path
    weights: Path
    model: Model
    artifact: Path


def compiled(folder: Path, name: str, text: str, *, seed: int) -> Compiled:
    """Write a document, with `words.txt` beside it, and compile it."""
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    document = folder / f"{name}.yaml"
    document.write_text(text)
    torch.manual_seed(seed)
    model = load(document, weights="initial")
    # Initial weights are so small that every beam scores nearly the same.
    for module in model.modules.values():
        for parameter in module.parameters():
            parameter.data.mul_(3).add_(torch.randn_like(parameter) * 0.05)
    weights = folder / "weights.safetensors"
    save_weights(model.modules, weights)
    artifact = folder / "artifact"
    composer_compile.compile_document(document, artifact, weights=weights)
    return Compiled(document, weights, model, artifact)
