"""Checkpoints: the tensors of a file, a sharded index or a folder, by key and mapped lazily."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from composer.runtime.weights.contents import Contents
from composer.runtime.weights.errors import unreadable
from composer.runtime.weights.files import read_file
from composer.runtime.weights.sharded import INDEX_SUFFIX, read_sharded

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ROOTS", "Checkpoint", "read_checkpoint"]

ROOTS = ("model", "module")
"""Where training scripts keep the tensors of a pickled checkpoint beside the optimizer and the epoch."""

_PREFERRED = (f".safetensors{INDEX_SUFFIX}", ".safetensors", f".bin{INDEX_SUFFIX}", ".bin", ".pth", ".pt")


@dataclass(frozen=True, eq=False)
class Checkpoint(Mapping[str, "Tensor"]):
    """A read-only mapping from key to tensor.

    Tensors share the memory map of the file (private: writing into one never reaches the file), so that opening costs
    nothing and holding all of them costs no more than the file.
    """

    path: Path
    contents: Contents = field(repr=False)

    @property
    def format(self) -> str:
        return self.contents.format

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.contents.metadata

    def __getitem__(self, key: str) -> Tensor:
        return self.contents.readers[key]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.contents.readers)

    def __len__(self) -> int:
        return len(self.contents.readers)

    def __contains__(self, key: object) -> bool:
        return key in self.contents.readers

    def __str__(self) -> str:
        return f"{self.path} ({self.format}, {len(self)} tensors)"


def read_checkpoint(path: str | PathLike[str], *, roots: Sequence[str] = ROOTS) -> Checkpoint:
    """Open a checkpoint without reading its tensors.

    `path` is a safetensors file, a `torch.save` file, an index of shards (`*.index.json`), or a folder that holds one
    of these. `roots` are the keys of a pickled checkpoint under which the tensors may lie, tried in order (empty: the
    usual ones); where none is there, the file's own entries are the tensors.

    Raises:
        WeightsError: one sentence with the path, the cause and the fix, for every file that is no checkpoint.
    """
    file = Path(path)
    if file.is_dir():
        file = _weights_in(file)
    read = read_sharded if file.name.endswith(INDEX_SUFFIX) else read_file
    return Checkpoint(file, read(file, tuple(roots) or ROOTS))


def _weights_in(folder: Path) -> Path:
    """The one checkpoint of a folder: an index before the shards it names, safetensors before pickles."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
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
        "the folder holds no weights (no .safetensors, .bin, .pth or .pt file)",
        f"it holds {', '.join(names[:5]) or 'nothing'}" + (" ..." if len(names) > 5 else ""),
    )
