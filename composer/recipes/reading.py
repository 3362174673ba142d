"""Recipe files: found, recognised, and read into a shape whose every value keeps its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from yaml.nodes import MappingNode, ScalarNode

from composer.language import Source, Tree, read_source
from composer.language.tree import construct
from composer.language.validation import Form, shaped
from composer.language.yaml_nodes import compose
from composer.plugin import Registry
from composer.problems import DocumentError, Findings, InputError, Place, Problem
from composer.recipes.shape import Recipe

__all__ = ["ReadRecipe", "find_recipe", "looks_like_recipe", "read"]

UNSET = ""
"""Stands for a name that is missing: it has its problem, and nothing is asked of it."""
FORM = Form(
    Recipe,
    "the recipe",
    {"tasks": "task"},
    {
        "epochs": 1,
        "learning_rate": 1.0,
        "tasks": {},
        "batch": 1,
        **dict.fromkeys(("by", "counts"), UNSET),
    },
)
WANTED = "a recipe is a map with the keys epochs, learning_rate and tasks"
_OF_A_RECIPE = frozenset(("epochs", "learning_rate", "warmup", "weight_decay"))
_OF_A_DOCUMENT = frozenset(("composer", "modules", "extends", "parameters"))


@dataclass(frozen=True)
class ReadRecipe:
    """A recipe as far as it can be read; what its findings silence is not the author's value."""

    source: Source
    tree: Tree
    recipe: Recipe
    findings: Findings

    @property
    def sources(self) -> dict[str, str]:
        return {self.source.name: self.source.text}


def read(given: Path | Source) -> ReadRecipe:
    """Read a recipe. Raises DocumentError only where the file holds no map that can be read."""
    source = given if isinstance(given, Source) else read_source(given, str(given), "recipe")
    try:
        root = compose(source, WANTED)
        _refuse_document(root, source)
        data, problems = construct(root, source)
        tree = Tree(root)
        findings = Findings(problems)
        recipe = shaped(FORM, data, tree, findings)
        if recipe is None:  # more nested faults than rounds
            raise DocumentError(findings)
    except DocumentError as error:
        raise DocumentError(error.problems, {source.name: source.text}) from None
    return ReadRecipe(source, tree, recipe, findings)


def _refuse_document(root: MappingNode, source: Source) -> None:
    """One problem for a document in the place of a recipe, rather than one for each of its keys."""
    keys = _keys(root)
    if keys & _OF_A_DOCUMENT and not keys & _OF_A_RECIPE:
        place = Place(source.name, 1, 1, 1, 2)
        helps = (WANTED, "`composer train DOCUMENT --recipe RECIPE` takes both")
        message = "this file is a document, and a recipe is wanted here"
        raise DocumentError([Problem("C102", "error", message, place, helps=helps)])


def _keys(root: MappingNode) -> set[str]:
    return {key.value for key, _ in root.value if isinstance(key, ScalarNode)}


def looks_like_recipe(path: Path) -> bool:
    """Whether a file holds a recipe rather than a document: by its keys, so that a faulty one is recognised too.

    A pipe is a document: what was read from it once is gone.
    """
    if not os.path.isfile(path):
        return False
    try:
        root = compose(read_source(path))
    except DocumentError:
        return False
    keys = _keys(root)
    return bool(keys & _OF_A_RECIPE) and not keys & _OF_A_DOCUMENT


def find_recipe(name: str | Path, registry: Registry, given: str | Path | None = None) -> Path:
    """The recipe's path: as given, or `training/<name>.yaml` beside the document; InputError when that is not there."""
    if given is not None:
        return Path(given)
    shipped = registry.documents.get(str(name))
    document = shipped.path if shipped is not None else Path(name)
    path = document.parent / "training" / f"{document.stem}.yaml"
    if not path.is_file():
        raise InputError(f"{name} has no training recipe: write {path}, or name one with --recipe")
    return path
