"""Plugin entry module of composer_graphs: the documents that ship with the project. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from composer.plugin import Document, Register, hookimpl

__all__ = ["DOCUMENTS", "composer_register"]

FOLDER = Path(__file__).parent

DOCUMENTS = {
    "mplug2": "mPLUG-2 (large): questions and captions for pictures and videos.",
    "mplug2-base": "mPLUG-2 at base size.",
    "mplug2-tasks": "Every task family of mPLUG-2 over one set of modules, with objectives and scores.",
    "quickstart": "A small mPLUG-2 with trained weights that ship with it.",
    "quickstart-chain": "Its modules in a task with text from the middle: describe, ask, answer.",
}
"""Every shipped document by name: `<name>.yaml` here, with its weights beside it where they ship."""


@hookimpl
def composer_register(register: Register) -> None:
    """Register the shipped documents."""
    for name, summary in DOCUMENTS.items():
        weights = FOLDER / f"{name}.safetensors"
        register(Document(name, FOLDER / f"{name}.yaml", summary, weights if weights.exists() else None))
