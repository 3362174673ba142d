"""Fenced blocks of a Markdown page, each with the HTML comment that stands right above it."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOCS", "Block", "blocks", "expected", "files_of", "run_block", "whole_document", "write_files"]

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<comment>.*?) -->\n)?^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """One block: its language, its comment ("" without one), and the line on which its text begins."""

    language: str
    comment: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """The blocks of a page in docs/, in order."""
    content = (DOCS / page).read_text(encoding="utf-8")
    return [
        Block(m["language"], m["comment"] or "", m["text"], content.count("\n", 0, m.start("text")) + 1)
        for m in _BLOCK.finditer(content)
    ]


def files_of(page: Iterable[Block]) -> dict[str, str]:
    """The files that a page shows, by the name in the comment above each: `<!-- file: a.yaml -->`."""
    found = ((re.match(r"file: (\S+)", block.comment), block.text) for block in page)
    return {match[1]: text for match, text in found if match}


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run_block(block: Block, page: str, names: dict[str, object] | None = None) -> None:
    """Run a block of Python in `names` (its own where left out), or each command of a block of bash."""
    if block.language == "python":
        code = compile("\n" * (block.line - 1) + block.text, page, "exec")
        exec(code, {"__name__": "block"} if names is None else names)
        return
    from composer.cli import main

    assert block.language == "bash"
    for line in block.text.splitlines():
        command = shlex.split(line, comments=True)
        assert command[0] == "composer"
        assert main(command[1:]) == 0, line


def whole_document(block: Block) -> str:
    """The block itself, or around the inside of a task the document that the page of the language describes."""
    if block.text.startswith("composer: 1"):
        return block.text
    assert block.text.startswith("inputs:")
    modules = next(each.text for each in blocks("language.md") if each.comment == "modules")
    return f"composer: 1\n{modules}tasks:\n  task:\n{textwrap.indent(block.text, '    ')}"


def expected(block: Block) -> list[str]:
    """The codes that the comment above a block says."""
    match = re.search(r"fails: ([C0-9 ]+)", block.comment)
    return match[1].split() if match else []
