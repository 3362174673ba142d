"""Checkpoints: the tensors of a file, a sharded index or a folder, by key and mapped lazily."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from composer.weights.contents import Contents
from composer.weights.names import first_words
from composer.weights.roots import ROOTS, Roots
from composer.weights.sharded import INDEX_SUFFIX, read_sharded
from composer.weights.weights_error import unreadable
from composer.weights.weights_file import check_regular, read_file

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ROOTS", "Checkpoint", "read_checkpoint"]

_PREFERRED = (
    f".safetensors{INDEX_SUFFIX}",
    ".safetensors",
    f".bin{INDEX_SUFFIX}",
    ".bin",
    ".pth",
    ".pt",
    ".ckpt",
)
_BESIDE_WEIGHTS = re.compile(r"\..*|(optimizer|scheduler|scaler|training_args)\.(bin|pt)|rng_state.*\.pth")
"""Files that stand beside weights and are none: hidden ones (`._*` are macOS's), and the states of a trainer."""


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
    def root(self) -> str:
        return self.contents.root

    @property
    def left_out(self) -> int:
        return self.contents.left_out

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


def read_checkpoint(
    path: str | PathLike[str], *, roots: Sequence[str] = ROOTS, root: str | None = None
) -> Checkpoint:
    """Open a checkpoint without reading its tensors.

    `path` is a safetensors file, a `torch.save` file, an index of shards (`*.index.json`), or a folder that holds one
    of these. `roots` are the keys of a pickled checkpoint under which the tensors may lie, tried in order (empty: the
    usual ones); where none is there, the file's own entries are the tensors. `root` names the one that is meant, with
    dots from one entry into the next; of a file whose tensors lie at the top it takes those whose keys begin so.

    Raises:
        WeightsError: one sentence with the path, the cause and the fix, for every file that is not a checkpoint.
    """
    file = Path(path)
    if os.path.isdir(file):  # Path.is_dir raises for a name that is too long
        file = _weights_in(file)
    check_regular(file)
    read = read_sharded if file.name.endswith(INDEX_SUFFIX) else read_file
    contents = read(file, Roots(tuple(roots) or ROOTS, root))
    return Checkpoint(file, contents if root is None or contents.root else _below(file, contents, root))


def _below(file: Path, contents: Contents, root: str) -> Contents:
    """The tensors whose keys begin with `root`, without it."""
    start = f"{root.removesuffix('.')}."
    readers = {
        key.removeprefix(start): read for key, read in contents.readers.items() if key.startswith(start)
    }
    if not readers:
        words = ", ".join(f"`{word}`" for word in first_words(contents.readers)[:8])
        raise unreadable(file, f"it has no entry and no key below `{root}`", f"its keys begin with {words}")
    left_out = len(contents.readers) - len(readers)
    return replace(contents, readers=readers, root=root, left_out=left_out)


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
        "the folder holds no weights (no .safetensors, .bin, .pth or .pt file)",
        f"it holds {', '.join(names[:5]) or 'nothing'}" + (" ..." if len(names) > 5 else ""),
    )
