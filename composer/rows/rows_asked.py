"""What was asked of a run of rows: what makes its answers, so that no other run goes on with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from composer.problems import InputError

__all__ = ["Asked"]

TOLD = ("rows",)
"""What is told and may change: the name of the file, whose content counts."""
MOVABLE = ("digest", "device", "media root")
"""What may change where a run is told to go on: more rows in the file, another device or place of the media."""
SHOWN = 60
WORDS = {
    "model": "the document or artifact, its weights or its options",
    "digest": "the content of the rows",
    "columns": "the columns that are read",
    "media root": "the folder of the media",
    "constants": "the inputs that are the same for all rows",
}


class Asked:
    """A map of plain values; two runs with equal ones give equal answers."""

    def __init__(self, told: Mapping[str, object]) -> None:
        self.told: dict[str, object] = json.loads(json.dumps(dict(told)))

    def hold_same(self, other: Asked, path: Path, *, resume: bool) -> None:
        """Raise InputError that says what is asked now and was not asked when the file was begun."""
        changed = [
            key
            for key in dict.fromkeys((*self.told, *other.told))
            if key not in TOLD and self.told.get(key) != other.told.get(key)
        ]
        if resume:
            changed = [key for key in changed if key not in MOVABLE]
        if not changed:
            return
        shown = "; ".join(_change(key, self.told.get(key), other.told.get(key)) for key in changed)
        cure = "begin anew with --overwrite, or name another --out"
        if all(key in MOVABLE for key in changed):
            cure = f"go on with --resume, which asks rows again that changed, {cure}"
        raise InputError(f"{path} holds answers of another run ({shown}): {cure}")


def _change(key: str, before: object, now: object) -> str:
    if key in WORDS:
        return f"{WORDS[key]} changed"
    return f"{key} was {_shown(before)} and is {_shown(now)}"


def _shown(value: object) -> str:
    text = "not given" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
