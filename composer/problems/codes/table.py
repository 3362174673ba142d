"""Reads the explanations beside this file, one Markdown file per code.

A file starts with `title` and `severity` between two `---` lines, and says `of: recipe` where it is not of documents.
Its prose is the explanation. Its fenced blocks are examples, told apart by their info strings: `yaml bad` and `yaml
good` are the documents, `yaml NAME.yaml` and `csv NAME.csv` are files that have to lie beside them, and `python NAME`
is a plugin that has to be installed under that name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

import yaml

__all__ = ["CODES", "Code"]

_FRONT = re.compile(r"---\n(?P<front>.*?)\n---\n(?P<body>.*)", re.DOTALL)
_FENCE = re.compile(r"^```(?P<language>\w+) (?P<role>\S+)\n(?P<text>.*?)^```\n", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Code:
    """What `composer explain` knows of one code. `bad` has exactly this problem, `good` is the same without it."""

    code: str
    title: str
    severity: Literal["error", "warning"]
    explanation: str
    bad: str
    good: str
    files: Mapping[str, str] = field(default_factory=dict)
    """Documents that lie beside the examples, by file name."""
    of: Literal["document", "weights", "recipe", "samples"] = "document"
    """What the examples are: documents; documents whose modules are built; recipes of `composer train`; or recipes
    whose samples are at fault."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """The Python source of plugins that the examples need, by name."""


def read_code(path: Path) -> Code:
    """Read one explanation.

    Raises:
        ValueError: the file lacks its front part, or the good or bad example.
    """
    match = _FRONT.fullmatch(path.read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"{path.name} does not start with `---`, title, severity, `---`")
    front = yaml.safe_load(match["front"])
    fences = [(fence["language"], fence["role"], fence["text"]) for fence in _FENCE.finditer(match["body"])]
    documents = {role: text for language, role, text in fences if language == "yaml"}
    if not {"bad", "good"} <= documents.keys():
        raise ValueError(f"{path.name} lacks a `yaml bad` or a `yaml good` block")
    return Code(
        code=path.stem,
        title=str(front["title"]),
        severity=cast(Literal["error", "warning"], front["severity"]),
        explanation=re.sub(r"\n{3,}", "\n\n", _FENCE.sub("", match["body"])).strip(),
        bad=documents.pop("bad"),
        good=documents.pop("good"),
        files={**documents, **{role: text for language, role, text in fences if language == "csv"}},
        of=cast(Literal["document", "weights", "recipe", "samples"], front.get("of", "document")),
        plugins={role: text for language, role, text in fences if language == "python"},
    )


CODES: Mapping[str, Code] = MappingProxyType(
    {path.stem: read_code(path) for path in sorted(Path(__file__).parent.glob("C*.md"))}
)
"""Every code in order."""
