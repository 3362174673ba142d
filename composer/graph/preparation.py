"""What a module was made for, taken over by inputs that name it, and inputs that are prepared in another way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from composer.graph.checked import Callee, CheckedInput, CheckedModule, Read
from composer.language import InputShape, NodeShape, Tree
from composer.plugin import Config, Modality
from composer.plugin.answers import as_made_for
from composer.plugin.asking import ask
from composer.problems import ComposerError, Edit, Note, Problem, YamlPath

if TYPE_CHECKING:
    from composer.graph.callees import Callees
    from composer.graph.edges import EdgeChecker

__all__ = ["PreparedSource", "belongs_to_nothing", "could_take_over", "differences", "taken_over"]

LONGEST = 60
"""Characters of a value that messages show."""


def taken_over(
    callees: Callees, item: InputShape | NodeShape, path: YamlPath, modality: Modality
) -> dict[str, object] | None:
    """The config of what is read with `for`: its own `with` before what the module was made for.

    None after reporting (C204, C296), or silently where the module has a problem of its own.
    """
    name, where = str(item.for_), (*path, "for")
    if name not in callees.declared:
        callees.unknown_module(name, where)
        return None
    module = callees.modules.get(name)
    if module is None:
        return None
    values: Mapping[str, Any] | None = None
    if module.type.made_for is not None:
        what, owner = f"`made_for` of {module.type.title}", module.type.id
        made = callees.asked(
            module.type.made_for, (module.config,), where, what, as_made_for, owner, module.path
        )
        if made is None:
            return None
        values = made.get(modality.id)
    if values is None:
        callees.findings.add(_says_nothing(callees, module, modality, where))
        return None
    known = {key: value for key, value in values.items() if key in modality.config.model_fields}
    return {**known, **item.with_}


def could_take_over(
    callees: Callees, item: InputShape | NodeShape, path: YamlPath, modality: Modality
) -> bool:
    """Report C206 for values that an input lacks and that modules here know, with `for` as the cure."""
    fields = modality.config.model_fields
    lacking = [name for name, field in fields.items() if field.is_required() and name not in item.with_]
    if not lacking:
        return False
    able = [
        name
        for name, module in callees.modules.items()
        if set(lacking) <= set(_made_for(module).get(modality.id, {}))
    ]
    if not able:
        return False
    tree = callees.document.tree
    message = f"modality {modality.id} needs {_listed(lacking)}"
    helps = tuple(f"write `for: {name}`: `{name}` knows it" for name in able[:3])
    fix = _inserted(tree, path, able[0]) if len(able) == 1 else ()
    place = tree.place((*path, "modality"))
    callees.findings.add(Problem("C206", "error", message, place, helps=helps, fix=fix))
    return True


def _says_nothing(callees: Callees, module: CheckedModule, modality: Modality, where: YamlPath) -> Problem:
    """C296: the module's type does not say what inputs of this modality should be."""
    able = [
        name
        for name, other in callees.modules.items()
        if other.type.made_for is not None and modality.id in _made_for(other)
    ]
    helps = [f"modules here that say it: {', '.join(able)}"] if able else []
    helps.append("leave `for` out and write the values under `with`")
    who = f"module `{module.name}` ({module.type.id})"
    message = f"{who} does not say what an input of modality {modality.id} should be"
    return Problem("C296", "error", message, callees.document.tree.place(where), helps=tuple(helps))


def _made_for(module: CheckedModule) -> dict[str, dict[str, Any]]:
    function = module.type.made_for
    if function is None:
        return {}
    what = f"`made_for` of {module.type.title}"
    try:
        return ask(function, module.config, what=what, accept=as_made_for)
    except ComposerError:  # told where the module is asked for its ports
        return {}


class PreparedSource(NamedTuple):
    """What is read as a modality: an input of a task, or a node that reads what another wrote."""

    name: str
    what: str
    modality: Modality
    config: Config
    path: YamlPath

    @staticmethod
    def of(source: CheckedInput | Callee | None) -> PreparedSource | None:
        """None for a node that reads nothing so."""
        if isinstance(source, CheckedInput):
            return PreparedSource(source.name, "input", source.modality, source.config, source.path)
        if isinstance(source, Read):
            module = source.module
            return PreparedSource(module.name, "node", source.modality, module.config, module.path)
        return None


def belongs_to_nothing(callees: Callees, node: NodeShape, path: YamlPath) -> None:
    """Report C296 for a node with `for` that is not read as a modality."""
    place = callees.document.tree.place((*path, "for"))
    message = f"node `{path[-1]}` is not read as a modality, and `for` says whom that is prepared for"
    helps = ("`for` goes with `modality`: leave it out, or write it where the values come from",)
    callees.findings.add(Problem("C296", "error", message, place, helps=helps))


def differences(edges: EdgeChecker, item: PreparedSource, module: CheckedModule) -> Problem | None:
    """C295: what is prepared otherwise than the module that reads it was made for.

    Where the author wrote none of what differs, `for: MODULE` says it; a written value may be meant, and one beside
    `for: MODULE` is.
    """
    wanted = _made_for(module).get(item.modality.id, {})
    found = {
        key: (getattr(item.config, key), value)
        for key, value in wanted.items()
        if key in item.modality.config.model_fields and not _same(getattr(item.config, key), value)
    }
    tree = edges.document.tree
    taken = tree.text((*item.path, "for"))
    if not found or taken == module.name:
        return None
    written = [key for key in found if tree.node((*item.path, "with", key)) is not None]
    told = "; ".join(f"{key} is {_shown(has)}, not {_shown(value)}" for key, (has, value) in found.items())
    message = f"{item.what} `{item.name}` is not prepared as `{module.name}` was made for: {told}"
    place = tree.place((*item.path, "with", written[0]) if written else (*item.path, "modality"))
    notes = (Note(tree.place((*module.path, "uses"), key=True), f"`{module.name}` is declared here"),)
    helps = [f"write `for: {module.name}` at the {item.what}"]
    if taken is not None:
        helps = [f"it is prepared for `{taken}`: declare a second {item.what} for `{module.name}`"]
    elif written:
        helps = [
            f"write `for: {module.name}` at the {item.what} and take {_listed(written)} out of its `with`"
        ]
        helps.append("if the weights were trained with these values, keep them beside `for`")
    fix = () if written or taken is not None else _inserted(tree, item.path, module.name)
    return Problem("C295", "warning", message, place, "", notes, tuple(helps), fix)


def _inserted(tree: Tree, path: YamlPath, module: str) -> tuple[Edit, ...]:
    """Write `for: MODULE` before the modality of an input, in the style of the map."""
    around, key = tree.node(path), tree.place((*path, "modality"), key=True)
    if around is None or not key.is_in_file or tree.text((*path, "for")) is not None:
        return ()
    gap = ", " if getattr(around, "flow_style", False) else "\n" + " " * (key.column - 1)
    return (Edit(key.file, key.start, key.start, f"for: {module}{gap}"),)


def _same(has: Any, value: Any) -> bool:
    if isinstance(value, (list, tuple)) and isinstance(has, (list, tuple)):
        return len(has) == len(value) and all(map(_same, has, value))
    if isinstance(value, float) and isinstance(has, (int, float)):
        return abs(has - value) <= 1e-6
    return str(has) == str(value)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_shown, value)) + "]"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"...{text[-LONGEST:]}"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
