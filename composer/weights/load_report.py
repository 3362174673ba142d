"""The loading report: what became of every parameter and every key, as a short table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from composer.weights.names import collapse

__all__ = ["LoadReport", "ModuleLoad"]


@dataclass(frozen=True, slots=True)
class ModuleLoad:
    """One module: tensors loaded, how many values they hold, and tensors left as the builder initialised them.

    A tensor that several names share is counted once, at the first.
    """

    name: str
    loaded: int
    values: int
    initialised: int


@dataclass(frozen=True)
class LoadReport:
    """Printed, a table; `as_dict()` is the same for JSON."""

    source: str
    layout: str | None
    modules: tuple[ModuleLoad, ...]
    ignored: Mapping[str, str] = field(default_factory=dict)
    """key → the name of the rule that ignored it"""
    initialised: Mapping[str, str] = field(default_factory=dict)
    """parameter → the reason why the checkpoint may lack it"""
    not_needed: Mapping[str, str] = field(default_factory=dict)
    """key → the module that the loaded tasks do not use"""
    notes: tuple[str, ...] = ()
    """How the checkpoint was read: the entry of it, wrappers that were taken off its keys."""

    @property
    def unasked(self) -> tuple[str, ...]:
        """The notes on what was done although nobody asked for it."""
        return tuple(note for note in self.notes if "taken off" in note)

    def as_dict(self) -> dict[str, object]:
        return {
            "source": self.source,
            "layout": self.layout,
            "modules": [asdict(module) for module in self.modules],
            "ignored": dict(self.ignored),
            "initialised": dict(self.initialised),
            "not_needed": dict(self.not_needed),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        width = max([len("module"), *(len(module.name) for module in self.modules)])
        lines = [
            f"{self.source} read by " + (f"layout {self.layout}" if self.layout else "native names"),
            f"  {'module':<{width}}  {'loaded':>6}  {'values':>13}  {'initialised':>11}",
        ]
        for module in self.modules:
            row = f"{module.loaded:>6}  {module.values:>13,}  {module.initialised:>11}"
            lines.append(f"  {module.name:<{width}}  {row}")
        lines += [f"  {note}" for note in self.notes]
        for rule, number in Counter(self.ignored.values()).items():
            lines.append(f"  ignored by rule {rule!r}: {_keys(number)}")
        for reason in dict.fromkeys(self.initialised.values()):
            names = collapse(name for name, why in self.initialised.items() if why == reason)
            lines.append(f"  initialised by rule {reason!r}: {', '.join(names)}")
        for name, number in Counter(self.not_needed.values()).items():
            lines.append(f"  not needed by the loaded tasks: {_keys(number)} of {name}")
        return "\n".join(lines)


def _keys(number: int) -> str:
    return f"{number} key" if number == 1 else f"{number} keys"
