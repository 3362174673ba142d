"""Compiling documents into verified artifacts, and running them. Importing this imports no torch.

```python
import composer_compile

composer_compile.compile_document("quickstart", "dist/quickstart")
artifact = composer_compile.load("dist/quickstart")
artifact.run("image-qa", image="picture.png", question="what color is the shape?")
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.plugin import Register, hookimpl
from composer_compile.backends import BACKENDS

if TYPE_CHECKING:
    from composer_compile.compiler import compile_document
    from composer_compile.options import BuildOptions, Options
    from composer_compile.runtime.artifact import Artifact, load

__all__ = ["Artifact", "BuildOptions", "Options", "compile_document", "composer_register", "load"]

_PLACES = {
    "Artifact": "composer_compile.runtime.artifact",
    "BuildOptions": "composer_compile.options",
    "Options": "composer_compile.options",
    "compile_document": "composer_compile.compiler",
    "load": "composer_compile.runtime.artifact",
}


@hookimpl
def composer_register(register: Register) -> None:
    """Register the backends."""
    register(*BACKENDS)


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: it needs torch, and this module is a plugin's entry."""
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'composer_compile' has no attribute {name!r}")
