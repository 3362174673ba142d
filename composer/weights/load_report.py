"""The loading report: what became of every parameter and of every key of every source, as a short table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from composer.sources.choosing import NOTHING_FOR_IT
from composer.sources.located import Located
from composer.weights.names import collapse

__all__ = ["LoadReport", "ModuleLoad", "SourceLoad"]


@dataclass(frozen=True, slots=True)
class ModuleLoad:
    """One module: tensors loaded, how many values they hold, and tensors left as the builder initialised them.

    A tensor that several names share is counted once, at the first.
    """

    name: str
    loaded: int
    values: int
    initialised: int
    source: str = ""
    """What gave it: the name of a source, or why it starts fresh."""


@dataclass(frozen=True)
class SourceLoad:
    """One source, with what became of each of its keys and of the parameters that it was to fill."""

    name: str
    layout: str | None = None
    given: str = ""
    """Who named it: `--weights`, `my.yaml:7`, `ships with quickstart`."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """key → the name of the rule that ignored it"""
    initialised: Mapping[str, str] = field(default_factory=dict)
    """parameter → the reason why the checkpoint may lack it"""
    not_needed: Mapping[str, str] = field(default_factory=dict)
    """key → the module that the loaded tasks do not use"""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """key → the module that takes its weights from another source"""
    notes: tuple[str, ...] = ()
    """How the checkpoint was read: the entry of it, wrappers that were taken off its keys."""
    located: Located | None = field(default=None, compare=False, repr=False)
    """Where it lies, of a source that is a file or several."""
    lacked: Mapping[str, str] = field(default_factory=dict)
    """Those of the initialised parameters that the layout says a checkpoint may lack, with its reasons"""

    def as_dict(self) -> dict[str, object]:
        names = ("name", "layout", "given", "ignored", "initialised", "not_needed", "elsewhere", "notes")
        commit = self.located.commit if self.located is not None else ""
        return {**{name: getattr(self, name) for name in names}, **({"commit": commit} if commit else {})}

    def lines(self) -> Iterator[str]:
        """What is to be said beside the table of modules."""
        yield from self.notes
        for rule, number in Counter(self.ignored.values()).items():
            yield f"ignored by rule {rule!r}: {_keys(number)}"
        for reason in dict.fromkeys(self.initialised.values()):
            names = collapse(name for name, why in self.initialised.items() if why == reason)
            yield f"initialised by rule {reason!r}: {', '.join(names)}"
        for name, number in Counter(self.not_needed.values()).items():
            yield f"not needed by the loaded tasks: {_keys(number)} of {name}"
        for name, number in Counter(self.elsewhere.values()).items():
            yield f"left out, as `{name}` takes its weights from elsewhere: {_keys(number)}"

    def lacking(self) -> Iterator[str]:
        """A sentence for each reason why parameters start fresh that nobody named."""
        for reason in dict.fromkeys(self.lacked.values()):
            names = ", ".join(collapse(name for name, why in self.lacked.items() if why == reason))
            yield f"{self.name}: {names} starts fresh, as layout {self.layout} says: {reason}"

    @property
    def heading(self) -> str:
        given = f" ({self.given})" if self.given else ""
        return f"{self.name}{given} read by " + (f"layout {self.layout}" if self.layout else "native names")


@dataclass(frozen=True)
class LoadReport:
    """Printed, a table; `as_dict()` is the same for JSON."""

    modules: tuple[ModuleLoad, ...]
    sources: tuple[SourceLoad, ...]
    fresh: Mapping[str, str] = field(default_factory=dict)
    """parameter of a module that no source fills → who says that it starts fresh"""
    unused: tuple[str, ...] = ()
    """Sources that were given and not read, in a sentence each."""

    def origins(self) -> dict[str, dict[str, object]]:
        """Every module with what gave it its weights, as another machine can understand it: no path of this one."""
        known = {source.name: source.located for source in self.sources}
        found: dict[str, dict[str, object]] = {}
        for module in self.modules:
            located = known.get(module.source)
            found[module.name] = (
                {"source": "fresh" if module.source.startswith("fresh: ") else module.source}
                if located is None
                else located.origin()
            )
        return found

    @property
    def source(self) -> str:
        return ", ".join(source.name for source in self.sources)

    @property
    def layout(self) -> str | None:
        return ", ".join(dict.fromkeys(source.layout for source in self.sources if source.layout)) or None

    @property
    def ignored(self) -> Mapping[str, str]:
        return _joined(source.ignored for source in self.sources)

    @property
    def initialised(self) -> Mapping[str, str]:
        return {**_joined(source.initialised for source in self.sources), **self.fresh}

    @property
    def not_needed(self) -> Mapping[str, str]:
        return _joined(source.not_needed for source in self.sources)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(note for source in self.sources for note in source.notes)

    @property
    def unasked(self) -> tuple[str, ...]:
        """What was done although nobody asked for it, or not done although somebody did, in a sentence each."""
        taken = [
            (source, note)
            for source in self.sources
            for note in source.notes
            if "taken off" in note or "is fresh" in note
        ]
        parts = {name.partition(".")[0]: None for name, why in self.fresh.items() if why == NOTHING_FOR_IT}
        fresh = (f"the adapter {part} is fresh: it changes nothing until it is trained" for part in parts)
        lacked = (sentence for source in self.sources for sentence in source.lacking())
        return (*(f"{source.name}: {note}" for source, note in taken), *lacked, *fresh, *self.unused)

    def as_dict(self) -> dict[str, object]:
        return {
            "source": self.source,
            "layout": self.layout,
            "modules": [asdict(module) for module in self.modules],
            "sources": [source.as_dict() for source in self.sources],
            "ignored": dict(self.ignored),
            "initialised": dict(self.initialised),
            "not_needed": dict(self.not_needed),
            "notes": list(self.notes),
            "unused": list(self.unused),
        }

    def __str__(self) -> str:
        alone = len(self.sources) == 1 and not self.fresh
        table = list(self._table(alone))
        if alone:
            (only,) = self.sources
            lines = [only.heading, *table, *(f"  {line}" for line in only.lines())]
        else:
            lines = [self._count(), *table]
            for source in self.sources:
                lines += [f"  {source.heading}", *(f"    {line}" for line in source.lines())]
            for reason in dict.fromkeys(self.fresh.values()):
                names = collapse(name for name, why in self.fresh.items() if why == reason)
                lines.append(f"  initialised by rule {reason!r}: {', '.join(names)}")
        return "\n".join([*lines, *(f"  {sentence}" for sentence in self.unused)])

    def _count(self) -> str:
        number = len(self.sources)
        return f"weights from {number} {'source' if number == 1 else 'sources'}"

    def _table(self, alone: bool) -> Iterator[str]:
        width = max([len("module"), *(len(module.name) for module in self.modules)])
        yield f"  {'module':<{width}}  {'loaded':>6}  {'values':>13}  {'initialised':>11}" + (
            "" if alone else "  from"
        )
        for module in self.modules:
            row = f"{module.loaded:>6}  {module.values:>13,}  {module.initialised:>11}"
            told = "" if alone else f"  {module.source}"
            yield f"  {module.name:<{width}}  {row}{told}".rstrip()


def _joined(maps: Iterator[Mapping[str, str]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for each in maps:
        found |= each
    return found


def _keys(number: int) -> str:
    return f"{number} key" if number == 1 else f"{number} keys"
