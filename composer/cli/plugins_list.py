"""`composer plugins list`: what every installed plugin offers, or what of it has a name like a pattern."""

from __future__ import annotations

import argparse
import fnmatch
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from composer.cli.output import say

if TYPE_CHECKING:
    from composer.plugin import Registry
    from composer.plugin.registry import Origin

__all__ = ["configure", "offers", "run"]

SHOWN = 40
"""Names of a field that are shown, each with its variants."""
VARIANTS = 6
INDENT = " " * 16

Wanted = Callable[[str], bool]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pattern",
        nargs="?",
        help="only ids, and names of models, that have these letters; `*` and `?` as in a shell",
    )
    parser.add_argument("--traceback", action="store_true", help="show where a broken plugin failed")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a plugin is broken, two claim one id, or nothing has such a name."""
    from composer.plugin import load_registry

    registry = load_registry()
    wanted = None if args.pattern is None else _matching(args.pattern)
    blocks = [offers(registry, origin, wanted) for origin in registry.plugins.values()]
    found = [block for block in blocks if block]
    if wanted is not None and not found:
        say(_nothing(registry, args.pattern))
        return 1
    say("\n\n".join(found) or "no plugin is loaded")
    if wanted is not None:
        return 0
    for broken in registry.broken:
        say(f"\nbroken: {broken.origin}\n  {broken}")
        if args.traceback:
            say(textwrap.indent(broken.traceback, "  "))
    for conflict in registry.conflicts:
        say(f"\nconflict: {conflict.second} claims {conflict.id!r} too; the one of {conflict.first} is used")
    return int(bool(registry.broken or registry.conflicts))


def offers(registry: Registry, origin: Origin, wanted: Wanted | None = None) -> str:
    """A plugin with its distribution, then its ids by what they are; empty where none is wanted."""
    rows = []
    for section in registry.sections():
        own = sorted(id for id in section if section.origin(id) == origin)
        ids = own if wanted is None else [id for id in own if wanted(id)]
        if ids:
            rows.append(_row(section.name.replace("_", " "), ", ".join(ids)))
        if section.name == "module_types":
            rows += (row for id in own for row in _names(registry, id, wanted))
    return "\n".join([str(origin), *rows]) if rows or wanted is None else ""


def _row(label: str, text: str) -> str:
    return textwrap.fill(
        text, 100, initial_indent=f"  {label:<13} ", subsequent_indent=INDENT, break_on_hyphens=False
    )


def _names(registry: Registry, id: str, wanted: Wanted | None) -> Iterator[str]:
    """The names that fields of a module type take: how many there are, or those that are wanted."""
    for field, names in _fields_of(registry, id):
        if wanted is None:
            yield _row(f"  {field}", f"{id} takes {len(names):,} names: `composer plugins list PATTERN`")
            continue
        groups = _grouped(name for name in names if wanted(name))
        if groups:
            lines = [_shown(name, variants) for name, variants in groups.items()]
            more = len(lines) - SHOWN
            shown = lines[:SHOWN] + ([f"and {more:,} more: write a longer pattern"] if more > 0 else [])
            yield f"  {field} of {id}\n" + textwrap.indent("\n".join(shown), INDENT)


def _fields_of(registry: Registry, id: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    from composer.plugin.asking import ask, import_object

    entry = registry.module_types[id]
    for field, reference in entry.names.items():
        what = f"`names` of {entry.title}"
        yield field, ask(import_object(reference, what), what=what, accept=_texts)


def _texts(answer: Iterable[object]) -> tuple[str, ...]:
    return tuple(map(str, answer))


def _grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Names with their variants: what follows the first dot."""
    groups: dict[str, list[str]] = {}
    for name in names:
        bare, _, variant = name.partition(".")
        groups.setdefault(bare, []).extend([variant] if variant else [])
    return groups


def _shown(name: str, variants: list[str]) -> str:
    if not variants:
        return name
    more = f", and {len(variants) - VARIANTS} more" if len(variants) > VARIANTS else ""
    return f"{name} ({', '.join(variants[:VARIANTS])}{more})"


def _matching(pattern: str) -> Wanted:
    text = pattern.casefold()
    if not any(sign in text for sign in "*?["):
        text = f"*{text}*"
    return lambda name: fnmatch.fnmatchcase(name.casefold(), text)


def _nothing(registry: Registry, pattern: str) -> str:
    from composer.problems import nearest

    ids = [id for section in registry.sections() for id in section]
    ids += [name for id in registry.module_types for _, names in _fields_of(registry, id) for name in names]
    near = nearest(pattern, ids)
    hint = f"; did you mean `{near}`?" if near else ""
    return f"nothing that is installed has a name like `{pattern}`{hint}"
