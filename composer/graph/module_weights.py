"""Where modules say that their weights come from: held for what can be told without opening anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from composer.graph.configs import ConfigReader
from composer.language import WeightsShape
from composer.language.declared_weights import KEYS, DeclaredWeights, read_weights_map, read_weights_text
from composer.language.validation import type_name
from composer.plugin import Layout, ModuleType, Registry
from composer.plugin.registry import Section
from composer.problems import Findings, Note, Problem, YamlPath

__all__ = ["ModuleWeights"]

_CODE = "C240"


@dataclass
class ModuleWeights:
    """Reads `weights` of one document's modules."""

    reader: ConfigReader
    registry: Registry
    findings: Findings
    find_layout: Callable[[Section[Layout], str, YamlPath, str, str], object]

    def read(self, weights: str | WeightsShape, entry: ModuleType, owner: YamlPath) -> DeclaredWeights | None:
        """The source, or None after reporting C240 (it is none), C242 (no such layout) or C243 (nothing to load)."""
        path = (*owner, "weights")
        if self.findings.is_silent_within(path):
            return None
        declared = self._declared(weights, path)
        if declared is None:
            return None
        faults = [*declared.faults(), *self._outlived(path)]
        for key, fault, cure in faults:
            self._tell(path, key, fault, cure)
        if declared.layout and declared.layout not in self.registry.layouts:
            self.find_layout(self.registry.layouts, declared.layout, (*path, "layout"), "C242", "layout")
            return None
        if faults:
            return None
        if entry.stateless and not declared.fresh:
            message = f"module `{owner[-1]}` has no weights to load: {entry.id} is stateless"
            self._add(Problem("C243", "error", message, self.reader.tree.place(path), helps=("remove it",)))
            return None
        if declared.moves:
            self._warn_moving(declared, path)
        return declared

    def _declared(self, weights: object, path: YamlPath) -> DeclaredWeights | None:
        """The source with the folder of the file that wrote its path; None after reporting what is not text."""
        if isinstance(weights, str):
            if not weights.strip():
                self._tell(path, "", "it names nothing", "write a path, or `fresh`")
                return None
            return self._placed(read_weights_text(weights), path, path)
        given: Mapping[object, object] = {}
        if isinstance(weights, WeightsShape):
            given = {key: value for key, value in weights if key in weights.model_fields_set}
        elif isinstance(weights, dict):  # what a parameter stands for
            given = weights
        else:
            self._tell(path, "", f"it must be a path, a map or `fresh`, not {type_name(weights)}", "")
            return None
        read = read_weights_map({str(key): value for key, value in given.items()})
        if isinstance(read, tuple):
            self._tell(path, *read, "write a text, or leave the key out")
            return None
        return self._placed(read, path, (*path, "file"))

    def _placed(self, declared: DeclaredWeights, path: YamlPath, file: YamlPath) -> DeclaredWeights:
        """With the folder that a relative path begins at: a parameter's value may stand in another file."""
        place = self.reader.tree.place(path)
        where = f"{place.file}:{place.line}"
        return replace(declared, folder=self.reader.folder_of(file), place=where)

    def _outlived(self, path: YamlPath) -> Iterator[tuple[str, str, str]]:
        """What an extended document says of a source that the one which extends it replaces by another."""
        tree, order = self.reader.tree, self.reader.files
        written = {key: tree.file((*path, key)) for key in KEYS if tree.node((*path, key)) is not None}
        for key, of in (("sha256", ("file", "package", "hub", "revision")), ("revision", ("hub",))):
            if key not in written or written[key] not in order:
                continue
            for other in of:
                file = written.get(other, written[key])
                if file in order and order.index(file) > order.index(written[key]):
                    fault = f"`{key}` is of the source that {written[key]} names, and `{other}` names another"
                    yield key, fault, f"write the `{key}` of the new one, or remove it with `{key}: null`"
                    break

    def _tell(self, path: YamlPath, key: str, fault: str, cure: str) -> None:
        tree = self.reader.tree
        where = (*path, key) if key and tree.node((*path, key)) is not None else path
        message = f"the weights of module `{path[1]}`: {fault}"
        notes: tuple[Note, ...] = ()
        if where != path and tree.file(where) != tree.file(self._other(path, key)):
            notes = (Note(tree.place(self._other(path, key)), "and this comes from the extended document"),)
        self._add(Problem(_CODE, "error", message, tree.place(where), "", notes, (cure,) if cure else ()))

    def _other(self, path: YamlPath, key: str) -> YamlPath:
        """What stands beside a key and may be inherited."""
        others = [name for name in ("hub", "package", "file") if name != key]
        tree = self.reader.tree
        return next(((*path, name) for name in others if tree.node((*path, name)) is not None), path)

    def _warn_moving(self, declared: DeclaredWeights, path: YamlPath) -> None:
        moving = f"`{declared.revision}`" if declared.revision else "no revision, which means `main`"
        message = f"the weights of module `{path[1]}` may change: {declared.hub} is read at {moving}"
        helps = (
            "write the commit that you mean: `revision: <40 digits>`, as the page of the repository shows it; "
            "`composer lock` and --locked hold it as well",
        )
        tree = self.reader.tree
        keys = [(*path, key) for key in ("revision", "hub") if tree.node((*path, key)) is not None]
        place = tree.place(keys[0] if keys else path)
        self._add(Problem("C241", "warning", message, place, helps=helps))

    def _add(self, problem: Problem) -> None:
        self.findings.add(problem)
