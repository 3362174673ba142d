"""Declare multimodal models in YAML; check, run and compile them.

```python
import composer

report = composer.check("my.yaml")  # no torch
model = composer.load("mplug2", weights="mPLUG2_MSRVTT_QA.pth", layout="mplug2")
model.run("video-qa", video="clip.mp4", question="what is the man doing?")
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.execution import Model, load
    from composer.graph import Report, check
    from composer.language import Source
    from composer.problems import ComposerError, DocumentError, InputError
    from composer.rows import answer_rows, run_rows

    __version__: str

__all__ = [
    "ComposerError",
    "DocumentError",
    "InputError",
    "Model",
    "Report",
    "Source",
    "__version__",
    "answer_rows",
    "check",
    "load",
    "run_rows",
]

_HOMES = {
    "ComposerError": "composer.problems",
    "DocumentError": "composer.problems",
    "InputError": "composer.problems",
    "Model": "composer.execution",
    "Report": "composer.graph",
    "Source": "composer.language",
    "answer_rows": "composer.rows",
    "check": "composer.graph",
    "load": "composer.execution",
    "run_rows": "composer.rows",
}
"""Public name → the package it comes from."""


def __getattr__(name: str) -> object:
    """Import what is asked for, when it is asked for: `import composer` stays instant and torch-free."""
    if name == "__version__":
        from importlib.metadata import version

        return version("multimodal-composer")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'composer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
