"""`composer plugins list`: what every installed plugin offers."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

from composer.cli.output import say

if TYPE_CHECKING:
    from composer.plugin import Registry
    from composer.plugin.registry import Origin

__all__ = ["configure", "offers", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--traceback", action="store_true", help="show where a broken plugin failed")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a plugin is broken or two claim one id."""
    from composer.plugin import load_registry

    registry = load_registry()
    blocks = [offers(registry, origin) for origin in registry.plugins.values()]
    say("\n\n".join(blocks) or "no plugin is loaded")
    for broken in registry.broken:
        say(f"\nbroken: {broken.origin}\n  {broken}")
        if args.traceback:
            say(textwrap.indent(broken.traceback, "  "))
    for conflict in registry.conflicts:
        say(f"\nconflict: {conflict.second} claims {conflict.id!r} too; the one of {conflict.first} is used")
    return int(bool(registry.broken or registry.conflicts))


def offers(registry: Registry, origin: Origin) -> str:
    """A plugin with its distribution, then its ids by what they are."""
    rows = [str(origin)]
    for section in registry.sections():
        ids = sorted(id for id in section if section.origin(id) == origin)
        if ids:
            label = section.name.replace("_", " ")
            text = ", ".join(ids)
            rows.append(
                textwrap.fill(
                    text,
                    100,
                    initial_indent=f"  {label:<13} ",
                    subsequent_indent=" " * 16,
                    break_on_hyphens=False,
                )
            )
    return "\n".join(rows)
