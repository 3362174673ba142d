"""One name means one thing: grep is a newcomer's map."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def repeated(names: list[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def test_no_two_classes_have_one_name() -> None:
    files = [path for folder in ("composer", "compile", "plugins") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 300
    texts = (path.read_text(encoding="utf-8") for path in files)
    assert repeated([name for text in texts for name in re.findall(r"^class ([A-Z]\w*)", text, re.M)]) == []


def test_no_two_files_have_one_name() -> None:
    """Commands are called as they are typed, and the parts of a plugin as in other plugins."""
    files = [
        path
        for folder in ("composer", "compile/composer_compile")
        for path in (ROOT / folder).rglob("*.py")
        if path.stem not in ("__init__", "__main__") and path.parent.name != "cli"
    ]
    assert len(files) > 250
    assert repeated([path.name for path in files]) == []
