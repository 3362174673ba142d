"""Writing an artifact: all of it, or nothing."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from composer.files import FULL
from composer_compile.artifact.container import MANIFEST, is_artifact
from composer_compile.artifact.hashing import digests
from composer_compile.artifact.manifest import FileEntry
from composer_compile.errors import CompileError
from composer_compile.scratch import cleared, undisturbed

__all__ = ["check_target", "file_entries", "put_in_place", "workplace"]

ALIGNMENT = 64
"""Members of a zip start at multiples of this, so that tensors can be used where they lie."""
EPOCH = (1980, 1, 1, 0, 0, 0)
TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR})
"""What a rename says where something stands already."""
ATTEMPTS = 20
"""How often the target is taken again from another command that writes there."""
SHOWN_LETTERS = 40
"""Of the target's name, in that of the directory beside it: a name may be as long as a file system allows."""


def check_target(out: str | Path) -> Path:
    """The path that is written, with links followed.

    Raises:
        CompileError: something lies there that is not an artifact and would be lost, an artifact of the other form lies
            there, the path lies inside an artifact, or no file can have this name.
    """
    if not str(out):
        raise CompileError("--out is empty: name a directory, or a file that ends in .zip")
    try:
        target = Path(os.path.realpath(out))
        is_there = target.exists()
        parent = next(each for each in target.parents if each.exists())
    except (OSError, ValueError) as error:
        raise CompileError(f"{out} cannot be written: {getattr(error, 'strerror', '') or error}") from None
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        why = "may not be written in" if parent.is_dir() else "is not a directory"
        raise CompileError(f"{out} cannot be written: {parent} {why}")
    if len(os.fsencode(target.name)) > _longest_name(parent):
        raise CompileError(f"{out} cannot be written: the name is too long for this file system")
    around = next(
        (each for each in target.parents if (each / MANIFEST).is_file() and is_artifact(each)), None
    )
    if around is not None:
        raise CompileError(
            f"{out} lies inside the artifact {around}, which it would damage: choose another --out"
        )
    if is_there and not is_artifact(target) and not _is_empty(target):
        raise CompileError(f"{out} exists and is not an artifact: choose another --out, or remove it")
    if is_there and target.is_dir() and target.suffix == ".zip":
        raise CompileError(f"{out} is a directory, and a file would be written there: choose another --out")
    return target


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # not on every system
        return 255


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """A directory beside the target to write into; removed at the end, whatever happens.

    It is hidden and ends in `.part`: what a killed process leaves is never taken for an artifact.

    Raises:
        CompileError: nothing can be written there, at the beginning or when the disk is full.
    """
    made = [each for each in target.parents if not each.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{target.name[:SHOWN_LETTERS]}."
        holder = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=target.parent))
    except OSError as error:
        _remove_empty(made)
        raise CompileError(f"nothing can be written beside {target}: {error.strerror or error}") from None
    try:
        with cleared(holder):
            folder = holder / "artifact"
            folder.mkdir()
            yield folder
    except OSError as error:
        if error.errno not in (*FULL, errno.EFBIG) and not _lies_in(error.filename, holder):
            raise
        raise CompileError(f"{target} cannot be written: {error.strerror or error}") from None
    finally:
        _remove_empty(made)


def _lies_in(name: object, folder: Path) -> bool:
    return isinstance(name, (str, Path)) and Path(name).is_relative_to(folder)


def _remove_empty(folders: list[Path]) -> None:
    """Take away the directories that were made for the target and hold nothing, innermost first."""
    for each in folders:
        with suppress(OSError):
            each.rmdir()


def file_entries(folder: Path, known: Mapping[str, FileEntry] | None = None) -> dict[str, FileEntry]:
    """Length and hash of every file but the manifest; those that are `known` are hashed already."""
    entries = dict(known or {})
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST and name not in entries:
            with path.open("rb") as file:
                whole, parts = digests(file)
            entries[name] = FileEntry(sha256=whole, bytes=path.stat().st_size, parts=parts)
    return dict(sorted(entries.items()))


def put_in_place(folder: Path, target: Path) -> None:
    """Give a finished directory its name, or zip it where the target ends in `.zip`. An older artifact is replaced."""
    mask = os.umask(0)
    os.umask(mask)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.chmod(0o666 & ~mask)  # some libraries write for the owner alone
            _sync(path)
    if target.suffix == ".zip":
        packed = folder.with_name("packed.zip")
        _zip(folder, packed)
        _sync(packed)
        _replace(packed, target)
        return
    folder.chmod(0o777 & ~mask)
    _replace(folder, target)


def _replace(new: Path, target: Path) -> None:
    """Rename `new`. An older artifact goes when the new one stands: a directory cannot be replaced in one step.

    Two commands may do it at once: the one that is later wins.
    """
    old = new.parent.with_suffix(".old.part")
    placed = False
    with undisturbed():
        try:
            for attempt in range(ATTEMPTS):
                if target.exists() and (new.is_dir() or target.is_dir()):
                    _remove(old)  # of an attempt before, after which another command put its artifact here
                    with suppress(FileNotFoundError):  # the other command has just taken it away
                        target.rename(old)
                try:
                    new.rename(target) if new.is_dir() else new.replace(target)
                    placed = True
                    break
                except OSError as error:
                    # Another command put its artifact here since.
                    if attempt + 1 == ATTEMPTS or error.errno not in TAKEN or not _is_replaceable(target):
                        raise
        except OSError as error:
            raise CompileError(f"{target} cannot be replaced: {error.strerror or error}") from None
        finally:
            if not placed and old.exists() and not target.exists():
                with suppress(OSError):  # another command has just put its artifact there
                    old.rename(target)
            if placed or target.exists():
                _remove(old)


def _is_replaceable(target: Path) -> bool:
    """Whether there is an artifact or nothing: asked again, for what is there comes and goes between two questions."""
    return any(is_artifact(target) or not target.exists() for _ in range(ATTEMPTS))


def _remove(path: Path) -> None:
    """Take away a file or a directory, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
