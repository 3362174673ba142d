"""Every document that lies in the repository says what it means: what has moved is told here, not to its next user."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.graph import check

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"gallery", "plugin_sound"}
"""Folders of documents that need weights or plugins of their own: their own tests run them."""
DOCUMENTS = [
    path
    for folder in ("graphs", "examples", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.yaml"))
    if not ELSEWHERE & {*path.parts} and "\ncomposer: 1\n" in f"\n{path.read_text('utf-8')}"
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_has_no_problem(path: Path) -> None:
    assert not check(path).errors
