"""`extends`: the chain of documents behind one, merged into one tree whose every value keeps its origin."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from composer.language.schema12 import NULL, STR
from composer.language.source import Source, is_there, read_source
from composer.language.tree import Tree, construct, merge
from composer.language.validation import shape_document
from composer.language.yaml_nodes import compose, place_of
from composer.problems import DocumentError, Findings, Place, Problem, YamlPath
from composer.problems.suggest import listed, nearest, rename, suggest

__all__ = ["Chain", "Library", "load_chain"]

_SECTIONS = frozenset(("parameters", "modules", "pieces", "tasks"))
_HEAD_KEYS = frozenset(("composer", "name", "summary", "extends"))


@dataclass(frozen=True)
class Library:
    """The documents that plugins ship, as the language needs them: a name to a path."""

    paths: Mapping[str, Path] = field(default_factory=dict)
    unsaved: Mapping[Path, str] = field(default_factory=dict)
    """Texts that stand for what files hold, by resolved path."""

    def find(self, target: str, base: Path | None) -> Path | None:
        """A relative or absolute path (it has a suffix or a slash), or a shipped name; None when neither is there."""
        if target in self.paths:
            return self.paths[target]
        if _is_path(target):
            path = Path(target)
            return path if path.is_absolute() or base is None else base / path
        return None


@dataclass
class Chain:
    """A document with everything it extends: `layers` from the root ancestor down to the document itself.

    Of several documents that one extends, the first comes first; one that is reached twice is taken in once.
    """

    layers: list[tuple[Source, MappingNode]]
    merged: MappingNode
    data: dict[str, object]
    """The plain values of `merged`."""
    findings: Findings
    unread: list[Source] = field(default_factory=list)
    """The ancestors whose texts cannot be composed."""
    complete: bool = True
    """Whether every ancestor was found and read."""
    removed: Mapping[YamlPath, Place] = field(default_factory=dict)
    """What a document of the chain removes, and where."""
    parents: dict[int, dict[int, ScalarNode]] = field(default_factory=dict)
    """Layer → those that it extends itself, each with the name that it calls it by."""

    @property
    def sources(self) -> dict[str, str]:
        return {source.name: source.text for source in [*self.unread, *(s for s, _ in self.layers)]}


@dataclass
class _Opened:
    """A document that is being taken in: what it extends is taken in before it."""

    source: Source
    root: MappingNode
    targets: Iterator[ScalarNode]
    """What it extends, as far as that was not followed yet."""
    asked: list[tuple[Path, ScalarNode]] = field(default_factory=list)
    """What it extends that was found, with the name that it calls it by."""


def load_chain(source: Source, library: Library) -> Chain:
    """Compose a document and its ancestors. Raises DocumentError only where a file cannot be composed at all."""
    root = compose(source)
    data, found = construct(root, source)
    findings = Findings()
    findings.extend(found)
    chain = Chain([], root, data, findings)
    taken: dict[Path, int] = {}
    opened = [_Opened(source, root, _targets(root))]
    while opened:
        child = opened[-1]
        target = next(child.targets, None)
        if target is None:
            number = taken[_identity(child.source)] = len(chain.layers)
            chain.parents[number] = {taken[path]: name for path, name in child.asked if path in taken}
            chain.layers.append((child.source, child.root))
            opened.pop()
            continue
        looked = findings.scope()
        parent = _parent(child.source, target, library, [each.source for each in opened], findings)
        chain.complete = chain.complete and not looked.failed
        if parent is None:
            continue
        child.asked.append((_identity(parent), target))
        if _identity(parent) in taken:
            continue
        try:
            root = compose(parent)
            values, found = construct(root, parent)
        except DocumentError as error:
            findings.extend(error.problems)
            chain.unread.append(parent)
            chain.complete = False
            continue
        findings.extend(found)
        findings.extend(_head_problems(root, values))
        opened.append(_Opened(parent, root, _targets(root)))
    if any(not isinstance(e, ScalarNode) or e.tag != STR for _, r in chain.layers for e in _extended(r)):
        chain.complete = False
    if len(chain.layers) > 1:
        _merge_layers(chain)
    return chain


def _merge_layers(chain: Chain) -> None:
    if any(len(parents) > 1 for parents in chain.parents.values()):
        from composer.language.clashes import clashes

        chain.findings.extend(clashes([root for _, root in chain.layers], chain.parents))
    merged, removed = chain.layers[0][1], dict[YamlPath, Place]()
    for _, child in chain.layers[1:]:
        chain.findings.extend(_removals(merged, child) if chain.complete else ())
        merged = merge(merged, child, (), removed)
    chain.merged = _with_head(merged, chain.layers[-1][1])
    chain.data, _ = construct(chain.merged)
    chain.removed = removed


def _head_problems(root: MappingNode, values: Mapping[str, object]) -> list[Problem]:
    """Faults in the head of an ancestor, of which nothing else is inherited that would show them."""
    head = {key: value for key, value in values.items() if key not in _SECTIONS}
    findings = Findings()
    shape_document(head, Tree(root), findings, partial=True)
    return [problem for problem in findings if problem.code in ("C005", "C102")]


def _targets(root: MappingNode) -> Iterator[ScalarNode]:
    """What a document extends, by name or path. A value of another type is a problem of the shape."""
    return (each for each in _extended(root) if isinstance(each, ScalarNode) and each.tag == STR)


def _extended(root: MappingNode) -> list[Node]:
    value = next((v for k, v in root.value if isinstance(k, ScalarNode) and k.value == "extends"), None)
    if value is None or value.tag == NULL:
        return []
    return list(value.value) if isinstance(value, SequenceNode) else [value]


def _parent(
    source: Source, value: ScalarNode, library: Library, opened: Sequence[Source], findings: Findings
) -> Source | None:
    base = source.path.parent if source.path else None
    path = library.find(value.value, base)
    place = place_of(value)
    if path is None or not is_there(path):
        findings.add(_missing(value.value, place, library.paths, path or (base or Path()) / value.value))
        return None
    parent = Source(_display(path, source), "", path)
    around = [_identity(each) for each in opened]
    if _identity(parent) in around:
        names = " → ".join([*(each.name for each in around), path.name])
        message = f"`extends` goes round in a circle: {names}"
        findings.add(Problem("C107", "error", message, place, "closes the circle"))
        return None
    if library.unsaved and _identity(parent) in library.unsaved:
        return replace(parent, text=library.unsaved[_identity(parent)])
    try:
        return read_source(path, parent.name)
    except DocumentError as error:
        message = f"the document that this one extends cannot be read: {error.problems[0].message}"
        findings.add(Problem("C106", "error", message, place, helps=error.problems[0].helps))
        return None


MAX_BESIDE = 1000
"""Files of a folder that are looked at for one of a similar name."""
_NAMED = {
    "modules": "module",
    "pieces": "piece",
    "tasks": "task",
    "inputs": "input",
    "nodes": "node",
    "outputs": "output",
}
"""Maps of named things, where null means to remove one, and what each of them is called."""


def _removals(parent: MappingNode, child: MappingNode, around: str = "") -> Iterator[Problem]:
    """C108: what a child removes, and its parent does not have."""
    inherited = {key.value: value for key, value in parent.value if isinstance(key, ScalarNode)}
    for key, value in child.value:
        if not isinstance(key, ScalarNode):
            continue
        there = inherited.get(key.value)
        if isinstance(value, MappingNode) and isinstance(there, MappingNode) and key.value != "with":
            yield from _removals(there, value, key.value if around not in _NAMED else "")
        elif value.tag == NULL and there is None and around in _NAMED:
            place, what = place_of(key), _NAMED[around]
            meant = suggest(key.value, inherited, place, coined=True)
            helps = (*meant.helps, f"the parent has {listed(key.value, inherited)}")
            message = f"`{key.value}` removes nothing: the extended document has no {what} of this name"
            yield Problem("C108", "error", message, place, helps=helps, fix=meant.fix)


def _is_path(target: str) -> bool:
    return "/" in target or target.endswith((".yaml", ".yml"))


def _missing(target: str, place: Place, names: Iterable[str], path: Path) -> Problem:
    known = sorted(names)
    file = _with_suffix(target, path)
    meant = suggest(target, known, place)
    helps = [f"did you mean `{file}`?"] if file is not None else list(meant.helps) or _beside(target, path)
    shipped = listed(target, known) if known else "none: no plugin that ships documents is loaded"
    helps.append(f"shipped documents: {shipped}; a path is relative to this file")
    fix = rename(place, file) if file is not None else meant.fix
    where = f" ({path.name} is not there)" if _is_path(target) else ""
    return Problem(
        "C106", "error", f"`extends: {target}` names no document{where}", place, helps=tuple(helps), fix=fix
    )


def _beside(target: str, path: Path) -> list[str]:
    """The document in the same folder that a path probably means."""
    if not _is_path(target):
        return []
    try:
        names = [
            file.name for file in islice(path.parent.iterdir(), MAX_BESIDE) if file.suffix == path.suffix
        ]
    except OSError:  # the folder is not there, or may not be read
        return []
    guess = nearest(path.name, sorted(names))
    return [] if guess is None else [f"did you mean `{target.removesuffix(path.name)}{guess}`?"]


def _with_suffix(target: str, path: Path) -> str | None:
    """The target as a file that lies there, where only its suffix was left out or is another one."""
    for suffix in (".yaml", ".yml") if path.name and PurePosixPath(target).name else ():
        if is_there(path.with_suffix(suffix)):
            return str(PurePosixPath(target).with_suffix(suffix))
    return None


def _display(path: Path, child: Source) -> str:
    if child.path is not None and path.parent == child.path.parent:
        parent = Path(child.name).parent
        return str(parent / path.name) if str(parent) != "." else path.name
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _identity(source: Source) -> Path:
    if source.path is None:
        return Path(source.name)
    try:
        return Path(os.path.realpath(source.path))
    except OSError:  # a link that may not be read
        return source.path.absolute()


def _with_head(merged: MappingNode, child: MappingNode) -> MappingNode:
    """`composer`, `name`, `summary` and `extends` are the document's own; they are not inherited."""
    head = [pair for pair in child.value if isinstance(pair[0], ScalarNode) and pair[0].value in _HEAD_KEYS]
    rest = [
        pair for pair in merged.value if not (isinstance(pair[0], ScalarNode) and pair[0].value in _HEAD_KEYS)
    ]
    node = MappingNode(child.tag, head + rest, child.start_mark, child.end_mark, flow_style=child.flow_style)
    return node
