"""What TensorRT leaves to torch, by the plan."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["fallbacks_of"]

CODE = """
import sys
from composer_compile import Options
from composer_compile.plan.planner import plan_document
registry = None
if sys.argv[1]:
    import importlib
    name, _, made = sys.argv[1].partition(":")
    registry = getattr(importlib.import_module(name), made)()
for path in sys.argv[2:]:
    for task in plan_document(path, options=Options(backend="tensorrt"), registry=registry).tasks:
        for stage in task.stages:
            for node in stage.nodes:
                print(*(f"{task.name}/{node.name}/{each.target}" for each in node.operations if not each.supported))
"""


def fallbacks_of(*documents: Path, registry: str = "") -> list[str]:
    """`task/node/operation` of each that falls back, in a process of its own: the library changes torch when it is
    imported. `registry` is `module:function` of the helpers, for module types of a test.
    """
    command = [sys.executable, "-c", CODE, registry, *map(str, documents)]
    helpers = str(Path(__file__).parent)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": helpers}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
