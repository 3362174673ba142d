"""Text to a resolved document: ancestors merged, shape validated, parameters filled in. Plugins are not asked yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union, cast

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from composer.language.extending import Chain, Library, load_chain
from composer.language.gc_pause import collector_paused
from composer.language.models import DocumentShape, InputShape, ModuleShape, NodeShape
from composer.language.parameters import COMMAND_LINE, Parameters, apply_settings, wrong_type
from composer.language.roles import role_of
from composer.language.schema12 import MAP, STR
from composer.language.source import Source, is_there, read_source
from composer.language.tree import Tree, construct, doubled_keys
from composer.language.validation import shape_document
from composer.language.yaml_nodes import place_of
from composer.problems import DocumentError, Effect, Findings, Place, Problem, YamlPath
from composer.problems.suggest import listed, nearest, suggest

__all__ = ["Resolved", "find_source", "graphs_of", "resolve"]

_FILLED = ("parameters", "modules", "pieces", "tasks")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Resolved:
    """A document with its ancestors merged and its parameters filled in.

    `shape` holds what is well-formed (a faulty module, task or node is left out and has a problem); `tree` gives every
    value's place; `sources` the text and
    `directories` the folder of each file by the name that places use; `findings` the problems up to here, and what they
    silence.
    """

    name: str
    shape: DocumentShape
    tree: Tree
    parameters: Mapping[str, Any]
    parameter_places: Mapping[str, Place]
    """Where each parameter was given; those of pieces as `piece/name`."""
    own_file: str
    sources: Mapping[str, str]
    directories: Mapping[str, Path] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    ancestors: tuple[Path, ...] = ()
    """The files of the documents that this one extends, the nearest first."""
    removed: Mapping[YamlPath, Place] = field(default_factory=dict)
    """What a document of the chain removes from those that it extends, and where."""
    layers: tuple[Tree, ...] = ()
    """What each document of the chain says itself, the root ancestor first."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self.findings)

    def value(self, node: Node) -> object:
        """The plain value of a node, with parameters filled in."""
        values, _ = construct(MappingNode(MAP, [(ScalarNode(STR, "value"), node)]))
        return Parameters(Findings(), dict(self.parameters), {}).fill(values["value"], (), self.tree)

    def filled(self, value: object, own: Mapping[str, object]) -> object:
        """A value inside of a piece with `$name` filled in: by its own parameters, or else by the document's."""
        return Parameters(Findings(), {**self.parameters, **own}, {}).fill(value, (), self.tree)

    @property
    def path(self) -> Path | None:
        return Path(self.own_file) if Path(self.own_file).exists() else None


def find_source(target: str | Path, library: Library) -> Source:
    """The source behind a path or a shipped name; raises DocumentError (C001) listing the names when there is none."""
    text = str(target)
    known = f"shipped documents: {', '.join(sorted(library.paths)) or 'none'}; or give a path"
    if not text.strip():
        message, place = "the name of the document is empty", Place(COMMAND_LINE, 1, 1, 1, 1)
        raise DocumentError([Problem("C001", "error", message, place, helps=(known,))])
    path = library.paths.get(text)
    if path is not None:
        return read_source(path, text if "/" in text else path.name)
    if not is_there(Path(text)) and "/" not in text and not text.endswith((".yaml", ".yml")):
        guess = nearest(text, list(library.paths))
        helps = [f"did you mean `{guess}`?"] if guess else []
        helps.append(known)
        message = f"there is no document `{text}`"
        raise DocumentError([Problem("C001", "error", message, Place(text, 1, 1, 1, 1), helps=tuple(helps))])
    return read_source(Path(text), text)


def resolve(
    source: Source,
    library: Library,
    settings: Mapping[str, object] | None = None,
    *,
    partial: bool = False,
) -> Resolved:
    """Resolve one document. Raises DocumentError only where nothing can be read, or (unless `partial`) where a document
    that it extends is missing, for then what it means is unknown; other problems are in `findings`.
    """
    with collector_paused():
        return _resolve(source, library, settings, partial)


