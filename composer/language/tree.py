"""The tree of a document: YAML nodes that remember their files, found by path, and their plain values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from composer.language.schema12 import BOOL, FLOAT, INT, MAP, NULL, SEQ, STR, scalar_value
from composer.language.source import Source
from composer.language.yaml_nodes import alias_place, place_of
from composer.problems import DocumentError, Note, Place, Problem, YamlPath
from composer.problems.suggest import Suggestion, nearest, rename, suggest

__all__ = ["Tree", "construct", "doubled_keys", "merge", "suggest_key"]

_PLAIN_TAGS = frozenset((STR, INT, FLOAT, BOOL, NULL, MAP, SEQ))
_MAX_REPEATED = 100_000
_MAX_DIGITS = 4000
_BEGINS_A_VALUE = re.compile(r"[\w$.~/+<(=]|-\S")


class Tree:
    """Looks places up by path, e.g. `("tasks", "video-qa", "nodes", "frames", "inputs", "pixels")`."""

    def __init__(self, root: MappingNode) -> None:
        self.root = root
        self._children: dict[int, dict[object, tuple[ScalarNode, Node]]] = {}
        self._graft: tuple[YamlPath, Node | None, Tree] | None = None
        """What stands at a path in place of what the root has there, and its key."""
        self.overridden: frozenset[str] = frozenset()
        """Parameters of the document whose values are given elsewhere: what stands here of them is not what holds."""

    def find(self, path: YamlPath) -> tuple[Node | None, Node | None, bool]:
        """Key node, value node and whether the whole path exists; otherwise those of the nearest ancestor."""
        if self._graft is not None and path[: len(self._graft[0])] == self._graft[0]:
            around, beside, tree = self._graft
            inner, node, is_there = tree.find(path[len(around) :])
            return beside if node is tree.root else inner, node, is_there
        key: Node | None = None
        node = self.root
        for index, step in enumerate(path):
            if isinstance(node, ScalarNode) and path[index - 1 : index] == ("with",):
                node = self._map_behind(node, path)
            if isinstance(node, MappingNode):
                found = self._index(node).get(step)
                if found is None:
                    return key, node, False
                key, node = found
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                key, node = None, node.value[step]
            else:
                return key, node, False
        return key, node, True

    def place(self, path: YamlPath, *, key: bool = False) -> Place:
        """The span of the value at a path, or of its key. A missing path gives its nearest ancestor's key.

        A block collection has no useful span of its own, and a value that was left out has none at all: their key
        stands for them.
        """
        key_node, node, found = self.find(path)
        block = isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style
        left_out = isinstance(node, ScalarNode) and node.tag == NULL and not node.value
        if key_node is not None and (key or not found or block or left_out):
            return place_of(key_node)
        if node is self.root or node is None:
            place = place_of(self.root)
            return Place(
                place.file, place.line, place.column, place.line, place.column + 1, place.start, place.start
            )
        return place_of(node)

    def file(self, path: YamlPath) -> str:
        """Name of the file in which the value at a path, or its nearest ancestor, was written."""
        _, node, _ = self.find(path)
        return str((node or self.root).start_mark.name)

    def text(self, path: YamlPath) -> str | None:
        """The scalar as written, before parameters are filled in."""
        _, node, found = self.find(path)
        return node.value if found and isinstance(node, ScalarNode) else None

    def node(self, path: YamlPath) -> Node | None:
        _, node, found = self.find(path)
        return node if found else None

    def with_map(self, path: YamlPath, value: MappingNode) -> Tree:
        """This tree with another map at a path, to look things up in. Nothing of this one changes or is copied."""
        other = Tree(self.root)
        other._children = self._children
        other._graft = path, self.find(path)[0], Tree(value)
        other.overridden = self.overridden
        return other

    def inherited_like(self, path: YamlPath) -> str | None:
        """The name of another file, beside the key at a path, that the key most likely means to override."""
        around, own = self.node(path[:-1]), self.place(path, key=True)
        if not isinstance(around, MappingNode):
            return None
        others = [
            k.value for k, _ in around.value if k.start_mark.name != own.file and isinstance(k, ScalarNode)
        ]
        return nearest(str(path[-1]), others)

    def _map_behind(self, node: ScalarNode, path: YamlPath) -> Node:
        """The map that `with: $name` stands for, where that is written in the document; otherwise the scalar."""
        name = node.value[1:] if node.value[:1] == "$" else ""
        own = [("pieces", path[1], "parameters", name)] if path[0] == "pieces" else []
        for place in (*own, *([] if name in self.overridden else [("parameters", name)])):
            _, found, is_there = self.find(place)
            if is_there and isinstance(found, MappingNode):
                return found
        return node

    def _index(self, node: MappingNode) -> dict[object, tuple[ScalarNode, Node]]:
        index = self._children.get(id(node))
        if index is None:
            index = {_key_value(key): (key, value) for key, value in node.value}
            self._children[id(node)] = index
        return index


def _key_value(key: Node) -> str | None:
    """A key as it is written: `true:` and `1:` are the words `true` and `1`. None for a map or a list."""
    return key.value if isinstance(key, ScalarNode) else None


class _Construction:
    """One pass over a tree: plain values, and a problem for each duplicate key or foreign tag.

    What an alias repeats is made once and shared, and its size counted, because later phases walk it again each time.
    Raises DocumentError for aliases that expand without end. `source` is the text that the tree was composed from,
    where it was not merged from several: a node does not know the aliases that reach it.
    """

    def __init__(self, source: Source | None = None) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.made: dict[int, tuple[Any, int] | None] = {}
        """Value and expanded size of each map and list; None while it is being made."""
        self.size = 0
        self.repeated = 0
        self.aliases = 0
        """How many aliases of maps and lists were met; each is met once."""

    def value(self, node: Node) -> Any:
        if type(node) is ScalarNode:
            tag = node.tag
            if tag is STR or tag == STR:
                return node.value
            return self._scalar(node)
        if id(node) in self.made:
            return self._again(node)
        self.made[id(node)] = None
        before = self.size
        self.size += len(node.value)
        result = (
            self._mapping(node)
            if isinstance(node, MappingNode)
            else [self.value(item) for item in node.value]
        )
        if node.tag not in _PLAIN_TAGS:
            self._refuse_tag(node)
        self.made[id(node)] = result, self.size - before
        return result

    def _again(self, node: Node) -> object:
        """The value of a node that an alias reaches a second time."""
        made = self.made[id(node)]
        self.aliases += 1
        if made is None:
            raise DocumentError(
                [*self.problems, Problem("C004", "error", "an alias contains itself", self._alias(node))]
            )
        value, size = made
        self.size += size
        self.repeated += size
        if self.repeated > _MAX_REPEATED:
            message = f"aliases repeat more than {_MAX_REPEATED:,} values"
            helps = ("write shared parts as parameters, or as a document to extend",)
            raise DocumentError(
                [*self.problems, Problem("C004", "error", message, self._alias(node), helps=helps)]
            )
        return value

    def _alias(self, node: Node) -> Place:
        """The place of the alias that was met last, or of the node that it stands for."""
        found = alias_place(self.source, self.aliases) if self.source is not None else None
        return found or place_of(node)

    def _mapping(self, node: MappingNode) -> dict[object, object]:
        result: dict[object, object] = {}
        merged: dict[object, object] = {}
        for key_node, value_node in node.value:
            key = _key_value(key_node)
            if key is None or key_node.tag not in _PLAIN_TAGS:
                self._refuse_key(key_node)
                continue
            if key in result:
                self._duplicate(node, key_node, key)
            if key == "<<" and not key_node.style:
                self._refuse_merge(key_node)
                taken = self.value(value_node)
                merged.update(taken if isinstance(taken, dict) else {})
                continue
            result[key] = self.value(value_node)
        return {**merged, **result} if merged else result

    def _scalar(self, node: ScalarNode) -> Any:
        if node.tag not in _PLAIN_TAGS:
            return self._refuse_tag(node)
        if node.tag == INT and len(node.value) > _MAX_DIGITS:
            return self._refuse(node, "C004", f"a number of {len(node.value)} digits")
        try:
            return scalar_value(node.tag, node.value)
        except ValueError:
            return self._refuse(
                node, "C002", f"{node.value!r} does not fit its tag {node.tag.rsplit(':', 1)[-1]}"
            )

    def _duplicate(self, mapping: MappingNode, key_node: Node, key: object) -> None:
        first = next(k for k, _ in mapping.value if _key_value(k) == key)
        note = Note(place_of(first), "first written here")
        message = f"the key {key!r} is written twice in one map"
        helps = ("remove one of the two, or rename it",)
        self.problems.append(Problem("C003", "error", message, place_of(key_node), "again", (note,), helps))

    def _refuse_merge(self, key_node: Node) -> None:
        message = "`<<` merges maps in YAML 1.1; a document is YAML 1.2, where it is an unknown key"
        helps = ("repeat the keys, use the whole map as an alias, or take them in with `extends`",)
        self.problems.append(Problem("C101", "error", message, place_of(key_node), "unknown", helps=helps))

    def _refuse_tag(self, node: Node) -> None:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        helps = ("remove it: a document holds plain values only, and nothing in it can run code",)
        problem = Problem("C004", "error", f"the tag {tag} is not allowed", place_of(node), helps=helps)
        self.problems.append(problem)

    def _refuse_key(self, node: Node) -> None:
        if isinstance(node, ScalarNode):
            return self._refuse_tag(node)
        helps = ("a parameter is written `$name`, without braces",) if isinstance(node, MappingNode) else ()
        message = "a key must be a plain word, not a map or a list"
        self.problems.append(Problem("C004", "error", message, place_of(node), helps=helps))

    def _refuse(self, node: Node, code: str, message: str) -> None:
        if not any(p.code == code and p.message == message for p in self.problems):
            self.problems.append(Problem(code, "error", message, place_of(node)))


def construct(root: MappingNode, source: Source | None = None) -> tuple[dict[str, object], list[Problem]]:
    """The plain values of a tree, with the problems found on the way. Raises DocumentError for alias bombs."""
    construction = _Construction(source)
    return construction.value(root), construction.problems


def doubled_keys(root: MappingNode) -> list[YamlPath]:
    """The paths of all keys that are written twice in their map."""
    found: list[YamlPath] = []

    def walk(node: Node, path: YamlPath) -> None:
        if isinstance(node, MappingNode):
            keys = [_key_value(key) for key, _ in node.value]
            if len(set(keys)) < len(keys):
                twice = (key for key, count in Counter(keys).items() if count > 1 and key not in (None, "<<"))
                found.extend((*path, key) for key in twice)
            for key, (_, value) in zip(keys, node.value, strict=True):
                walk(value, (*path, key or ""))

    walk(root, ())
    return found


def merge(
    parent: MappingNode, child: MappingNode, path: YamlPath = (), removed: dict[YamlPath, Place] | None = None
) -> MappingNode:
    """Deep merge by key: maps merge, lists and scalars replace, an explicit null removes. Marks keep their origin.

    `removed` takes down where the child removes what, with all that stands under it.
    """
    children = {_key_value(key): (key, value) for key, value in child.value}
    pairs: list[tuple[Node, Node]] = []
    for key_node, parent_value in parent.value:
        key = _key_value(key_node)
        override = children.pop(key, None)
        if override is None:
            pairs.append((key_node, parent_value))
            continue
        child_key, child_value = override
        if child_value.tag == NULL:
            if removed is not None:
                place = place_of(child_key)
                removed.update((inner, place) for inner in _paths(parent_value, (*path, key or "")))
            continue
        if isinstance(parent_value, MappingNode) and isinstance(child_value, MappingNode):
            # the parent's key mark stays: a merged map is still declared where its parent declares it
            pairs.append((key_node, merge(parent_value, child_value, (*path, key or ""), removed)))
        else:
            pairs.append((child_key, child_value))
    pairs.extend(pair for pair in children.values() if pair[1].tag != NULL)
    return MappingNode(MAP, pairs, parent.start_mark, parent.end_mark, flow_style=parent.flow_style)


def _paths(node: Node, path: YamlPath) -> Iterator[YamlPath]:
    """The path of a value, and those of all keys under it."""
    yield path
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _paths(value, (*path, _key_value(key) or ""))


# What other tools call the same thing.
_FOREIGN = {
    **dict.fromkeys(("type", "class", "class_path", "class_name", "component", "_target_"), "uses"),
    **dict.fromkeys(
        ("args", "config", "init_args", "init_parameters", "kwargs", "options", "params"), "with"
    ),
    "lr": "learning_rate",
    "batch_size": "batch",
    **dict.fromkeys(("num_epochs", "max_epochs", "num_train_epochs", "n_epochs"), "epochs"),
}


def suggest_key(word: str, known: list[str], place: Place | None = None, *, alone: bool = True) -> Suggestion:
    """The known key that an unknown one most likely means.

    `alone`: no value is written for it, so that it may hold its own, as in `{heads:4}`.
    """
    name, colon, value = word.partition(":")
    if colon and value.strip() and name in known:
        if not alone or not _BEGINS_A_VALUE.match(value.strip()):
            return Suggestion()  # a quote, a bracket or another sign of YAML, which may be the fault
        # a no-break space, which YAML takes for a letter, is stripped too
        written = f"{name}: {value.strip()}"
        helps = (f"write a space after the colon: `{written}`",)
        return Suggestion(name, helps, rename(place, written) if place is not None else ())
    foreign = _FOREIGN.get(word)
    if foreign == "uses" and foreign not in known:
        foreign = "modality"
    if foreign in known:
        return Suggestion(foreign, (f"did you mean `{foreign}`?",))
    return suggest(word, known, place)
