"""What a training run leaves beside its weights: a JSON record of their making and their scores."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from torch import nn

from composer.files import replace_file

__all__ = ["count_parameters", "versions", "write_record"]

PACKAGES = ("multimodal-composer", "torch", "numpy")


def write_record(path: Path, record: Mapping[str, object]) -> None:
    """Write the record as JSON, whole or not at all. A number that JSON lacks (NaN, infinity) is null."""
    text = json.dumps(_finite(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(path, lambda file: file.write(text.encode()))


def count_parameters(modules: Mapping[str, nn.Module]) -> dict[str, int]:
    """Parameters of every module, and their `total`: one that several modules share counts once there."""
    counts = {name: sum(p.numel() for p in module.parameters()) for name, module in modules.items()}
    every = {id(p): p.numel() for module in modules.values() for p in module.parameters()}
    return {**counts, "total": sum(every.values())}


def versions(packages: Iterable[str] = ()) -> dict[str, str]:
    """Versions of Python and of the packages that decide the result: the core's, and `packages` of the data."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *sorted(set(packages))):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
