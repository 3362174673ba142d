"""Running an artifact imports no compiler: in a fresh process, what is in memory after an answer is counted by room."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from composer_compile.backends import BACKENDS

COMPILER = ("compiler", "options", "tensors", "stages", "export", "parity", "plan")
"""What makes artifacts, and compares, plans and describes them while they are made."""
FORMAT_AND_RUNNING = 28
"""Modules of `composer_compile` that an answer of the backend `export` needs; it was 24 of 65 with the compiler's."""
LOADED = """
import sys
def loaded():
    return [name for name in sys.modules if name.partition(".")[0] == "composer_compile"]
"""
ANSWER = f"""
{LOADED}
import composer_compile
with composer_compile.load(sys.argv[1]) as artifact:
    print(artifact.run("classify", question="red is it")["scores"].shape)
print("LOADED", *loaded())
"""
LOADER = f"""
{LOADED}
from composer.plugin.asking import import_object
import_object(sys.argv[1], "a loader")()
print("LOADED", *loaded())
"""


def loaded_by(code: str, argument: str) -> set[str]:
    """Modules of `composer_compile` that are in memory after a program."""
    done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rsplit("LOADED ", 1)[1].split())


def builders(names: set[str]) -> set[str]:
    """Those of the modules that build: the compiler's rooms, and the building half of a backend."""
    rooms = tuple(f"composer_compile.{room}" for room in COMPILER)
    inside = {name for name in names if name in rooms or name.startswith(tuple(f"{room}." for room in rooms))}
    return inside | {name for name in names if "build" in name.removeprefix("composer_compile")}


def test_an_answer_imports_no_compiler(small: Any) -> None:
    names = loaded_by(ANSWER, str(small.artifact))
    assert "composer_compile.runtime.artifact" in names
    assert builders(names) == set()
    assert len(names) <= FORMAT_AND_RUNNING, sorted(names)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
def test_a_loader_imports_no_builder(backend: Any) -> None:
    names = loaded_by(LOADER, backend.loader)
    assert backend.loader.partition(":")[0] in names
    assert builders(names) == set()
    assert builders({*names, backend.builder.partition(":")[0]}) != set()
