"""Writing new files from templates: all of them or none, and never over something that exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from composer.files import new_folder
from composer.problems import InputError

__all__ = ["refuse_existing", "write_file", "write_folder", "write_new"]

SUFFIX = ".template"


def write_folder(folder: Path, templates: Iterable[Path], words: Mapping[str, str]) -> list[Path]:
    """Write every `*.template` below some folders into a new `folder`; `{{WORD}}` in names and texts is filled in, in
    the order of `words`, so that what a word stands for may hold those after it.

    Raises:
        InputError: `folder` exists, or it cannot be written.
    """
    refuse_existing(folder)
    with new_folder(folder) as root:
        for place in templates:
            for source in sorted(place.rglob(f"*{SUFFIX}")):
                target = root / _filled(str(source.relative_to(place)).removesuffix(SUFFIX), words)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(_filled(source.read_text(encoding="utf-8"), words), encoding="utf-8")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def write_file(path: Path, template: Path, words: Mapping[str, str], *, make_folder: bool = False) -> None:
    """Write one filled-in template to a new file, in a new folder where `make_folder` allows one.

    Raises:
        InputError: `path` exists, or it cannot be written.
    """
    write_new(path, _filled(template.read_text(encoding="utf-8"), words), make_folder=make_folder)


def write_new(path: Path, text: str, *, make_folder: bool = False) -> None:
    """Write a text to a new file. Raises InputError as `write_file` does."""
    refuse_existing(path)
    made = False
    try:
        if make_folder:
            path.parent.mkdir(exist_ok=True)
        content = text.encode()  # before there is a file
        with path.open("xb") as file:
            made = True
            file.write(content)
    except OSError as error:
        if made:  # the disk is full
            with suppress(OSError):
                path.unlink()
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def refuse_existing(path: Path) -> None:
    """Raise InputError where something stands at `path`: nothing is ever written over."""
    if path.exists():
        raise InputError(
            f"{path} exists already, and nothing was written; name another place, or remove it first"
        )


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        text = text.replace("{{" + name + "}}", value)
    return text
