"""Keys of published checkpoints that transformers calls otherwise in its modules, as rules of layouts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from composer.plugin import Rule

__all__ = ["RENAMED", "TABLE", "published_rules"]

TABLE = Path(__file__).with_name("published_names.json")
"""Family → key in a file → name in the module, with `*` for numbers; `make_published_names.py` writes it."""

RENAMED = ("ast", "dinov2", "swin", "videomae", "vit")
"""The families in the table."""

_OLDER = (
    (r"(.*LayerNorm)\.gamma", r"\1.weight"),
    (r"(.*LayerNorm)\.beta", r"\1.bias"),
    (r"(.*)\.weight_g", r"\1.parametrizations.weight.original0"),
    (r"(.*)\.weight_v", r"\1.parametrizations.weight.original1"),
)
"""Names of the first releases, and of weight norms before torch 2: the library reads them in any family."""


def published_rules(family: str, start: str) -> Iterator[Rule]:
    """Rules for keys of a family that are not the names of its module; `start`, a pattern, may stand before them."""
    for key, name in _table().get(family, {}).items():
        first, *others = name.split("*")
        target = first + "".join(rf"\{number}{part}" for number, part in enumerate(others, 1))
        yield Rule(start + re.escape(key).replace(r"\*", r"(\d+)"), f"model.{target}")
    for pattern, target in _OLDER:
        yield Rule(start + pattern, f"model.{target}")


@cache
def _table() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(TABLE.read_text(encoding="utf-8"))
    return found
