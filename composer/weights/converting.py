"""Writing a checkpoint anew, once: safetensors under the names of a layout, in parts that memory holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from composer.files import new_folder
from composer.plugin import Layout
from composer.plugin.asking import import_object
from composer.problems import InputError
from composer.problems.suggest import listed
from composer.sources.checkpoint_files import INDEX_SUFFIX
from composer.sources.weights_error import WeightsError, unreadable
from composer.weights.checkpoint import Checkpoint
from composer.weights.key_rules import KeyRules
from composer.weights.saving import save_tensors

__all__ = ["MOST_BYTES", "Conversion", "convert"]

MOST_BYTES = 2 * 1024**3
"""Bytes of tensors in one file, which are held at a time; a larger tensor stands alone."""

Writer = Callable[[Mapping[str, Tensor], Path], None]


@dataclass(frozen=True)
class Conversion:
    """What became of every key."""

    folder: Path
    files: tuple[str, ...]
    written: int
    parameters: int
    ignored: Mapping[str, str]
    """key → the name of the rule that ignores it"""

    def __str__(self) -> str:
        lines = [f"{self.folder}: {self.written} tensors, {self.parameters:,} numbers"]
        reasons = list(self.ignored.values())
        for reason in dict.fromkeys(reasons):
            lines.append(f"  left out: {reasons.count(reason)} ({reason})")
        return "\n".join([*lines, *(f"  {name}" for name in self.files)])


def convert(
    checkpoint: Checkpoint,
    layout: Layout | None,
    folder: Path,
    *,
    dtype: torch.dtype | None = None,
    most_bytes: int = MOST_BYTES,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Conversion:
    """Write every tensor into a new folder, and what else the layout makes of the file: a config, a tokenizer.

    Args:
        checkpoint: what is converted.
        layout: renames its keys; None keeps them. Its `folder` makes the other files.
        folder: where nothing stands yet; it appears whole or not at all.
        dtype: of all floating-point tensors; None keeps each one's own.
        most_bytes: bytes of tensors in one file.
        tell: is told after each tensor how many are written, of how many.

    Raises:
        WeightsError: keys that no rule takes, two keys of one name, or a layout that changes tensors by functions,
            which need the modules that they are changed for.
    """
    targets, ignored = _targets(checkpoint, layout)
    if folder.exists():
        raise InputError(f"{folder} exists already, and nothing was written; name another place with --out")
    with new_folder(folder) as made:
        files = _fill(checkpoint, targets, made, dtype, most_bytes, tell)
        if layout is not None and layout.folder is not None:
            make = import_object(layout.folder, f"`folder` of {layout.title}")
            make(checkpoint.path, made)
        others = sorted(path.name for path in made.iterdir() if path.name not in files)
        numbers = sum(numel for _, numel in files.values())
    return Conversion(folder, (*files, *others), len(targets), numbers, ignored)


def _targets(checkpoint: Checkpoint, layout: Layout | None) -> tuple[dict[str, str], dict[str, str]]:
    """Name in the new file → key, and the keys that are left out."""
    if layout is None:
        return {key: key for key in checkpoint}, {}
    rules = KeyRules(layout, {})
    targets: dict[str, str] = {}
    ignored: dict[str, str] = {}
    unknown: list[str] = []
    for key in checkpoint:
        assignment, reason = rules.apply(key)
        if assignment is None and reason:
            ignored[key] = reason
        elif assignment is None:
            unknown.append(key)
        elif assignment.transform is not None:
            raise WeightsError(
                f"the layout {layout.id} changes {key} by a function ({assignment.transform}) that needs the module: "
                "load the checkpoint as it is, with that layout"
            )
        elif assignment.target in targets:
            raise unreadable(
                checkpoint.path, f"both {targets[assignment.target]} and {key} become {assignment.target}"
            )
        else:
            targets[assignment.target] = key
    if unknown or not targets:
        cause = (
            f"no rule of the layout {layout.id} takes {listed('', unknown) if unknown else 'any of its keys'}"
        )
        raise unreadable(checkpoint.path, cause, "name the layout that it was written in with --layout")
    return targets, ignored


def _fill(
    checkpoint: Checkpoint,
    targets: Mapping[str, str],
    folder: Path,
    dtype: torch.dtype | None,
    most_bytes: int,
    tell: Callable[[int, int], None],
) -> dict[str, tuple[list[str], int]]:
    """Write the tensors; file → the names in it, and how many numbers."""
    held: dict[str, Tensor] = {}
    shards: list[tuple[list[str], int]] = []

    def write() -> None:
        if held:
            save_tensors(held, folder / _shard(len(shards)))
            shards.append((list(held), sum(tensor.numel() for tensor in held.values())))
            held.clear()

    for done, (name, key) in enumerate(targets.items(), 1):
        tensor = checkpoint[key]
        if dtype is not None and tensor.is_floating_point():
            tensor = tensor.to(dtype)
        if sum(map(_bytes, held.values())) + _bytes(tensor) > most_bytes:
            write()
        held[name] = tensor.contiguous().clone()  # two keys may share the memory of one tensor
        tell(done, len(targets))
    write()
    if len(shards) == 1:
        (folder / _shard(0)).rename(folder / _ONLY)
        return {_ONLY: shards[0]}
    files = {_shard(number): shard for number, shard in enumerate(shards)}
    _write_index(folder, {name: file for file, (names, _) in files.items() for name in names})
    return files


_ONLY = "model.safetensors"


def _shard(number: int) -> str:
    return f"model-{number + 1:05}.safetensors"


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _write_index(folder: Path, weight_map: Mapping[str, str]) -> None:
    index = {"metadata": {}, "weight_map": dict(weight_map)}
    (folder / f"{_ONLY}{INDEX_SUFFIX}").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
