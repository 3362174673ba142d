"""Reading a sharded checkpoint: an index (`{"weight_map": {key: file}}`) beside the files that it names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from composer.weights.contents import Contents
from composer.weights.roots import Roots
from composer.weights.weights_error import unreadable
from composer.weights.weights_file import read_file

__all__ = ["INDEX_SUFFIX", "read_sharded"]

INDEX_SUFFIX = ".index.json"
_MOST_INDEX_BYTES = 100_000_000  # a million keys


def read_sharded(index: Path, roots: Roots) -> Contents:
    """Open every shard of an index. Raises WeightsError where the index and its files disagree."""
    shard_of = _weight_map(index)
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


def _weight_map(index: Path) -> Mapping[str, str]:
    try:
        if index.stat().st_size > _MOST_INDEX_BYTES:
            raise unreadable(index, f"the index has more than {_MOST_INDEX_BYTES:,} bytes")
        value = json.loads(index.read_text("utf-8"))
    except OSError as error:
        raise unreadable(index, error.strerror or str(error)) from None
    except (ValueError, RecursionError):
        raise unreadable(index, "the index is not JSON", "fetch or copy it again") from None
    shard_of = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(shard_of, dict) or not shard_of:
        raise unreadable(index, "the index has no `weight_map` from keys to files")
    for name in shard_of.values():
        # A shard lies beside its index: an index must not be able to open files elsewhere.
        if not isinstance(name, str) or Path(name).name != name:
            raise unreadable(index, f"the index names {name!r}, which is not a file beside it")
    return shard_of


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
