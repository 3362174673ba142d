"""The search of docs/plugins.md as a plugin for tests: it draws tokens, with a temperature and a seed per call."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from pages import blocks, files_of, write_files

__all__ = ["sampling_plugin"]

FILES = ("composer_sample.py", "composer_sampling.py")


@contextmanager
def sampling_plugin(folder: Path) -> Iterator[ModuleType]:
    """The module of the page, importable while the context lasts."""
    shown = files_of(blocks("plugins.md"))
    write_files(folder, {name: shown[name] for name in FILES})
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("composer_sample")
    finally:
        sys.path.remove(str(folder))
        for name in FILES:
            sys.modules.pop(name.removesuffix(".py"), None)
