"""Writing a checkpoint anew, once: safetensors under the names of a layout, in parts that memory holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from composer.plugin import Layout
from composer.plugin.asking import import_object
from composer.problems import InputError
from composer.problems.suggest import listed
from composer.sources.checkpoint_files import INDEX_SUFFIX
from composer.sources.weights_error import WeightsError, unreadable
from composer.weights.checkpoint import Checkpoint
from composer.weights.key_rules import Assignment, KeyRules
from composer.weights.onto_modules import Onto
from composer.weights.resumed_folder import JOURNAL, read_journal, resumed_folder, write_journal
from composer.weights.saving import save_tensors

__all__ = ["ACCOUNT", "MOST_BYTES", "Conversion", "convert"]

MOST_BYTES = 256 * 1024**2
"""Bytes of tensors in one file; a larger tensor stands alone. They are held three times while the file is written: as
they were read, as they are written, and as bytes."""
ACCOUNT = "account.json"
"""What became of every key."""


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
    onto: Onto | None = None,
    beside: Callable[[Path], None] = lambda made: None,
    again: Callable[[], Checkpoint] | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Conversion:
    """Write every tensor into a new folder, and what else the layout makes of the file: a config, a tokenizer.

    A conversion that is stopped goes on where it was when it is asked for once more.

    Args:
        checkpoint: what is converted.
        layout: renames its keys; None keeps them. Its `folder` makes the other files.
        folder: where nothing stands yet; it appears whole or not at all.
        dtype: of all floating-point tensors; None keeps each one's own.
        most_bytes: bytes of tensors in one file, which are held at a time.
        onto: the modules that are filled; tensors then become what these have, and all of them must be there.
        beside: writes what else belongs into the folder.
        again: opens the checkpoint anew, so that what was read of it leaves the memory.
        tell: is told after each tensor how many are written, of how many.

    Raises:
        WeightsError: keys that no rule takes, two keys of one name, tensors that do not fit the modules, or a layout
            that changes tensors by functions, which need the modules that they are changed for.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already, and nothing was written; name another place with --out")
    targets, ignored = _targets(checkpoint, layout) if onto is None else _fitted(checkpoint, onto)
    source = {name: each.key for name, each in targets.items()}
    wanted = json.dumps([str(checkpoint.path), _stamp(checkpoint.path), str(dtype), most_bytes, source])
    with resumed_folder(folder, hashlib.sha256(wanted.encode()).hexdigest()) as made:
        files = _fill(_Reading(checkpoint, again, onto), targets, made, dtype, most_bytes, tell)
        if layout is not None and layout.folder is not None:
            make = import_object(layout.folder, f"`folder` of {layout.title}")
            make(checkpoint.path, made)
        _write_account(made, source, ignored)
        beside(made)
        others = sorted(path.name for path in made.iterdir() if path.name not in (*files, JOURNAL))
        numbers = sum(numel for _, numel in files.values())
    return Conversion(folder, (*files, *others), len(targets), numbers, ignored)


class _Reading:
    """A checkpoint that is read tensor by tensor, and opened anew so that what was read leaves the memory."""

    def __init__(
        self, checkpoint: Checkpoint, again: Callable[[], Checkpoint] | None, onto: Onto | None
    ) -> None:
        # The one that was planned with is held by others, and with it what is read of it.
        self.checkpoint = checkpoint if again is None else again()
        self.again = again
        self.onto = onto

    def tensor(self, assignment: Assignment) -> Tensor:
        tensor = self.checkpoint[assignment.key]
        return tensor if self.onto is None else self.onto.converted(assignment, tensor)

    def forget(self) -> None:
        if self.again is not None:
            self.checkpoint = self.again()


def _stamp(path: Path) -> list[object]:
    """Tells what a checkpoint held from what it holds after it was written anew."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _fitted(checkpoint: Checkpoint, onto: Onto) -> tuple[dict[str, Assignment], dict[str, str]]:
    plan, targets = onto.planned(checkpoint)
    unused = {key: f"the document does not use `{module}`" for key, module in plan.not_needed.items()}
    return targets, {**plan.ignored, **unused}


def _targets(checkpoint: Checkpoint, layout: Layout | None) -> tuple[dict[str, Assignment], dict[str, str]]:
    """Name in the new file → key, and the keys that are left out."""
    if layout is None:
        return {key: Assignment(key, key) for key in checkpoint}, {}
    rules = KeyRules(layout, {})
    targets: dict[str, Assignment] = {}
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
                "name the document whose modules it fills with --document"
            )
        elif assignment.target in targets:
            raise unreadable(
                checkpoint.path, f"both {targets[assignment.target].key} and {key} become {assignment.target}"
            )
        else:
            targets[assignment.target] = assignment
    if unknown or not targets:
        cause = (
            f"no rule of the layout {layout.id} takes {listed('', unknown) if unknown else 'any of its keys'}"
        )
        raise unreadable(checkpoint.path, cause, "name the layout that it was written in with --layout")
    return targets, ignored


def _write_account(folder: Path, source: Mapping[str, str], ignored: Mapping[str, str]) -> None:
    """Every key of the checkpoint: what it became, or why it was left out."""
    account = {key: {"as": name} for name, key in source.items()}
    account |= {key: {"left out": reason} for key, reason in ignored.items()}
    (folder / ACCOUNT).write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")


def _fill(
    reading: _Reading,
    targets: Mapping[str, Assignment],
    folder: Path,
    dtype: torch.dtype | None,
    most_bytes: int,
    tell: Callable[[int, int], None],
) -> dict[str, tuple[list[str], int]]:
    """Write the tensors; file → the names in it, and how many numbers. What a run before has written stays."""
    shards: list[tuple[list[str], int]] = read_journal(folder)
    there = {name for names, _ in shards for name in names}
    held: dict[str, Tensor] = {}

    def write() -> None:
        if held:
            save_tensors(held, folder / _shard(len(shards)))
            shards.append((list(held), sum(tensor.numel() for tensor in held.values())))
            write_journal(folder, shards)
            held.clear()
            reading.forget()

    for done, (name, assignment) in enumerate(targets.items(), 1):
        if name in there:
            tell(done, len(targets))
            continue
        tensor = reading.tensor(assignment)
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
