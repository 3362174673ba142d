"""`composer plugins new NAME --kind KIND ...`: a plugin to start from, complete enough to install, check and test."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from types import MappingProxyType

from composer.cli.output import say

__all__ = ["KINDS", "configure", "run"]

TEMPLATES = Path(__file__).parent / "templates" / "plugin"
KINDS = MappingProxyType(
    {
        "modality": "modalities",
        "module": "modules",
        "layout": "layouts",
        "backend": "backends",
        "dataset": "datasets",
        "policy": "policies",
        "subgraph": "subgraphs",
    }
)
"""What a plugin may begin with → the module of the new package that declares it, in a tuple of the same name."""
SHOWN = MappingProxyType(
    {
        "modality": "{}.readings",
        "module": "{}.gate",
        "layout": "{}-v1",
        "backend": "{}",
        "dataset": "{}.clouds",
        "policy": "{}.sure",
        "subgraph": "{}-pieces",
    }
)
"""What to look at first, by the plugin's name."""
SECTION = "README.section"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and `-`, such as `audio`")
    parser.add_argument(
        "--kind",
        choices=tuple(KINDS),
        action="append",
        help="what it offers to begin with: a module type unless given; several times for several things",
    )
    parser.add_argument(
        "--into", metavar="DIR", type=Path, default=Path(), help="folder that receives the plugin's"
    )


def run(args: argparse.Namespace) -> int:
    """Write a folder `composer-NAME`; nothing is written where one is already."""
    from composer.cli.scaffold import write_folder

    name: str = args.name
    package = _package_of(name)
    kinds = [kind for kind in KINDS if kind in (args.kind or ["module"])]
    folder = args.into / f"composer-{name}"
    templates = [TEMPLATES / "common", *(TEMPLATES / "kinds" / kind for kind in kinds)]
    words = {
        "IMPORTS": "\n".join(sorted(f"from {package}.{KINDS[k]} import {KINDS[k].upper()}" for k in kinds)),
        "ENTRIES": ", ".join(f"*{KINDS[kind].upper()}" for kind in kinds),
        "SECTIONS": "\n".join((root / SECTION).read_text(encoding="utf-8") for root in templates[1:]).strip(),
        "NAME": name,
        "PACKAGE": package,
    }
    written = write_folder(folder, templates, words)
    say("\n".join(f"wrote {path}" for path in written))
    say(f"\nnext: pip install -e {folder}\n      composer plugins show {SHOWN[kinds[0]].format(name)}")
    say(f"      composer plugins check {name}\n      pytest {folder}")
    return 0


def _package_of(name: str) -> str:
    """The import name of the new plugin. Raises InputError for what is not a name, or is taken."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    from composer.problems import InputError

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise InputError(
            f"{name!r} is not a plugin name: write lower-case letters, digits and `-`, such as `audio`"
        )
    package = f"composer_{name.replace('-', '_')}"
    if find_spec(package) is not None or name in entry_points(group="composer").names:
        raise InputError(f"a plugin {name!r} is installed already; choose another name")
    return package
