"""Write a first document to start from, and with --recipe how to train it: small, complete, explained line by line."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path

from composer.cli.output import say

__all__ = ["configure", "run"]

_OTHER_VALUES = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
TEMPLATES = Path(__file__).parent / "templates"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="FILE",
        nargs="?",
        type=Path,
        default=Path("model.yaml"),
        help="where it goes (default: model.yaml)",
    )
    parser.add_argument(
        "--recipe",
        action="store_true",
        help="also write the recipe that trains it, where `composer train` looks for it: training/FILE beside it",
    )


def run(args: argparse.Namespace) -> int:
    from composer.cli.scaffold import refuse_existing, write_file
    from composer.problems import InputError

    path: Path = args.path
    if path.suffix not in {".yaml", ".yml"}:
        raise InputError(f"{path} is not a name for a document: end it with .yaml")
    written = shlex.quote(str(path))
    recipe = path.parent / "training" / f"{path.stem}.yaml"
    if args.recipe:
        refuse_existing(recipe)
    words = {"NAME": _yaml(path.stem), "FILE": shlex.quote(path.name)}
    write_file(path, TEMPLATES / "document.yaml.template", words)
    next_ = [
        f"check {written}",
        f"show {written}",
        f'run {written} --weights initial image=PICTURE question="is there a circle?"',
    ]
    say(f"wrote {path}")
    if args.recipe:
        words["DOCUMENT"] = json.dumps(f"../{path.name}", ensure_ascii=False)
        write_file(recipe, TEMPLATES / "recipe.yaml.template", words, make_folder=True)
        say(f"wrote {recipe}")
        next_.append(f"train {written} --out trained")
    say("next: " + "\n      ".join(f"composer {line}" for line in next_))
    return 0


def _yaml(name: str) -> str:
    """The name as YAML reads it: quoted where it would be another value or another text."""
    plain = re.fullmatch(r"[A-Za-z][\w-]*", name, re.ASCII) and name.lower() not in _OTHER_VALUES
    return name if plain else json.dumps(name, ensure_ascii=False)
