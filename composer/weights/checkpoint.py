"""Checkpoints: the tensors of a file, a sharded index or a folder, by key and mapped lazily."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from composer.problems.suggest import nearest
from composer.sources.checkpoint_files import INDEX_SUFFIX, checkpoint_file
from composer.sources.weights_error import unreadable
from composer.weights.contents import Contents
from composer.weights.names import first_words
from composer.weights.roots import ROOTS, Roots
from composer.weights.sharded import read_sharded
from composer.weights.weights_file import check_regular, read_file

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ROOTS", "Checkpoint", "read_checkpoint"]

_MOST_WORDS = 8


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
        """How many keys lie outside the root or the prefix."""
        return sum(self.contents.outside.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """How it was read, where that is not plain."""
        contents = self.contents
        found = [f"read from its entry `{contents.root}`"] if contents.root else []
        found += [f"read below `{contents.prefix}`"] if contents.prefix else []
        if contents.outside:
            number = self.left_out
            words = ", ".join(
                f"{word} ({count})" for word, count in [*contents.outside.items()][:_MOST_WORDS]
            )
            more = ", ..." if len(contents.outside) > _MOST_WORDS else ""
            keys = "1 key outside it was" if number == 1 else f"{number} keys outside it were"
            found.append(f"{keys} left out: {words}{more}")
        return tuple(found)

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
    path: str | PathLike[str],
    *,
    roots: Sequence[str] = ROOTS,
    root: str | None = None,
    prefix: str = "",
) -> Checkpoint:
    """Open a checkpoint without reading its tensors.

    `path` is a safetensors file, a `torch.save` file, an index of shards (`*.index.json`), or a folder that holds one
    of these. `roots` are the keys of a pickled checkpoint under which the tensors may lie, tried in order (empty: the
    usual ones); where none is there, the file's own entries are the tensors. `root` names the one that is meant, with
    dots from one entry into the next; of a file whose tensors lie at the top it takes those whose keys begin so.
    `prefix` is what the keys begin with that are taken then, without it; all others are left out.

    Raises:
        WeightsError: one sentence with the path, the cause and the fix, for every file that is not a checkpoint.
    """
    file = checkpoint_file(Path(path))
    check_regular(file)
    read = read_sharded if file.name.endswith(INDEX_SUFFIX) else read_file
    contents = read(file, Roots(tuple(roots) or ROOTS, root))
    if root is not None and not contents.root:
        contents = replace(_below(file, contents, root, "entry and no key"), root=root)
    if prefix:
        contents = replace(_below(file, contents, prefix, "key"), prefix=prefix)
    return Checkpoint(file, contents)


def _below(file: Path, contents: Contents, words: str, what: str) -> Contents:
    """The tensors whose keys begin with some words, without these."""
    start = f"{words.removesuffix('.')}."
    readers = {
        key.removeprefix(start): read for key, read in contents.readers.items() if key.startswith(start)
    }
    if not readers:
        raise unreadable(file, f"it has no {what} below `{words}`", _other_starts(contents.readers, words))
    outside = Counter(key.partition(".")[0] for key in contents.readers if not key.startswith(start))
    return replace(contents, readers=readers, outside={**contents.outside, **outside})


def _other_starts(keys: Iterable[str], words: str) -> str:
    """What keys begin with: what resembles the words, or else the first ones."""
    starts = dict.fromkeys(
        ".".join(parts[:length])
        for key in keys
        for parts in (key.split("."),)
        for length in range(1, len(parts))
    )
    last = words.strip(".").rpartition(".")[2]
    ending = [start for start in starts if start.rpartition(".")[2] == last]
    guess = nearest(words, tuple(starts))
    near = dict.fromkeys([*ending[:3], *([guess] if guess is not None else [])])
    if near:
        return f"did you mean {' or '.join(f'`{start}`' for start in near)}?"
    listed = ", ".join(f"`{word}`" for word in first_words(keys)[:8])
    return f"its keys begin with {listed}"