def _resolve(
    source: Source, library: Library, settings: Mapping[str, object] | None, partial: bool
) -> Resolved:
    chain = load_chain(source, library)
    tree = Tree(chain.merged)
    findings = chain.findings
    shape = shape_document(_with_averages(chain.data), tree, findings, partial=not chain.complete)
    if shape is None or not (chain.complete or partial):
        raise DocumentError(findings, chain.sources)
    sources = chain.sources
    places = {name: tree.place(("parameters", name)) for name in shape.parameters}
    parameters = Parameters(findings, dict(shape.parameters), places)
    parameters.removed = {
        str(path[1]): place for path, place in chain.removed.items() if path[:-1] == ("parameters",)
    }
    findings.extend(_mistyped_overrides(chain, parameters))
    layers = tuple(Tree(root) for _, root in chain.layers)
    if shape.pieces and len(layers) > 1:
        from composer.language.piece_parameters import mistyped_defaults

        mistyped_defaults(layers, shape, findings)
    if settings:
        sources[COMMAND_LINE] = " ".join(f"--set {name}={value}" for name, value in settings.items())
        apply_settings(parameters, settings, sources[COMMAND_LINE])
        tree.overridden = frozenset(settings)
    _check_names(shape, tree, findings)
    if any(problem.code == "C003" for problem in findings):
        _drop_doubled(shape, chain, findings)
    _fill_all(shape, parameters, tree)
    places_in_pieces: dict[str, Place] = {}
    if shape.pieces:
        from composer.language.piece_parameters import fill_pieces

        places_in_pieces = fill_pieces(shape, parameters, tree, chain.removed)
    findings.extend(_override_problems(chain, parameters, tree))
    if not findings.has(Effect.UNSETTLES):
        findings.extend(_unused(parameters, tree))
    return Resolved(
        name=shape.name or Path(source.name).stem,
        shape=shape,
        tree=tree,
        parameters=parameters.values,
        parameter_places={**parameters.places, **places_in_pieces},
        own_file=str(source.path) if source.path else source.name,
        sources=sources,
        directories={s.name: s.path.parent for s, _ in chain.layers if s.path is not None},
        ancestors=tuple(s.path for s, _ in reversed(chain.layers[:-1]) if s.path is not None),
        findings=findings,
        removed=chain.removed,
        layers=layers,
    )


def _with_averages(data: dict[str, object]) -> dict[str, object]:
    """The same, where a module that is the average of another is what that one is."""
    modules = data.get("modules")
    if not isinstance(modules, dict):
        return data
    averages = {
        name: {"uses": _uses_of(modules, entry["average_of"]), **entry}
        for name, entry in modules.items()
        if isinstance(entry, dict) and "average_of" in entry
    }
    return {**data, "modules": {**modules, **averages}} if averages else data


def _uses_of(modules: Mapping[str, object], name: object) -> str:
    followed = modules.get(name) if isinstance(name, str) else None
    uses = followed.get("uses") if isinstance(followed, dict) else None
    return uses if isinstance(uses, str) else ""


def _fill_all(shape: DocumentShape, parameters: Parameters, tree: Tree) -> None:
    """Fill in `$name` wherever it may stand; pieces are filled in where they are used."""

    def fill(item: Any, path: YamlPath) -> None:
        item.with_ = parameters.fill(item.with_, (*path, "with"), tree, path)

    for name, module in shape.modules.items():
        path: YamlPath = ("modules", name)
        fill(module, path)
        _fill_weights(module, path, parameters, tree)
        for adapter_name, adapter in module.adapters.items():
            fill(adapter, (*path, "adapters", adapter_name))
    for path, inputs, nodes in graphs_of(shape):
        if path[0] == "pieces":
            continue
        for input_name, item in inputs.items():
            assert isinstance(item, InputShape)
            where = (*path, "inputs", input_name)
            fill(item, where)
            item.default = parameters.fill(item.default, (*where, "default"), tree, where)
        for node_name, node in nodes.items():
            _fill_node(node, (*path, "nodes", node_name), parameters, tree)
    for name, task in shape.tasks.items():
        metrics = task.evaluation.metrics if task.evaluation is not None else None
        for score, metric in (metrics or {}).items():
            if not isinstance(metric, str):
                fill(metric, ("tasks", name, "evaluation", "metrics", score))


