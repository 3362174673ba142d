"""Reading a sharded checkpoint: an index (`{"weight_map": {key: file}}`) beside the files that it names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from composer.sources.checkpoint_files import weight_map
from composer.sources.weights_error import unreadable
from composer.weights.contents import Contents
from composer.weights.roots import Roots
from composer.weights.weights_file import read_file

__all__ = ["read_sharded"]


def read_sharded(index: Path, roots: Roots) -> Contents:
    """Open every shard of an index. Raises WeightsError where the index and its files disagree."""
    shard_of = weight_map(index)
    shards = sorted(set(shard_of.values()))
    absent = [name for name in shards if not (index.parent / name).is_file()]
    if absent:
        raise unreadable(
            index, f"{len(absent)} of {len(shards)} shards are not beside it: {', '.join(absent)}"
        )
    contents = {name: read_file(index.parent / name, roots) for name in shards}
    readers: dict[str, Callable[[], Any]] = {}
    for name, part in contents.items():
        strangers = [key for key in part.readers if shard_of.get(key) != name]
        if strangers:
            raise unreadable(
                index, f"shard {name} holds {_some(strangers)}, which the index does not place there"
            )
        readers.update(part.readers)
    lacking = [key for key in shard_of if key not in readers]
    if lacking:
        raise unreadable(index, f"the shards lack {_some(lacking)}, which the index promises")
    return Contents(
        readers, f"{contents[shards[0]].format}, {len(shards)} shards", root=contents[shards[0]].root
    )


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
