"""The files of which a checkpoint consists: one, or an index with its shards. None of them is opened but the index."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from composer.sources.weights_error import unreadable

__all__ = ["INDEX_SUFFIX", "checkpoint_file", "files_of", "weight_map"]

INDEX_SUFFIX = ".index.json"
_MOST_INDEX_BYTES = 100_000_000  # a million keys
_PREFERRED = (
    f".safetensors{INDEX_SUFFIX}",
    ".safetensors",
    f".bin{INDEX_SUFFIX}",
    ".bin",
    ".pth",
    ".pt",
    ".ckpt",
    ".gguf",
    ".onnx",
)
_BESIDE_WEIGHTS = re.compile(r"\..*|(optimizer|scheduler|scaler|training_args)\.(bin|pt)|rng_state.*\.pth")
"""Files that stand beside weights and are none: hidden ones (`._*` are macOS's), and the states of a trainer."""


def checkpoint_file(path: Path) -> Path:
    """The file that a path means: itself, or the one checkpoint of a folder. Raises WeightsError where that is open."""
    return (
        _weights_in(path) if os.path.isdir(path) else path
    )  # Path.is_dir raises for a name that is too long


def files_of(path: Path) -> list[Path]:
    """The file itself; of an index, the index and its shards by name."""
    file = checkpoint_file(path)
    if not file.name.endswith(INDEX_SUFFIX):
        return [file]
    return [file, *(file.parent / name for name in sorted(set(weight_map(file).values())))]


def _weights_in(folder: Path) -> Path:
    """The one checkpoint of a folder: an index before the shards it names, safetensors before pickles."""
    try:
        names = sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_file() and not _BESIDE_WEIGHTS.fullmatch(entry.name)
        )
    except OSError as error:
        raise unreadable(folder, error.strerror or str(error)) from None
    for suffix in _PREFERRED:
        found = [name for name in names if name.endswith(suffix)]
        if len(found) == 1:
            return folder / found[0]
        if found:
            raise unreadable(
                folder, f"the folder holds several checkpoints ({', '.join(found)})", "give one of them"
            )
    raise unreadable(
        folder,
        "the folder holds no weights (no .safetensors, .bin, .pth, .pt, .gguf or .onnx file)",
        f"it holds {', '.join(names[:5]) or 'nothing'}" + (" ..." if len(names) > 5 else ""),
    )


def weight_map(index: Path) -> Mapping[str, str]:
    """The index of a sharded checkpoint: key → the file beside it. Raises WeightsError where it is none."""
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
