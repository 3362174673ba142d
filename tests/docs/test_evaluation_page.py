"""docs/evaluation.md: its commands run in order, and print what the page says."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import Block, blocks

from composer.cli import main

ROOT = Path(__file__).parents[2]
BLOCKS = blocks("evaluation.md")
FILES = {b.comment.removeprefix("file: "): b.text for b in BLOCKS if b.comment.startswith("file: ")}
STEPS = [block for block in BLOCKS if not block.comment and block.language in ("bash", "python")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of the page, and the picture that they name, as the current folder."""
    place = tmp_path_factory.mktemp("evaluation")
    for name, text in FILES.items():
        (place / name).write_text(text)
    shutil.copy(ROOT / "examples" / "quickstart" / "picture.png", place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        yield place


@pytest.mark.parametrize("block", STEPS, ids=lambda block: f"line {block.line}")
def test_a_block_runs_and_prints_what_the_page_says(
    block: Block, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if block.language == "python":
        exec(compile(block.text, f"evaluation.md:{block.line}", "exec"), {"__name__": "block"})
        return
    capsys.readouterr()
    for line in block.text.splitlines():
        assert main(shlex.split(line)[1:]) == 0, line
    printed = capsys.readouterr().out
    after = next((b for b in BLOCKS if b.line > block.line), None)
    if after is not None and after.language == "text":
        assert after.text.strip() in printed


def test_every_ordinary_metric_is_on_the_page() -> None:
    from composer.plugin import load_registry

    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(core\.\w+)`", page))
    assert {id_ for id_ in load_registry().metrics if id_.startswith("core.")} <= named
