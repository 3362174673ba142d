"""Files inside of installed packages, found without importing anything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from composer.language.declared_weights import DeclaredWeights
from composer.problems.suggest import listed, nearest
from composer.published.packages import package_folders, path_in_package
from composer.sources.weights_error import WeightsError

__all__ = ["find_packaged"]

_SUFFIXES = (".safetensors", ".safetensors.index.json", ".bin", ".pth", ".pt", ".ckpt", ".gguf", ".onnx")
_MOST_FILES = 5000
"""Files of a package that are looked at for weights to name."""


def find_packaged(declared: DeclaredWeights) -> Path:
    """The file or folder of a package. Raises WeightsError where there is no such package, or no such file in it."""

    def error(cause: str) -> WeightsError:
        return WeightsError(f"weights {declared}: {cause}")

    folders = package_folders(declared.package, error)
    path = path_in_package(folders, declared.file, error)
    if path is None:
        raise WeightsError(_no_file(declared, folders))
    return path


def _no_file(declared: DeclaredWeights, folders: Sequence[Path]) -> str:
    files = [
        file.relative_to(folder).as_posix()
        for folder in folders
        for file in islice((path for path in folder.rglob("*") if path.is_file()), _MOST_FILES)
    ]
    weights = sorted(file for file in files if file.endswith(_SUFFIXES))
    guess = nearest(declared.file, weights)
    hint = f"; did you mean `{guess}`?" if guess is not None else "."
    has = f"Its weights are {listed(declared.file, weights)}" if weights else "It holds no weights"
    return f"weights {declared}: the package `{declared.package}` has no file `{declared.file}`{hint} {has}"
