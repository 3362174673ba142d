"""Where a module's own weights come from, as a document or a command line says it: read, held, and written back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from composer.problems import is_address
from composer.published.one_line import HUB, HUB_TEXT, PACKAGE

__all__ = ["FRESH", "HUB", "KEYS", "PACKAGE", "DeclaredWeights", "read_weights_map", "read_weights_text"]

FRESH = "fresh"
"""What says that a module starts with the weights that its builder gives it."""
KEYS = ("file", "package", "hub", "revision", "layout", "root", "prefix", "sha256")
"""The keys of the long form, in the order of the fields of `DeclaredWeights`."""

_HUB_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}")
_PACKAGE_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_]\w*)*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"\w[\w./+-]*")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_NOT_FILES = frozenset(("initial", "none", "random", "scratch"))
"""What people write who mean `fresh`."""
_MOVING = frozenset(("main", "master"))


@dataclass(frozen=True)
class DeclaredWeights:
    """One source of weights. `folder` is that of the file which wrote a relative path; `place` is where it stands."""

    file: str = ""
    package: str = ""
    hub: str = ""
    revision: str = ""
    layout: str = ""
    root: str = ""
    prefix: str = ""
    sha256: str = ""
    fresh: bool = False
    folder: Path | None = None
    place: str = ""

    def __str__(self) -> str:
        if self.fresh:
            return FRESH
        inside = f"/{self.file}" if self.file else ""
        if self.hub:
            return f"{HUB}{self.hub}{f'@{self.revision}' if self.revision else ''}{inside}"
        return f"{PACKAGE}{self.package}{inside}" if self.package else self.file

    @property
    def sort(self) -> Literal["fresh", "hub", "package", "file"]:
        if self.fresh:
            return "fresh"
        return "hub" if self.hub else "package" if self.package else "file"

    @property
    def path(self) -> Path:
        """The file or folder of a source that is one, from the folder of the document that names it."""
        return (self.folder or Path()) / self.file

    @property
    def moves(self) -> bool:
        """Whether a Hub repository may hold other files tomorrow, by all that its revision says."""
        return bool(self.hub) and (not self.revision or self.revision in _MOVING)

    @property
    def is_commit(self) -> bool:
        """Whether the revision is a commit, which never moves."""
        return _COMMIT.fullmatch(self.revision) is not None

    def faults(self) -> Iterator[tuple[str, str, str]]:
        """What keeps this from being one source: the key, what is wrong with it, and what to write instead."""
        if not self.fresh:
            yield from self._faults_together()
            yield from self._faults_of_places()
            yield from self._faults_of_contents()

    def _faults_together(self) -> Iterator[tuple[str, str, str]]:
        if self.hub and self.package:
            yield "package", "`package` and `hub` name two places", "keep one of them"
        if not (self.hub or self.package or self.file):
            yield "file", "neither `file` nor `package` nor `hub` says where the weights are", "name a file"
        if self.revision and not self.hub:
            help = "name it with `hub`, or remove this"
            yield "revision", "`revision` belongs to a repository of the Hub", help

    def _faults_of_places(self) -> Iterator[tuple[str, str, str]]:
        if self.sort == "file" and self.file in _NOT_FILES:
            help = f"write `{FRESH}`, or `./{self.file}` for a file of that name"
            yield "file", f"`{self.file}` is not the name of a file with weights", help
        elif self.sort == "file" and _resembles_fresh(self.file) and not self.path.exists():
            yield "file", f"there is no file `{self.file}`", f"did you mean `{FRESH}`?"
        if self.sort == "file" and is_address(self.file):
            help = "save it as a file and name that, or name a repository of the Hub with `hub`"
            yield "file", f"`{self.file}` is an address, and nothing is fetched from one", help
        if self.hub and not _is_hub_id(self.hub):
            guess = "/".join(self.hub.strip("/").split("/")[3:5]) if is_address(self.hub) else ""
            named = f"`{guess}`" if _is_hub_id(guess) else "`owner/name`, as its page has it"
            yield "hub", f"`{self.hub}` is not the name of a Hub repository", f"write {named}"
        if self.package and not _PACKAGE_NAME.fullmatch(self.package):
            help = "write the name that is imported"
            yield "package", f"`{self.package}` is not the name of a package", help
        if (self.hub or self.package) and self.file and not _stays_inside(self.file):
            where = "package" if self.package else "repository"
            help = f"write a path inside of the {where}, with `/` between folders"
            yield "file", f"`{self.file}` leads out of the {where}", help

    def _faults_of_contents(self) -> Iterator[tuple[str, str, str]]:
        if self.revision and (".." in self.revision or not _REVISION.fullmatch(self.revision)):
            yield "revision", f"`{self.revision}` is not a revision", "write a commit, a tag or a branch"
        if self.sha256 and not _DIGEST.fullmatch(self.sha256):
            help = "write the 64 hexadecimal digits that `sha256sum` prints"
            yield "sha256", f"`{self.sha256}` is not a SHA-256", help
        for key, value in (("root", self.root), ("prefix", self.prefix)):
            if value and not value.strip("."):
                help = "write words with dots between them"
                yield key, f"`{value}` names nothing inside of a checkpoint", help


def _resembles_fresh(text: str) -> bool:
    from composer.problems.suggest import nearest

    return "." not in text and "/" not in text and nearest(text.casefold(), [FRESH]) is not None


def _is_hub_id(text: str) -> bool:
    return _HUB_ID.fullmatch(text) is not None and ".." not in text and "--" not in text


def _stays_inside(file: str) -> bool:
    """Whether a path is relative and has no way up, on any system."""
    path = PurePosixPath(file)
    plain = "\\" not in file and ":" not in file and "\0" not in file
    return plain and not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def read_weights_text(text: str) -> DeclaredWeights:
    """The source that one line names: a path, `package:name/file`, `hub:owner/name@revision/file`, or `fresh`."""
    if text == FRESH:
        return DeclaredWeights(fresh=True)
    if text.startswith(PACKAGE):
        name, _, file = text.removeprefix(PACKAGE).partition("/")
        return DeclaredWeights(package=name or text, file=file)
    if text.startswith(HUB):
        found = HUB_TEXT.fullmatch(text.removeprefix(HUB))
        if found is None:
            return DeclaredWeights(hub=text.removeprefix(HUB) or text)
        revision, file = found["revision"] or "", found["file"] or ""
        return DeclaredWeights(hub=found["hub"], revision=revision, file=file)
    return DeclaredWeights(file=text)


def read_weights_map(values: Mapping[str, object]) -> DeclaredWeights | tuple[str, str]:
    """The source that a map names; or the key that is wrong in it, and what is wrong."""
    for key, value in values.items():
        if key not in KEYS:
            return key, f"there is no key `{key}`: the keys are {', '.join(KEYS)}"
        if value is not None and not isinstance(value, str):
            return key, f"`{key}` must be text, not {value!r}"
        if value == "":
            return key, f"`{key}` is empty"
    texts = [str(values.get(key) or "") for key in KEYS]
    file, package, hub, revision, layout, root, prefix, sha256 = texts
    return DeclaredWeights(file, package, hub, revision, layout, root, prefix, sha256)
