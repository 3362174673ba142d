"""List the installed plugins, show one entry, make a plugin, or check one."""

from __future__ import annotations

import argparse
from importlib import import_module

__all__ = ["as_document", "configure", "run"]

ACTIONS = {
    "list": "what every installed plugin offers, and which plugins are broken",
    "show": "one entry: what it is for, its config and its ports",
    "new": "write a plugin to start from",
    "check": "hold a plugin to what it declares: shapes, batches, padding, weights, export, import time",
}
"""Every action with its help; `composer/cli/plugins_<action>.py` holds it."""


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary)
        import_module(f"composer.cli.plugins_{name}").configure(action)


def run(args: argparse.Namespace) -> int:
    return int(import_module(f"composer.cli.plugins_{args.action}").run(args))


def as_document(name: str, command: str) -> str | None:
    """What to say of a document where a name is asked for, and which command takes documents."""
    if not name.endswith((".yaml", ".yml")):
        return None
    return f"`{name}` is a document, and no plugin is called so: write `composer {command} {name}`"
