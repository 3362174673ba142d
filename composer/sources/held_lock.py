"""A lock that is held against what is found: everything that differs is told at once, before a weight is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from composer.graph import Checked
from composer.plugin import Registry
from composer.problems import InputError
from composer.published.one_line import HUB
from composer.sources.choosing import NOTHING, Chosen, ChosenSources, adapters_of, choose
from composer.sources.found_source import FoundSource, find_source
from composer.sources.lock_file import SUFFIX, Document, Lock, LockedWeights, lock_place, read_lock
from composer.sources.locking import base_text, called_modules, plugins_of, source_text

__all__ = ["Held", "held_lock", "hold_document", "hold_sources"]


@dataclass(frozen=True)
class Held:
    """A lock that is held against what is found."""

    lock: Lock
    path: Path

    def commit(self, chosen: Chosen) -> str:
        """The commit that the lock holds of the Hub repository of a source."""
        entry = self.lock.of(chosen.modules[0])
        hub = chosen.declared.hub
        is_of_it = entry is not None and re.match(rf"{HUB}{re.escape(hub)}(?=[@/]|$)", entry.source)
        return entry.commit if entry is not None and hub and is_of_it else ""

    def versions(self, report: Checked) -> Iterator[str]:
        """Differences that show without any file."""
        lock = self.lock
        if report.document.shape.composer != lock.language:
            yield f"the language is version {report.document.shape.composer}, and {lock.language} in the lock"
        now = plugins_of(report)
        for plugin, package in now.items():
            if plugin not in lock.plugins:
                yield f"the plugin {plugin} ({package}) is used, and not in the lock"
            elif package != lock.plugins[plugin]:
                yield f"the plugin {plugin} is {package or 'of no package'}, and {lock.plugins[plugin]} in the lock"
        known = (*report.modules, *adapters_of(report))
        for name in (name for each in lock.weights for name in each.modules):
            if name not in known:
                yield f"the lock holds weights of `{name}`, and the document has no such module"

    def started(self, choice: ChosenSources) -> Iterator[str]:
        """Differences of what starts fresh."""
        for module, reason in choice.fresh.items():
            entry = self.lock.of(module)
            if entry is not None and entry.source != "fresh" and reason != choice.otherwise:
                yield f"`{module}` starts fresh ({reason}), and takes {entry.source} in the lock"

    def source(self, source: FoundSource) -> Iterator[str]:
        """Differences of one source: other files, files that are read in another way, or others below it."""
        chosen, located = source.chosen, source.located
        declared = chosen.declared
        reading = (declared.layout, declared.root, declared.prefix)
        told = set[str]()
        for module in chosen.modules:
            entry = self.lock.of(module)
            if entry is None:
                yield f"the lock holds no weights of `{module}`, and it takes {source_text(chosen)}"
            elif entry.source == "fresh":
                yield f"`{module}` takes {source_text(chosen)}, and starts fresh in the lock"
            elif sorted(entry.files.values()) != sorted(located.digests.values()):
                difference = _of_files(entry, source_text(chosen), located.digests)
                if difference not in told:
                    yield f"weights of `{module}`: {difference}"
                told.add(difference)
            elif entry.reading() != reading:
                yield (
                    f"weights of `{module}` are read with {_reading(reading)}, and with {_reading(entry.reading())} in "
                    "the lock"
                )
            else:
                below = [each for each in _of_bases(entry, source) if each not in told]
                yield from below
                told.update(below)

    def hold(self, differences: Iterable[str]) -> None:
        """Raise InputError that names all differences, where there are any."""
        found = list(differences)
        if not found:
            return
        name = self.path.name.removesuffix(SUFFIX)
        cure = f"`composer lock {name}` writes it anew"
        if len(found) == 1:
            raise InputError(f"{self.path} does not allow this: {found[0]}; {cure}")
        lines = "".join(f"\n  {each}" for each in found)
        raise InputError(f"{self.path} does not allow this; {cure}:{lines}")


def _of_files(entry: LockedWeights, source: str, found: Mapping[str, str]) -> str:
    """How the files of a source differ from those that the lock holds."""
    for name, digest in found.items():
        if name in entry.files and entry.files[name] != digest:
            return f"{name} has the SHA-256 {digest}, and {entry.files[name]} in the lock"
    if set(found) != set(entry.files) and len(found) != len(entry.files):
        return f"{source} has {_files(len(found))}, and {entry.source} {_files(len(entry.files))} in the lock"
    name, digest = next(iter(found.items()))
    return f"{source} ({name}, SHA-256 {digest}) is another file than {entry.source} in the lock"


def _of_bases(entry: LockedWeights, source: FoundSource) -> Iterator[str]:
    """How what a source was trained on differs from what the lock holds of that."""
    name = source_text(source.chosen)
    if len(entry.trained_on) != len(source.below):
        held, found = len(entry.trained_on), len(source.below)
        yield f"{name} says that it was trained on {_files(found)}, and the lock holds {held}"
        return
    for locked, base in zip(entry.trained_on, source.below, strict=True):
        digests = base.located.digests
        if sorted(locked.files.values()) != sorted(digests.values()):
            yield f"what {name} was trained on: {_of_files(locked, base_text(base.chosen), digests)}"
        else:
            yield from _of_bases(locked, base)


def _files(number: int) -> str:
    return f"{number} file" if number == 1 else f"{number} files"


def _reading(reading: tuple[str, str, str]) -> str:
    names = zip(("layout", "root", "prefix"), reading, strict=True)
    return ", ".join(f"{name} {value}" for name, value in names if value) or "native names"


def hold_sources(
    report: Checked, choice: ChosenSources, held: Held | None, *, local: bool = False
) -> list[FoundSource]:
    """Find every source of a choice, and hold it against its digest and the lock, before anything of it is read.

    With `local`, what the Hub's cache does not hold is passed over.

    Raises:
        InputError: a source is not there, has another digest, or differs from the lock, with all that differs.
    """
    if held is not None:  # before anything is fetched
        held.hold([*held.versions(report), *held.started(choice)])
    found: list[FoundSource] = []
    differences: list[str] = []
    for chosen in choice.sources:
        commit = held.commit(chosen) if held is not None else ""
        try:
            source = find_source(chosen, report.registry, commit=commit, local=local)
        except InputError:
            if local and chosen.declared.hub:
                continue
            raise
        differences += held.source(source) if held is not None else ()
        found.append(source)
    if held is not None:
        held.hold(differences)
    return found


def held_lock(locked: bool | str | Path, document: Document, registry: Registry) -> Held | None:
    """The lock that is asked for: none, the document's, or the one at a path. Raises InputError as `read_lock`."""
    if locked is False:
        return None
    path = lock_place(document, registry) if locked is True else Path(locked)
    return Held(read_lock(path), path)


def hold_document(locked: bool | str | Path, document: Document, report: Checked) -> None:
    """Hold all of a document against its lock, fetching nothing. Raises InputError that names what differs."""
    held = held_lock(locked, document, report.registry)
    if held is not None:
        choice = choose(report, report.registry, needed=called_modules(report), otherwise=NOTHING)
        hold_sources(report, choice, held, local=True)
