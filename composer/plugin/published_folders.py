"""Folders that others published, for configs of plugins: beside a document, in an installed package, on the Hub."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from composer.problems import InputError
from composer.published.hub_repository import HubRepository
from composer.published.one_line import HUB, HUB_TEXT, PACKAGE
from composer.published.packages import package_folders, path_in_package

__all__ = ["published_folder"]

_MOVING = ("", "main", "master")


def published_folder(text: str, beside: Path | None, *, needs: str, also: Collection[str] = ()) -> Path:
    """The folder that `text` names: a path, `package:name/folder`, or `hub:owner/name@revision`.

    `beside` is where a relative path begins. Of a Hub repository the file `needs` is fetched, and those of `also` that
    it has, once: what the Hub's cache holds is taken as it is.

    Raises:
        ValueError: one sentence: there is no such package, folder, repository or revision, its files may not be read,
            or there is no network.
    """

    def error(cause: str) -> InputError:
        return InputError(f"{text}: {cause}")

    try:
        if text.startswith(PACKAGE):
            return _in_a_package(text, error)
        if text.startswith(HUB):
            return _on_the_hub(text, error, needs, also)
    except InputError as told:
        raise ValueError(str(told)) from None
    return (beside or Path()) / text


def _in_a_package(text: str, error: Callable[[str], InputError]) -> Path:
    name, _, inside = text.removeprefix(PACKAGE).partition("/")
    found = path_in_package(package_folders(name, error), inside, error)
    if found is None:
        raise error(f"the package has no folder `{inside}`")
    return found


def _on_the_hub(text: str, error: Callable[[str], InputError], needs: str, also: Collection[str]) -> Path:
    named = HUB_TEXT.fullmatch(text.removeprefix(HUB))
    if named is None:
        raise error("a repository is written hub:owner/name@revision")
    if (named["revision"] or "") in _MOVING:
        raise error("it may hold another model tomorrow: name a commit or a tag, hub:owner/name@revision")
    start = f"{named['file']}/" if named["file"] else ""
    repository = HubRepository.of(named["hub"], named["revision"], error)
    with repository.telling(lambda: f"the repository has no {start}{needs}"):
        there = repository.cached(start + needs)
        path = there if isinstance(there, Path) else repository.download(start + needs)
        for name in also:
            if repository.cached(start + name) is None and not repository.offline:
                _download_if_there(repository, start + name)
    return path.parent


def _download_if_there(repository: HubRepository, name: str) -> None:
    from huggingface_hub import errors

    with suppress(errors.EntryNotFoundError):
        repository.download(name)
