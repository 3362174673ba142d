"""Declare multimodal models in YAML; check, run and compile them.

```python
import composer

report = composer.check("my.yaml")  # no torch
model = composer.load("mplug2", weights="mPLUG2_MSRVTT_QA.pth", layout="mplug2")
model.run("video-qa", video="clip.mp4", question="what is the man doing?")
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from composer.execution import load
    from composer.graph import check

__all__ = ["check", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: `import composer` stays instant and torch-free."""
    if name == "check":
        from composer.graph import check

        return check
    if name == "load":
        from composer.execution import load

        return load
    raise AttributeError(f"module 'composer' has no attribute {name!r}")
