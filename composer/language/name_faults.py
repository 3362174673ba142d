"""What is told of names that are none, or taken (C109)."""

from __future__ import annotations

from yaml.nodes import Node

from composer.language.roles import role_of
from composer.language.schema12 import BOOL, NULL, STR, shown
from composer.language.tree import Tree
from composer.problems import Note, Place, Problem, YamlPath

__all__ = ["name_taken", "no_name"]

_READ_AS = {BOOL: "true or false", NULL: "nothing"}


def no_name(name: str, what: str, key: Node | None, place: Place, *, has_form: bool) -> Problem:
    """A key that is not a name, or, where it `has_form` of one, that YAML does not read as text."""
    what = f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
    rule = "letters, digits, `_` and `-`, beginning with a letter"
    if key is None or key.tag == STR:
        message = f"{shown(name)} is not a name for {what}: {rule}"
        helps: tuple[str, ...] = ()
    else:
        read = _READ_AS.get(key.tag, "a number")
        message = f"`{name}` is not a name for {what}: YAML reads it as {read}, not as text"
        helps = (f'quote it (`"{name}"`), or rename it' if has_form else f"rename it: a name has {rule}",)
    return Problem("C109", "error", message, place, helps=helps)


def name_taken(name: str, first: YamlPath, second: YamlPath, tree: Tree) -> Problem:
    """A name of two inputs or nodes of one task or piece."""
    message = (
        f"the name `{name}` is taken twice in one {role_of(second[:2])}: inputs and nodes share their names"
    )
    notes = (Note(tree.place(first, key=True), "first taken here"),)
    return Problem("C109", "error", message, tree.place(second, key=True), notes=notes)
