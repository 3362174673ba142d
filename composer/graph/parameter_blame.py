"""One bad parameter, one problem: what several readers of a parameter refuse is said once, where it is set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from composer.problems import Note, Place, Problem, YamlPath

__all__ = ["Refusal", "folded"]

SHOWN_READERS = 6


@dataclass(frozen=True)
class Refusal:
    """A config value that its reader refused."""

    problem: Problem
    path: YamlPath
    """Of the thing that has the `with`."""
    message: str
    """What the reader says, without its name."""
    parameters: Mapping[str, object]
    """Those that the refused values come from, with their values, in the order of the message."""
    whole: bool
    """Whether all refused values come from parameters."""
    at: Place
    """Where the value stands, which its problem may say in a note alone."""


def folded(
    problems: Iterable[Problem], refusals: Iterable[Refusal], places: Mapping[str, Place], own: str
) -> list[Problem]:
    """The problems, with those that share a bad parameter replaced by one at the parameter.

    A parameter is to blame where two readers refuse it for the same reason, or refuse parameters alone; then it also
    explains every other refusal of it. A refusal that no other one resembles stays where the value is used. Of several
    parameters that do not go together the one that was set last is named: on the command line, or in the file `own`.
    """
    alike: dict[tuple[tuple[str, ...], str | None], list[Refusal]] = {}
    for refusal in {r.problem: r for r in refusals if r.parameters}.values():
        reason = None if refusal.whole else refusal.message
        alike.setdefault((tuple(refusal.parameters), reason), []).append(refusal)
    blamed: dict[str, list[Refusal]] = {}
    for (names, _), group in alike.items():
        if len({refusal.at for refusal in group}) > 1:
            last = min(names, key=lambda name: (places[name].is_in_file, places[name].file != own))
            blamed.setdefault(last, []).extend(group)
    for (names, _), group in alike.items():
        if len(names) == 1 and names[0] in blamed and group[0] not in blamed[names[0]]:
            blamed[names[0]].extend(group)
    replaced = {refusal.problem for group in blamed.values() for refusal in group}
    kept = [problem for problem in problems if problem not in replaced]
    return kept + [_one(name, group, places) for name, group in blamed.items()]


def _one(name: str, group: list[Refusal], places: Mapping[str, Place]) -> Problem:
    group = sorted(group, key=lambda refusal: refusal.at)
    readers = list(dict.fromkeys(_reader(refusal.path) for refusal in group))
    named = " and ".join(filter(None, (", ".join(readers[:-1]), readers[-1])))
    others = dict.fromkeys(other for refusal in group for other in refusal.parameters if other != name)
    notes = [Note(places[other], f"${other} is set here") for other in others]
    notes += [Note(r.at, f"{_reader(r.path)}: {r.message}") for r in group[:SHOWN_READERS]]
    message = f"parameter `{name}` is refused by {named}: {group[0].message}"
    label = f"{name} is {group[0].parameters[name]!r}"
    return Problem("C206", "error", message, places[name], label, tuple(notes))


def _reader(path: YamlPath) -> str:
    """How a message calls what has the `with`: a module by its name, a node or input with its task."""
    return f"`{path[-1]}`" if path[0] == "modules" else f"`{path[-1]}` of task `{path[1]}`"
