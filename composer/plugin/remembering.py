"""What a plugin found out once and need not ask again: small answers in the cache folder of the user.

The folder is `COMPOSER_CACHE`, or `multimodal-composer` where the system keeps caches. Nothing there is needed: a
folder that cannot be read or written costs time, and a file that is damaged is asked for again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["cache_folder", "remember"]

VARIABLE = "COMPOSER_CACHE"
MOST_BYTES = 1 << 20
"""Of one answer; more is not kept."""
MOST_ANSWERS = 1000
"""Of one plugin; the oldest go first."""


def cache_folder() -> Path:
    """Where answers are kept."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "multimodal-composer"


def remember(owner: str, question: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer to a question that was asked before, or what `ask` gives, which is then kept.

    `question` holds all that the answer depends on, versions too. What `ask` raises is raised, and not kept.
    """
    try:
        folder = cache_folder() / owner
        file = folder / f"{hashlib.sha256(question.encode()).hexdigest()[:32]}.json"
        found = _read(file, question)
    except (OSError, RuntimeError):  # RuntimeError: nobody has a home
        return ask()
    if found is not None:
        return found
    answer = ask()
    with suppress(OSError, ValueError, TypeError):
        _keep(folder, file, question, answer)
    return answer


def _read(file: Path, question: str) -> dict[str, Any] | None:
    try:
        if file.stat().st_size > MOST_BYTES:
            return None
        held = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if (
        not isinstance(held, dict)
        or held.get("question") != question
        or not isinstance(held.get("answer"), dict)
    ):
        return None
    answer: dict[str, Any] = held["answer"]
    return answer


def _keep(folder: Path, file: Path, question: str, answer: dict[str, Any]) -> None:
    text = json.dumps({"question": question, "answer": answer})
    if len(text) > MOST_BYTES:
        return
    folder.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}.part")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, file)
    kept = sorted(folder.glob("*.json"), key=lambda each: each.stat().st_mtime)
    for old in kept[:-MOST_ANSWERS]:
        old.unlink(missing_ok=True)
