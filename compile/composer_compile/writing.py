"""Writing an artifact: all of it, or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from composer_compile.container import MANIFEST, is_artifact
from composer_compile.errors import CompileError
from composer_compile.manifest import FileEntry

__all__ = ["check_target", "file_entries", "put_in_place", "workplace"]

ALIGNMENT = 64
"""Members of a zip start at multiples of this, so that tensors can be used where they lie."""
EPOCH = (1980, 1, 1, 0, 0, 0)


def check_target(target: Path) -> None:
    """Raise CompileError where something lies at `target` that is no artifact: it would be lost."""
    if target.exists() and not is_artifact(target) and not _is_empty(target):
        raise CompileError(f"{target} exists and is no artifact: choose another --out, or remove it")


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """A directory beside the target to write into; removed at the end, whatever happens.

    It is hidden and ends in `.part`: what a killed process leaves is never taken for an artifact.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise CompileError(f"nothing can be written beside {target}: {error.strerror or error}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def file_entries(folder: Path) -> dict[str, FileEntry]:
    """Length and hash of every file but the manifest."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else None
                value = digest.hexdigest() if digest else hashlib.sha256(path.read_bytes()).hexdigest()
            entries[name] = FileEntry(sha256=value, bytes=path.stat().st_size)
    return entries


def put_in_place(folder: Path, target: Path) -> None:
    """Give a finished directory its name, or zip it where the target ends in `.zip`. An older artifact is replaced."""
    mask = os.umask(0)
    os.umask(mask)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.chmod(0o666 & ~mask)  # some libraries write for the owner alone
            _sync(path)
    if target.suffix == ".zip":
        packed = folder.with_suffix(".zip.part")
        try:
            _zip(folder, packed)
            _sync(packed)
            os.replace(packed, target)
        finally:
            packed.unlink(missing_ok=True)
        return
    folder.chmod(0o777 & ~mask)
    old = folder.with_suffix(".old.part")
    try:  # a directory cannot be replaced in one step; the old one goes only when the new stands
        if target.exists():
            target.rename(old)
        folder.rename(target)
    except OSError as error:
        raise CompileError(f"{target} cannot be replaced: {error.strerror or error}") from None
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def _zip(folder: Path, packed: Path) -> None:
    """Uncompressed, in the order of names, without times: equal artifacts give equal bytes."""
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*"), key=lambda each: each.as_posix()):
            if path.is_file():
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
                info.external_attr = 0o644 << 16
                info.file_size = path.stat().st_size
                assert archive.fp is not None
                start = archive.fp.tell() + 30 + len(info.filename.encode())
                info.extra = _padding(-start % ALIGNMENT)
                with archive.open(info, "w") as member, path.open("rb") as source:
                    shutil.copyfileobj(source, member, 1 << 20)


def _padding(size: int) -> bytes:
    """An extra field that fills `size` bytes (a field's own header takes 4)."""
    if size == 0:
        return b""
    size = size if size >= 4 else size + ALIGNMENT
    return b"\x35\xd9" + (size - 4).to_bytes(2, "little") + bytes(size - 4)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
