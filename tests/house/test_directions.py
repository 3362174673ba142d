"""Who imports whom: the contracts of .importlinter hold, and plugins use public names of the core alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLIC = {
    *("composer.types", "composer.problems", "composer.plugin"),
    # They stand apart, for what is imported at every start is little.
    *("composer.problems.endings", "composer.problems.media_source"),
    *("composer.plugin.csv_records", "composer.plugin.masks", "composer.plugin.search_loop"),
    *("composer.plugin.standing_in", "composer.plugin.templates"),
    *(
        "composer.media.decoders",
        "composer.media.for_libav",
        "composer.media.structure",
        "composer.types.class_numbers",
    ),
}
"""What a plugin may import. Anything else below is private to the core."""


def test_the_import_contracts_hold() -> None:
    code = "from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def plugin_files() -> list[Path]:
    return sorted([*(ROOT / "plugins").rglob("*.py"), *(ROOT / "graphs").rglob("*.py")])


@pytest.mark.parametrize("path", plugin_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_imports_public_names_alone(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    core = {name for name in imported if name == "composer" or name.startswith("composer.")}
    assert core <= PUBLIC
