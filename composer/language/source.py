"""Reading a document's text from disk, with a clear problem for every file that is not a document."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from composer.problems import NOT_FETCHED, DocumentError, Place, Problem, is_address

__all__ = ["MAX_BYTES", "Source", "is_there", "read_source", "text_for_display"]

MAX_BYTES = 64 * 1024 * 1024
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
"""Bytes that a text may hold by mistake, and a binary file holds all over."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file's text. `name` is how messages call it; `path` is None for text that came from memory."""

    name: str
    text: str
    path: Path | None = None


def read_source(path: Path, name: str | None = None, what: str = "document") -> Source:
    """Read a UTF-8 document; raises DocumentError with code C001 when the file cannot be one.

    `what` is what messages call it: other files of people are read in the same way.
    """
    try:
        return _read(path, name or str(path))
    except DocumentError as error:
        raise DocumentError([_of_another_sort(p, what) for p in error.problems]) from None


def _of_another_sort(problem: Problem, what: str) -> Problem:
    """The problem of a file that is not a document; what is said of documents alone is left out."""
    if what == "document":
        return problem
    message = problem.message.replace("cannot be read as a document", f"cannot be read as a {what}")
    return replace(problem, message=message, helps=tuple(_OTHER_HELPS.get(h, h) for h in problem.helps))


_OTHER_HELPS = {
    "split it with `extends`": "is it another file?",
    "check the path, or see `composer plugins list` for shipped names": "check the path",
    "start from `composer new`": "write it, or name another file",
    "name a YAML document; weights are given with --weights": "name a YAML file",
}


def _read(path: Path, name: str) -> Source:
    try:
        size = path.stat().st_size
        if path.is_dir():
            if (path / "manifest.json").exists():
                raise _unreadable(
                    name, "it is a compiled artifact", "run it: `composer run`; Python: composer_compile.load"
                )
            raise _unreadable(name, "it is a directory", "name the YAML file inside it")
        if size > MAX_BYTES:
            raise _too_large(name, f"{size:,} bytes, more than the limit of {MAX_BYTES:,}")
        with path.open("rb") as file:  # the size of a pipe or a device is known when it has been read
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise _too_large(name, f"more than the limit of {MAX_BYTES:,}")
    except FileNotFoundError:
        if is_address(name):
            raise _unreadable(name, NOT_FETCHED, "save it as a file and name that") from None
        raise _unreadable(
            name, "there is no such file", "check the path, or see `composer plugins list` for shipped names"
        ) from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise _unreadable(name, cause, "check the path and its permissions") from None
    return Source(name, _decode(name, data), path)


def is_there(path: Path) -> bool:
    """Whether a path leads to something; not where its name is too long to be one, or holds what no name holds."""
    try:
        return path.exists()
    except PermissionError:
        return True  # reading it says why it cannot be read
    except (OSError, ValueError):
        return False


def text_for_display(path: Path) -> str | None:
    """The text to show beside a problem, or None: what could not be read as a document is not read again to show it."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError):
        return None


def _decode(name: str, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(name, "it is encoded in UTF-16", "save it as UTF-8")
    binary = _unreadable(
        name, "it is a binary file", "name a YAML document; weights are given with --weights"
    )
    if len(data[:8192].translate(None, _CONTROLS)) < 0.9 * len(data[:8192]):
        raise binary
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in data[:8192]:
            raise binary from None
        line = data.count(b"\n", 0, error.start) + 1
        raise _unreadable(name, f"line {line} is not UTF-8", "save it as UTF-8") from None
    if not text.strip():
        raise _unreadable(name, "it is empty", "start from `composer new`")
    return text


def _too_large(name: str, size: str) -> DocumentError:
    return _unreadable(name, f"it has {size}", "split it with `extends`")


def _unreadable(name: str, cause: str, cure: str) -> DocumentError:
    message = f"{name} cannot be read as a document: {cause}"
    return DocumentError([Problem("C001", "error", message, Place(name, 1, 1, 1, 1), helps=(cure,))])
