"""A source of weights on this machine: the file or folder, in an installed package or in the Hub's cache too."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from composer.language.declared_weights import DeclaredWeights
from composer.sources.checkpoint_files import files_of
from composer.sources.file_digests import digests_of
from composer.sources.weights_error import WeightsError, unreadable

__all__ = ["Located", "hold_there", "locate"]


@dataclass(frozen=True)
class Located:
    """Where a source lies. `commit` is what a Hub repository's revision stood for."""

    declared: DeclaredWeights
    path: Path
    commit: str = ""

    @property
    def name(self) -> str:
        """How messages call it: as it was declared, a file by its path."""
        if self.declared.sort == "file":
            return str(self.path)
        moved = self.commit and self.commit != self.declared.revision
        return f"{self.declared} (commit {self.commit[:12]})" if moved else str(self.declared)

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of every file by its name. Raises WeightsError where one is not there."""
        files = list(files_of(self.path))
        for file in files:
            try:
                if not file.is_file():
                    raise unreadable(
                        file, "there is no such file" if not file.exists() else "it is not a file"
                    )
            except (OSError, ValueError) as error:
                raise unreadable(file, getattr(error, "strerror", None) or str(error)) from None
        try:
            return digests_of(files)
        except OSError as error:
            raise unreadable(Path(error.filename or self.path), error.strerror or str(error)) from None

    @property
    def digest(self) -> str:
        """SHA-256 of the file; of several, of the list that `sha256sum` prints for them, sorted by name."""
        if len(self.digests) == 1:
            return next(iter(self.digests.values()))
        listed = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(listed.encode()).hexdigest()

    def origin(self) -> dict[str, object]:
        """What it is, as another machine can understand it, with the digest of each of its files."""
        source = Path(self.declared.file).name if self.declared.sort == "file" else str(self.declared)
        commit = {"commit": self.commit} if self.commit else {}
        return {"source": source, **commit, "files": dict(self.digests)}

    def hold_digest(self) -> None:
        """Raise WeightsError where the source has another SHA-256 than the document says."""
        wanted = self.declared.sha256.lower()
        if wanted and self.digest != wanted:
            says = f"as {self.declared.place} says" if self.declared.place else "as was asked"
            raise WeightsError(
                f"weights {self.name}: the SHA-256 is {self.digest} and not {wanted}, {says}: it is another file, or a "
                "damaged one"
            )


def hold_there(sources: Iterable[DeclaredWeights]) -> None:
    """Raise WeightsError where a source is a file, and there is none. Opens nothing."""
    for declared in sources:
        if declared.sort == "file" and not os.path.lexists(declared.path):
            raise unreadable(declared.path, "there is no such file")


def locate(declared: DeclaredWeights, *, commit: str = "", local: bool = False) -> Located:
    """Find a source; a Hub repository's files are fetched where its cache lacks them, and not with `local`.

    `commit` is read in place of the revision of a Hub repository. A file is not looked for: reading it says more.

    Raises:
        InputError: one sentence, for what is not there or cannot be fetched.
    """
    if declared.sort == "package":
        from composer.sources.packaged import find_packaged

        return Located(declared, find_packaged(declared))
    if declared.sort == "hub":
        from composer.sources.hub import fetch

        path, found = fetch(declared, commit=commit, local=local)
        return Located(declared, path, found)
    return Located(declared, declared.path)
