"""Reading the files of an artifact, be it a directory or a zip of one; every file is hashed before it is used.

Imports no torch.
"""

from __future__ import annotations

import mmap
import shlex
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NoReturn, Protocol

from composer_compile.artifact.hashing import cores, is_hash, parts_of
from composer_compile.artifact.manifest import Manifest
from composer_compile.artifact.manifest_file import REBUILD, read_manifest
from composer_compile.errors import ArtifactError
from composer_compile.scratch import Scratch

__all__ = ["MANIFEST", "Container", "container_of", "is_artifact", "open_container", "unsafe_entry"]

MANIFEST = "manifest.json"
LOCAL_HEADER_BYTES = 30
LARGEST_MANIFEST_BYTES = 1 << 28
BY_THE_SYSTEM = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX"})
"""Files that systems put beside others when a folder is shown or packed; nothing reads them."""


def is_artifact(path: str | Path) -> bool:
    """Whether the path is a directory with a manifest, or a zip of one."""
    place = Path(path)
    try:
        if place.is_dir():
            return (place / MANIFEST).is_file()
        if not place.is_file() or not zipfile.is_zipfile(place):
            return False
        with zipfile.ZipFile(place) as archive:
            return _top(archive.namelist()) is not None
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def open_container(path: str | Path) -> Container:
    """Open an artifact and read its manifest; nothing else is touched.

    Raises:
        ArtifactError: there is no artifact, or its manifest is damaged.
    """
    place = Path(path)
    try:
        if not place.exists():
            raise ArtifactError(f"there is no artifact at {place}: check the path")
        if place.is_dir():
            files: _Files = _Directory(place)
        elif place.is_file() and zipfile.is_zipfile(place):  # to look for a zip's end in a device never ends
            files = _Zip(place)
        else:
            raise ArtifactError(f"{place} is neither a directory nor a zip file, so it is not an artifact")
        content = files.view(MANIFEST, LARGEST_MANIFEST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArtifactError(f"{place} cannot be read: {reason}") from None
    if content is None:
        raise ArtifactError(f"{place} is not an artifact: it holds no {MANIFEST}")
    return Container(place, files, read_manifest(bytes(content), str(place)))


def container_of(folder: Path, manifest: Manifest) -> Container:
    """The files of an artifact in the making, whose manifest does not lie there yet."""
    return Container(folder, _Directory(folder), manifest)


class Container:
    """The files of one artifact. They are mapped, not read: those of a zip stand in it uncompressed."""

    def __init__(self, path: Path, files: _Files, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._files = files
        self._verified: dict[str, memoryview] = {}
        self._unpacked: Scratch | None = None
        self._lock = threading.Lock()

    @property
    def rebuild(self) -> str:
        """The command that makes the artifact again where it lies now."""
        return f"{self.manifest.command} --out {shlex.quote(str(self.path))}"

    def verify(self) -> None:
        """Hash every file. Raises ArtifactError that names the first one that is missing, damaged or unknown."""
        with self.verifying() as finish:
            finish()

    @contextmanager
    def verifying(self) -> Iterator[Callable[[], None]]:
        """Begin to hash every file on all cores; what it gives waits for that, and raises as `verify`."""
        with ThreadPoolExecutor(cores(), "composer-hash") as pool:
            begun = {name: self._begun(name, pool) for name in sorted(self.manifest.files)}

            def finish() -> None:
                self._verified.update({name: content() for name, content in begun.items()})
                unknown = sorted(self._files.names() - set(self.manifest.files) - {MANIFEST})
                if unknown:
                    raise ArtifactError(
                        f"{self.path} holds {unknown[0]}, which its manifest does not name: {self._cure}"
                    )

            try:
                yield finish
            finally:
                pool.shutdown(cancel_futures=True)

    def _begun(self, name: str, pool: Executor) -> Callable[[], memoryview]:
        """Begin to hash a file. What it gives waits for the verified content, and raises what is wrong with it."""
        try:
            content = self._viewed(name)
            checks = [pool.submit(is_hash, part, known) for part, known in self._parts(name, content)]
        except ArtifactError as error:
            return partial(_raise, error)

        def verified() -> memoryview:
            if not all(check.result() for check in checks):
                raise self._altered(name)
            return content

        return verified

    def read(self, name: str) -> memoryview:
        """The verified content of a file. Raises ArtifactError where it is not what the manifest says."""
        if name not in self._verified:
            content = self._viewed(name)
            if not all(is_hash(part, known) for part, known in self._parts(name, content)):
                raise self._altered(name)
            self._verified[name] = content
        return self._verified[name]

    def unpacked(self, name: str) -> Path:
        """A verified file as a path, for libraries that take nothing else; a zip's file is copied out once, and so
        is one that is not in its place any more.

        Raises:
            TemporaryFolderError: there is no place to copy it to.
        """
        content = self.read(name)
        path = self._files.path(name)
        if path is not None:
            return path
        with self._lock:
            if self._unpacked is None:
                self._unpacked = Scratch("artifact")
            target = self._unpacked.path / name
            if not target.exists():
                with self._unpacked.told():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    # Under its name when it is whole: a disk may be full.
                    part = target.with_name(f"{target.name}.part")
                    part.write_bytes(content)
                    part.replace(target)
        return target

    def close(self) -> None:
        """Forget the mapped files and remove what was unpacked."""
        self._verified.clear()
        self._files.close()
        if self._unpacked is not None:
            self._unpacked.close()
        self._unpacked = None

    @property
    def _cure(self) -> str:
        return f"copy it again, or rebuild it with `{self.rebuild}`"

    def _viewed(self, name: str) -> memoryview:
        """The content of a file before it is hashed; it has the length that the manifest says."""
        entry = self.manifest.files.get(name)
        if entry is None or not is_plain_name(name):
            raise ArtifactError(f"{self.path}: {name} is not a file of this artifact: {self._cure}")
        try:
            content = self._files.view(name, entry.bytes)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or error
            raise ArtifactError(f"{self.path}: {name} cannot be read ({reason}): {self._cure}") from None
        if content is None:
            raise ArtifactError(f"{self.path}: the file {name} is missing: {self._cure}")
        if len(content) != entry.bytes:
            raise ArtifactError(
                f"{self.path}: {name} has {len(content)} bytes and the manifest says {entry.bytes}: {self._cure}"
            )
        return content

    def _parts(self, name: str, content: memoryview) -> list[tuple[memoryview, str]]:
        entry = self.manifest.files[name]
        try:
            return parts_of(content, entry.sha256, entry.parts)
        except ValueError:
            raise self._altered(name) from None

    def _altered(self, name: str) -> ArtifactError:
        return ArtifactError(
            f"{self.path}: {name} is not the file that was written (its hash differs): {self._cure}"
        )


def _raise(error: ArtifactError) -> NoReturn:
    raise error


def is_plain_name(name: str) -> bool:
    """Whether a name of a file, written with `/`, stays inside the folder that it is looked for in."""
    pure = PurePosixPath(name)
    odd = pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name or ":" in name
    return bool(name) and not odd


class _Files(Protocol):
    """Where the files lie."""

    def names(self) -> set[str]: ...

    def view(self, name: str, limit: int) -> memoryview | None:
        """The content of a file; not more than one byte beyond the limit where it has to be unpacked."""

    def path(self, name: str) -> Path | None:
        """Where the file lies by itself; None where it does not."""

    def close(self) -> None: ...


class _Directory:
    def __init__(self, root: Path) -> None:
        self.root = root.absolute()  # the program may go to another folder meanwhile

    def names(self) -> set[str]:
        found = (path.relative_to(self.root) for path in self.root.rglob("*") if not path.is_dir())
        return {path.as_posix() for path in found if not _is_by_the_system(path.as_posix())}

    def view(self, name: str, limit: int) -> memoryview | None:
        path = self.root / name
        return _mapped(path) if path.is_file() else None

    def path(self, name: str) -> Path | None:
        path = self.root / name
        return path if path.is_file() else None  # the folder may have been moved, removed or replaced since

    def close(self) -> None:
        """Maps go with their views."""


class _Zip:
    """A zip of an artifact's files, or of its folder. What is compressed in it is unpacked when it is read."""

    def __init__(self, file: Path) -> None:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            raise ArtifactError(f"{file} is a damaged zip file ({error}): {REBUILD}") from None
        fault = unsafe_entry(entries, file.stat().st_size)
        if fault is not None:
            raise ArtifactError(f"{file} holds {fault}, so it is not opened: {REBUILD}")
        top = _top([entry.filename for entry in entries]) or ""
        self._members = {
            entry.filename.removeprefix(top): entry
            for entry in entries
            if not entry.is_dir() and entry.filename.startswith(top)
        }
        self._beside = {entry.filename for entry in entries if not entry.is_dir()} - {
            entry.filename for entry in self._members.values()
        }
        self._file = file.absolute()
        self._map = _mapped(file)
        self._out: Scratch | None = None

    def names(self) -> set[str]:
        return {name for name in {*self._members, *self._beside} if not _is_by_the_system(name)}

    def view(self, name: str, limit: int) -> memoryview | None:
        info = self._members.get(name)
        if info is None:
            return None
        if info.compress_type != zipfile.ZIP_STORED:
            return self._inflated(info, limit)
        header = self._map[info.header_offset : info.header_offset + LOCAL_HEADER_BYTES]
        if len(header) < LOCAL_HEADER_BYTES:
            return None
        name_bytes = int.from_bytes(header[26:28], "little")
        extra_bytes = int.from_bytes(header[28:30], "little")
        start = info.header_offset + LOCAL_HEADER_BYTES + name_bytes + extra_bytes
        return self._map[start : start + info.file_size]

    def _inflated(self, info: zipfile.ZipInfo, limit: int) -> memoryview:
        """A compressed file, unpacked into the temporary folder and mapped from there."""
        if self._out is None:
            self._out = Scratch("zip")
        target = self._out.path / f"{info.header_offset}"
        left = limit + 1
        with zipfile.ZipFile(self._file) as archive, archive.open(info) as source, target.open("wb") as file:
            while left and (content := source.read(min(left, 1 << 20))):
                with self._out.told():
                    file.write(content)
                    file.flush()
                left -= len(content)
        return _mapped(target)

    def path(self, name: str) -> Path | None:
        return None

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
        self._out = None


def _top(names: list[str]) -> str | None:
    """What stands before an artifact's files in a zip: nothing, or one folder. None where there is no manifest."""
    if MANIFEST in names:
        return ""
    folders = [
        name.removesuffix(MANIFEST)
        for name in names
        if name.endswith(f"/{MANIFEST}") and name.count("/") == 1
    ]
    found = [each for each in folders if not _is_by_the_system(each)]
    return found[0] if len(found) == 1 else None


def unsafe_entry(entries: list[zipfile.ZipInfo], size: int) -> str | None:
    """The first entry of a zip of `size` bytes that nobody packs by accident, in words; None where all are plain."""
    seen: set[str] = set()
    for entry in entries:
        name = entry.orig_filename  # as it is written: `filename` ends at a NUL
        if not is_plain_name(name):
            return f"an entry with the name {name!r}, which is not a name of a file in a folder"
        if name in seen:
            return f"two entries with the name {name!r}"
        seen.add(name)
        if (entry.external_attr >> 16) & S_IFMT == S_IFLNK:
            return f"the link {name!r}"
        if entry.flag_bits & 1:
            return f"the encrypted entry {name!r}"
        is_stored = entry.compress_type == zipfile.ZIP_STORED
        if entry.compress_size > size or (is_stored and entry.file_size != entry.compress_size):
            return f"the entry {name!r}, which says it has {entry.file_size} bytes"
    return None


S_IFMT, S_IFLNK = 0o170000, 0o120000
"""How a zip of Unix marks a link."""


def _is_by_the_system(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part in BY_THE_SYSTEM for part in parts) or (bool(parts) and parts[-1].startswith("._"))


def _mapped(path: Path) -> memoryview:
    """The content of a file, copy-on-write: torch wants writable memory, and the file never changes."""
    if path.stat().st_size == 0:
        return memoryview(bytearray())
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
