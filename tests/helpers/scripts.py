"""Scripts of the examples as modules. Several folders have a `prepare.py`, so each has a name of its own here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

__all__ = ["script"]


def script(path: Path) -> ModuleType:
    """The module of a script, run once; what it imports of its folder keeps no general name."""
    name = f"{path.parent.name}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    siblings = {each.stem for each in path.parent.glob("*.py")}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path.parent)
        for sibling in siblings:
            patch.delitem(sys.modules, sibling, raising=False)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for sibling in siblings:
            sys.modules.pop(sibling, None)
    return module
