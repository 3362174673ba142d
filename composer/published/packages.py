"""Folders of installed packages, found without importing anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from composer.problems import InputError

__all__ = ["package_folders", "path_in_package"]


def package_folders(package: str, error: Callable[[str], InputError]) -> list[Path]:
    """The folders of a package, which is called as it is imported or as it is installed; it is not imported.

    `error` makes an error of a cause: it says for whom the package is looked for. Raises that where there is none.
    """
    first, *inner = package.split(".")
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
        raise error(f"`{modules[0]}` is a single module and has no files of its own")
    if found:
        raise error(f"`{package}` is not a folder of the installed package `{first}`")
    raise error(f"no package `{first}` is installed here: install it (pip install {first.replace('_', '-')})")


def path_in_package(folders: Sequence[Path], inside: str, error: Callable[[str], InputError]) -> Path | None:
    """A file or folder in the folders of a package, or None. Raises an error for a link that leads out of them."""
    for folder in folders:
        path = folder / inside
        if not os.path.exists(path):
            continue
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            raise error("the file is a link that leads out of the package: name it by its own path")
        return path
    return None


def _brought_by(name: str) -> Iterator[str]:
    """What is imported of an installed distribution: `gt-tiny` brings `gt_tiny`."""
    try:
        files = distribution(name).files or ()
    except (PackageNotFoundError, ValueError):
        return
    yield from dict.fromkeys(
        file.parts[0] for file in files if len(file.parts) > 1 and file.parts[0].isidentifier()
    )