def _fill_node(node: NodeShape, path: YamlPath, parameters: Parameters, tree: Tree) -> None:
    if node.with_:
        node.with_ = cast("dict[str, Any]", parameters.fill(node.with_, (*path, "with"), tree, path))
    if node.adapter is not None:
        filled = parameters.fill(node.adapter, (*path, "adapter"), tree, path)
        node.adapter = str(filled) if filled else None


def _fill_weights(module: ModuleShape, owner: YamlPath, parameters: Parameters, tree: Tree) -> None:
    """What a parameter gives may be of any type; the checker holds it."""
    path = (*owner, "weights")
    if isinstance(module.weights, str):
        module.weights = cast("str | None", parameters.fill(module.weights, path, tree, owner))
    elif module.weights is not None:
        for key, value in module.weights:
            setattr(module.weights, key, parameters.fill(value, (*path, key), tree, owner))


_Graph = tuple[YamlPath, Union[dict[str, InputShape], dict[str, str]], dict[str, NodeShape]]


def graphs_of(shape: DocumentShape) -> Iterator[_Graph]:
    """Path, inputs and nodes of every piece, of every task and of every objective."""
    for piece_name, piece in shape.pieces.items():
        yield ("pieces", piece_name), piece.inputs, piece.nodes
    for task_name, task in shape.tasks.items():
        yield ("tasks", task_name), task.inputs, task.nodes
        if task.objective is not None:
            yield ("tasks", task_name, "objective"), task.objective.inputs, task.objective.nodes


def _drop_doubled(shape: DocumentShape, chain: Chain, findings: Findings) -> None:
    """Drop modules, inputs and nodes that are written twice."""
    for path in dict.fromkeys(path for _, root in chain.layers for path in doubled_keys(root)):
        findings.silence(path)
        if (path[0] in ("modules", "pieces") and len(path) == 2) or (path[0] == "pieces" and len(path) == 3):
            findings.doubt(path[:1])  # the second may be what another one holds, whose name is gone
        elif role_of(path) in ("input", "node"):
            findings.doubt(path[:2])
            for where, inputs, nodes in graphs_of(shape):
                if where == path[:-2]:
                    inputs.pop(str(path[-1]), None) if path[-2] == "inputs" else nodes.pop(
                        str(path[-1]), None
                    )


def _check_names(shape: DocumentShape, tree: Tree, findings: Findings) -> None:
    """Refuse names that are none, or taken (C109)."""
    for names, path, what in _named(shape):
        for name in list(names):
            key = tree.find((*path, name))[0]
            has_form = _NAME.fullmatch(name) is not None
            if not has_form or (key is not None and key.tag != STR):
                from composer.language.name_faults import no_name

                where = (*path, name)
                findings.add(no_name(name, what, key, tree.place(where, key=True), has_form=has_form))
                findings.silence(where)
                findings.doubt(path[:2])
                del names[name]
    _check_taken(shape, tree, findings)


def _named(shape: DocumentShape) -> Iterator[tuple[dict[str, Any], YamlPath, str]]:
    """Every map from names, where it stands, and what has the names."""
    yield shape.parameters, ("parameters",), "parameter"
    yield shape.modules, ("modules",), "module"
    for name, module in shape.modules.items():
        yield module.adapters, ("modules", name, "adapters"), "adapter"
    yield shape.pieces, ("pieces",), "piece"
    for name, piece in shape.pieces.items():
        yield piece.parameters, ("pieces", name, "parameters"), "parameter"
        yield piece.outputs, ("pieces", name, "outputs"), "output"
    yield shape.tasks, ("tasks",), "task"
    for name, task in shape.tasks.items():
        yield task.outputs, ("tasks", name, "outputs"), "output"
    for path, inputs, nodes in graphs_of(shape):
        yield inputs, (*path, "inputs"), "input"
        yield nodes, (*path, "nodes"), "node"


