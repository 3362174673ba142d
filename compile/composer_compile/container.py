"""Reading the files of an artifact, be it a directory or a zip of one; every file is hashed before it is used.

Imports no torch.
"""

from __future__ import annotations

import hashlib
import mmap
import shlex
import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Protocol

from composer_compile.errors import ArtifactError
from composer_compile.manifest import REBUILD, Manifest, read_manifest

__all__ = ["MANIFEST", "Container", "is_artifact", "open_container"]

MANIFEST = "manifest.json"
LOCAL_HEADER_BYTES = 30


def is_artifact(path: str | Path) -> bool:
    """Whether the path is a directory with a manifest, or a zip of one."""
    place = Path(path)
    if place.is_dir():
        return (place / MANIFEST).is_file()
    if not place.is_file() or not zipfile.is_zipfile(place):
        return False
    with zipfile.ZipFile(place) as archive:
        return MANIFEST in archive.namelist()


def open_container(path: str | Path) -> Container:
    """Open an artifact and read its manifest; nothing else is touched.

    Raises:
        ArtifactError: there is no artifact, or its manifest is damaged.
    """
    place = Path(path)
    if not place.exists():
        raise ArtifactError(f"there is no artifact at {place}: check the path")
    if place.is_dir():
        files: _Files = _Directory(place)
    elif zipfile.is_zipfile(place):
        files = _Zip(place)
    else:
        raise ArtifactError(f"{place} is neither a directory nor a zip file, so it is no artifact")
    content = files.view(MANIFEST)
    if content is None:
        raise ArtifactError(f"{place} is no artifact: it holds no {MANIFEST}")
    return Container(place, files, read_manifest(bytes(content), str(place)))


class Container:
    """The files of one artifact. They are mapped, not read: those of a zip stand in it uncompressed."""

    def __init__(self, path: Path, files: _Files, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._files = files
        self._verified: dict[str, memoryview] = {}
        self._unpacked: Path | None = None
        self._remove: Callable[[], object] = lambda: None

    @property
    def rebuild(self) -> str:
        """The command that makes the artifact again where it lies now."""
        return f"{self.manifest.command} --out {shlex.quote(str(self.path))}"

    def verify(self) -> None:
        """Hash every file. Raises ArtifactError that names the first one that is missing, damaged or unknown."""
        for name in sorted(self.manifest.files):
            self.read(name)
        unknown = sorted(self._files.names() - set(self.manifest.files) - {MANIFEST})
        if unknown:
            raise ArtifactError(
                f"{self.path} holds {unknown[0]}, which its manifest does not name: {self._cure}"
            )

    def read(self, name: str) -> memoryview:
        """The verified content of a file. Raises ArtifactError where it is not what the manifest says."""
        if name not in self._verified:
            self._verified[name] = self._checked(name)
        return self._verified[name]

    def unpacked(self, name: str) -> Path:
        """A verified file as a path, for libraries that take nothing else; a zip's file is copied out once."""
        content = self.read(name)
        path = self._files.path(name)
        if path is not None:
            return path
        if self._unpacked is None:
            self._unpacked = Path(tempfile.mkdtemp(prefix="composer-artifact-"))
            # At the latest when nobody holds the artifact any more, closed or not.
            self._remove = weakref.finalize(self, shutil.rmtree, self._unpacked, ignore_errors=True)
        target = self._unpacked / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return target

    def close(self) -> None:
        """Forget the mapped files and remove what was unpacked."""
        self._verified.clear()
        self._remove()
        self._unpacked = None

    @property
    def _cure(self) -> str:
        return f"copy it again, or rebuild it with `{self.rebuild}`"

    def _checked(self, name: str) -> memoryview:
        entry = self.manifest.files.get(name)
        pure = PurePosixPath(name)
        if entry is None or pure.is_absolute() or ".." in pure.parts:
            raise ArtifactError(f"{self.path}: {name} is no file of this artifact: {self._cure}")
        content = self._files.view(name)
        if content is None:
            raise ArtifactError(f"{self.path}: the file {name} is missing: {self._cure}")
        if len(content) != entry.bytes:
            raise ArtifactError(
                f"{self.path}: {name} has {len(content)} bytes and the manifest says {entry.bytes}: {self._cure}"
            )
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise ArtifactError(
                f"{self.path}: {name} is not the file that was written (its hash differs): {self._cure}"
            )
        return content


class _Files(Protocol):
    """Where the files lie."""

    def names(self) -> set[str]: ...

    def view(self, name: str) -> memoryview | None: ...

    def path(self, name: str) -> Path | None: ...


class _Directory:
    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> set[str]:
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if not path.is_dir()}

    def view(self, name: str) -> memoryview | None:
        path = self.root / name
        return _mapped(path) if path.is_file() else None

    def path(self, name: str) -> Path | None:
        return self.root / name


class _Zip:
    def __init__(self, file: Path) -> None:
        try:
            with zipfile.ZipFile(file) as archive:
                self._members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        except zipfile.BadZipFile as error:
            raise ArtifactError(f"{file} is a damaged zip file ({error}): {REBUILD}") from None
        self._file = file
        self._map = _mapped(file)

    def names(self) -> set[str]:
        return set(self._members)

    def view(self, name: str) -> memoryview | None:
        info = self._members.get(name)
        if info is None:
            return None
        if info.compress_type != zipfile.ZIP_STORED:
            raise ArtifactError(
                f"{self._file} is compressed, so nothing can be used where it lies: pack it uncompressed"
            )
        header = self._map[info.header_offset : info.header_offset + LOCAL_HEADER_BYTES]
        if len(header) < LOCAL_HEADER_BYTES:
            return None
        name_bytes = int.from_bytes(header[26:28], "little")
        extra_bytes = int.from_bytes(header[28:30], "little")
        start = info.header_offset + LOCAL_HEADER_BYTES + name_bytes + extra_bytes
        return self._map[start : start + info.file_size]

    def path(self, name: str) -> Path | None:
        return None


def _mapped(path: Path) -> memoryview:
    """The content of a file, copy-on-write: torch wants writable memory, and the file never changes."""
    if path.stat().st_size == 0:
        return memoryview(bytearray())
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
