"""What the GPU script needs, said in one sentence where it is missing. Imports nothing of the project."""

from __future__ import annotations

import importlib.util
from importlib.metadata import entry_points

__all__ = ["missing"]

PACKAGES = {
    "torch": "torch",
    "numpy": "numpy",
    "networkx": "networkx",
    "pydantic": "pydantic",
    "pluggy": "pluggy",
    "yaml": "PyYAML",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "PIL": "Pillow",
    "av": "av",
}
PLUGINS = {"core", "text", "vision", "mplug2", "graphs", "compile"}
HOW = "see the head of benchmarks/gpu/run.py for how to carry packages to a machine without a network"


def missing(device: str) -> str | None:
    """What is not there, in one sentence; None where all is."""
    absent = [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if absent:
        return f"this Python lacks {', '.join(absent)}: install them, or name their folder with --packages; {HOW}"
    found = {point.name for point in entry_points(group="composer")}
    if not found >= PLUGINS:
        return (
            f"multimodal-composer is not installed for this Python (no plugin {min(PLUGINS - found)}): "
            f"`python -m pip install --no-deps .`, or --packages; {HOW}"
        )
    if device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            return f"torch {torch.__version__} finds no CUDA device here: use --device cpu --tiny"
    return None
