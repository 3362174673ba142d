"""What a training run leaves: the weights as safetensors, and a JSON record of their making and their scores."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from composer.training.state import write_whole

__all__ = ["count_parameters", "versions", "write_record", "write_weights"]

PACKAGES = ("multimodal-composer", "torch", "numpy", "tokenizers", "easy-vqa", "scikit-learn")


def write_weights(path: Path, modules: Mapping[str, nn.Module]) -> str:
    """Write every parameter and buffer as `<module>.<name>`; returns the file's SHA-256."""
    from safetensors.torch import save_file

    tensors = {
        f"{name}.{key}": tensor.detach().contiguous()
        for name, module in modules.items()
        for key, tensor in module.state_dict().items()
    }
    write_whole(path, lambda temporary: save_file(tensors, temporary, metadata={"format": "pt"}))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write the record as JSON, whole or not at all."""
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda temporary: _write_text(temporary, text))


def count_parameters(modules: Mapping[str, nn.Module]) -> dict[str, int]:
    """Parameters of every module and their `total`."""
    counts = {name: sum(p.numel() for p in module.parameters()) for name, module in modules.items()}
    return {**counts, "total": sum(counts.values())}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    found["torch"] = str(torch.__version__)
    return found


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
