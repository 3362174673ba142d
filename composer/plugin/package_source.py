"""The source text of a package, read without importing it: importing a broken one would run it again."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

__all__ = ["sources_of"]

MOST_FILES = 200


def sources_of(package: str) -> Iterator[str]:
    """The text of every Python file of a top-level package or module; nothing where it cannot be found."""
    try:
        spec = find_spec(package.partition(".")[0])
    except (ImportError, ValueError, AttributeError):
        return
    if spec is None or spec.origin is None:
        return
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    for file in files[:MOST_FILES]:
        try:
            yield file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
