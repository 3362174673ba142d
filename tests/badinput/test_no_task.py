"""A document of modules alone, for others to extend: every command that needs a task says that there is none."""

from __future__ import annotations

from pathlib import Path

import composer_compile
import pytest
from composer_compile.errors import CompileError

PARTS = """\
composer: 1
name: parts
modules:
  head: {uses: core.linear, with: {input_dim: 4, output_dim: 2}}
"""
RUN = "this model has no task"
DRAW, COMPILE = "nothing to draw: parts has no task", "there is nothing to compile: parts has no task"


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("parts.yaml")
    path.write_text(PARTS, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "parts.yaml", "--weights", "initial", "x=1"], RUN),
        (["show", "parts.yaml", "--picture", "out.svg"], DRAW),
        (["show", "parts.yaml", "--picture", "mermaid"], DRAW),
        (["diff", "parts.yaml", "parts.yaml", "--picture", "out.svg"], "nothing to draw: parts → parts has no task"),
        (["compile", "parts.yaml", "--weights", "initial", "--out", "out"], COMPILE),
        (["compile", "parts.yaml", "--plan"], COMPILE),
    ],
)  # fmt: skip
def test_what_needs_a_task_says_that_there_is_none(
    composer, parts: Path, arguments: list[str], message: str
) -> None:
    done = composer(*arguments)
    assert (done.code, done.err) == (1, f"composer: error: {message}\n")
    assert [each.name for each in Path().iterdir()] == ["parts.yaml"]


def test_tasks_that_are_none_are_not_compiled(tiny, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="nothing to compile: no task is named"):
        composer_compile.compile_document(tiny.document, tmp_path / "out", weights=tiny.weights, tasks=[])
    assert not list(tmp_path.iterdir())
