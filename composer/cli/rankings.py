"""Rankings as people read them: a line for each name with its probability and a bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Union

__all__ = ["RANKING", "ranking_table"]

RANKING = "ranking"
"""The kind of such outputs."""
LONGEST_BAR = 20
Entry = Mapping[str, object]


def ranking_table(ranking: Union[Sequence[Entry], Sequence[Sequence[Entry]]]) -> str:
    """One ranking, or those of a batch with a line between them: what, its probability, and a bar as long as that."""
    batch = [_table(each) for each in ranking if not isinstance(each, Mapping)]
    return "\n\n".join(batch) or _table([each for each in ranking if isinstance(each, Mapping)])


def _table(entries: Sequence[Entry]) -> str:
    names = [
        str(next((value for key, value in each.items() if key != "probability"), "")) for each in entries
    ]
    width = max(map(len, names), default=0)
    rows = []
    for name, each in zip(names, entries, strict=True):
        chance = each.get("probability")
        share = chance if isinstance(chance, float) else 0.0
        bar = "█" * round(share * LONGEST_BAR) if 0 <= share <= 1 else ""
        rows.append(f"{name:<{width}}  {share:.4f}  {bar}".rstrip())
    return "\n".join(rows)