def _check_taken(shape: DocumentShape, tree: Tree, findings: Findings) -> None:
    """Inputs and nodes of a task, those of its objective included, share their names."""
    taken: dict[YamlPath, dict[str, YamlPath]] = {}
    for path, inputs, nodes in graphs_of(shape):
        names_of_task = taken.setdefault(path[:2], {})
        for section, names in (("inputs", inputs), ("nodes", nodes)):
            for name in list(names):
                own = (*path, section, name)
                if name in names_of_task:
                    from composer.language.name_faults import name_taken

                    findings.add(name_taken(name, names_of_task[name], own, tree))
                    findings.doubt(own[:2])
                    findings.silence(own, names_of_task[name])  # which of the two is meant is open
                    del names[name]
                names_of_task.setdefault(name, own)


def _override_problems(chain: Chain, parameters: Parameters, tree: Tree) -> list[Problem]:
    """A child's parameters that override nothing (C108)."""
    problems: list[Problem] = []
    inherited: dict[str, object] = {}
    for layer, values in _layers(chain):
        extends = layer.node(("extends",)) is not None
        for name in values:
            if extends and name not in parameters.used and name not in inherited:
                problems.append(_overrides_nothing(name, layer, inherited, values))
        inherited |= values
    return problems


def _mistyped_overrides(chain: Chain, parameters: Parameters) -> list[Problem]:
    """A child's parameters of another type than the parent's (C105). The parent's value stays in force."""
    problems: list[Problem] = []
    inherited: dict[str, object] = {}
    places: dict[str, Place] = {}
    for layer, values in _layers(chain):
        for name, value in values.items():
            place = layer.place(("parameters", name))
            mistyped = None
            if name in inherited and value is not None:
                mistyped = wrong_type(name, inherited[name], value, place, places[name])
            if mistyped is not None:
                problems.append(mistyped)
                if name in parameters.values:
                    parameters.values[name], parameters.places[name] = inherited[name], places[name]
            else:
                inherited[name], places[name] = value, place
    return problems


def _layers(chain: Chain) -> Iterator[tuple[Tree, dict[str, object]]]:
    """Each document of the chain, the root ancestor first, with its own parameters."""
    for _, root in chain.layers:
        layer = Tree(root)
        node = layer.node(("parameters",))
        values = construct(node)[0] if isinstance(node, MappingNode) else None
        yield layer, values if isinstance(values, dict) else {}


def _overrides_nothing(
    name: str, layer: Tree, inherited: Mapping[str, object], own: Mapping[str, object]
) -> Problem:
    place = layer.place(("parameters", name), key=True)
    meant = suggest(name, [known for known in inherited if known not in own], place, coined=True)
    helps = (*meant.helps, f"the parent's parameters: {listed(name, inherited)}")
    message = f"parameter `{name}` overrides nothing: the extended document has none of this name, and nothing uses it"
    return Problem("C108", "error", message, place, helps=helps, fix=meant.fix)


def _unused(parameters: Parameters, tree: Tree) -> list[Problem]:
    found = []
    for name in parameters.values:
        declared = tree.place(("parameters", name), key=True)
        if name in parameters.used or parameters.findings.stands_at(declared):
            continue
        written = _unfilled(tree, name)
        cure = f"remove it, or write `${name}`"
        if written is not None:
            cure = f"`${name}` is filled in as a whole value under `with`, not inside a text or a parameter"
        message = f"parameter `{name}` is never used"
        found.append(Problem("C104", "warning", message, written or declared, helps=(cure,)))
    return found


def _unfilled(tree: Tree, name: str) -> Place | None:
    """Where `$name` stands in a text that is not filled in, such as `uses: $name`."""
    wanted = re.compile(rf"(?<!\$)\${re.escape(name)}(?![\w-])")
    waiting: list[Node] = [value for key, value in tree.root.value if key.value in _FILLED]
    while waiting:
        node = waiting.pop()
        if isinstance(node, MappingNode):
            waiting += [value for key, value in node.value if key.value != "summary"]
        elif isinstance(node, SequenceNode):
            waiting += node.value
        elif wanted.search(node.value):
            return place_of(node)
    return None
