"""How much of the core goes without types: `Any` is for values whose type nothing here can know."""

from __future__ import annotations

import re
from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "composer"
MOST = 12
"""Uses per 1,000 lines."""


def test_any_is_rare_in_the_core() -> None:
    texts = {path: path.read_text("utf-8") for path in sorted(CORE.rglob("*.py"))}
    uses = {path.relative_to(CORE): len(re.findall(r"\bAny\b", text)) for path, text in texts.items()}
    lines = sum(text.count("\n") for text in texts.values())
    found = 1000 * sum(uses.values()) / lines
    worst = sorted(uses.items(), key=lambda item: -item[1])[:5]
    told = ", ".join(f"{path} {number}" for path, number in worst)
    assert found <= MOST, f"{found:.1f} uses of Any per 1,000 lines; most of them in {told}"
