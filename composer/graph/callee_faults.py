"""What is told of a node whose callee is not there: of a `call` or a `uses` that names nothing, or several verbs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from composer.graph.checked import VERBS, CheckedModule
from composer.language import graphs_of, removal
from composer.plugin import Config, ModuleType
from composer.problems import Edit, Note, Problem, YamlPath
from composer.problems.suggest import listed, rename, suggest
from composer.types import TooLargeError

if TYPE_CHECKING:
    from composer.graph.callees import Callees

__all__ = ["CalleeFaults"]

SHOWN_DIGITS = 40


@dataclass
class CalleeFaults:
    """Reports to the findings of `callees`, and marks as called what was meant."""

    callees: Callees

    def verbs(self, verbs: list[str], path: YamlPath) -> None:
        """C102: a node with none of the verbs, or with several."""
        findings = self.callees.findings
        if findings.touched_keys(path):
            return
        message = (
            f"node `{path[-1]}` must say exactly one of `call`, `uses`, `generate`, `piece` and `modality`"
        )
        found = f"it has {' and '.join(verbs)}" if verbs else "it has none"
        tree = self.callees.document.tree
        written = [text for verb in VERBS if (text := tree.text((*path, verb))) is not None]
        if not verbs and any(findings.is_silent(("modules", name)) for name in written):
            return  # `call: null`, and a module is called `null` without quotes
        place = tree.place(path, key=True)
        keys = {verb: tree.place((*path, verb), key=True) for verb in verbs}
        own = [verb for verb, key in keys.items() if key.file == tree.root.start_mark.name]
        inherited = [verb for verb in verbs if verb not in own]
        notes: list[Note] = []
        helps = self._verb_helps(verbs)
        if own and inherited:
            place = keys[own[0]]
            notes = [Note(keys[verb], "inherited") for verb in inherited]
            helps = [f"write `{inherited[0]}: null` beside it to remove what is inherited"]
        guess = None if verbs else tree.inherited_like(path)
        helps += [f"did you mean `{guess}`, a node of the extended document?"] if guess else []
        self.callees.findings.add(Problem("C102", "error", message, place, found, tuple(notes), tuple(helps)))

    def _verb_helps(self, verbs: list[str]) -> list[str]:
        if verbs:
            return [f"keep one of {', '.join(f'`{verb}`' for verb in verbs)}"]
        modules = listed("", self.callees.declared)
        calls = [f"write `call: MODULE` for a declared module ({modules})"] if self.callees.declared else []
        return [*calls, "write `uses: TYPE` for a module type without weights, such as `uses: core.pool`"]

    def _tell(
        self, code: str, message: str, path: YamlPath, helps: Iterable[str], fix: tuple[Edit, ...] = ()
    ) -> None:
        place = self.callees.document.tree.place(path)
        self.callees.findings.add(Problem(code, "error", message, place, helps=tuple(helps), fix=fix))

    def used_module(self, text: str, path: YamlPath) -> None:
        """A `uses` that names a declared module."""
        self.callees.called.add(text.partition(".")[0])
        help_ = f"`{text}` is a declared module: write `call: {text}`"
        fix = rename(self.callees.document.tree.place(path, key=True), "call")
        self._tell("C201", f"there is no module type `{text}`", path, (help_,), fix)

    def _used_piece(self, text: str, path: YamlPath) -> tuple[tuple[str, ...], tuple[Edit, ...]] | None:
        """What to write where a `call` or a `uses` names a piece; None where it does not."""
        pieces = self.callees.pieces
        if pieces is None or text not in self.callees.document.shape.pieces:
            return None
        pieces.used.add(text)
        tree = self.callees.document.tree
        return (f"`{text}` is a piece: write `piece: {text}`",), rename(tree.place(path, key=True), "piece")

    def used_piece(self, text: str, path: YamlPath) -> None:
        """A `uses` that names a piece."""
        helps, fix = self._used_piece(text, path) or ((), ())
        self._tell("C201", f"there is no module type `{text}`", path, helps, fix)

    def unknown_piece(self, name: str, path: YamlPath) -> None:
        """C227: a `piece` that names nothing."""
        findings, document = self.callees.findings, self.callees.document
        at: YamlPath = ("pieces",)
        unread = findings.is_silent(at) or findings.is_in_doubt(at) or findings.is_silent((*at, name))
        if unread:
            return
        place, known = document.tree.place(path), document.shape.pieces
        used = set() if self.callees.pieces is None else self.callees.pieces.used
        meant = suggest(name, known, place, coined=True, used=used)
        helps = (*meant.helps, f"pieces: {listed(name, known) if known else 'none are declared'}")
        message, notes, fix = f"there is no piece `{name}`", tuple[Note, ...](), meant.fix
        module = name.partition(".")[0]
        if module in self.callees.declared and not meant.fix:
            self.callees.called.add(module)
            helps = (f"`{name}` is a declared module: write `call: {name}`", *helps)
            fix = rename(document.tree.place(path, key=True), "call")
        gone = document.removed.get((*at, name))
        if gone is not None:
            message, notes, helps = removal(message, gone)
            fix = ()
        findings.add(Problem("C227", "error", message, place, "", notes, helps, fix))
        if meant.word is not None and self.callees.pieces is not None:
            self.callees.pieces.used.add(meant.word)

    def used_weights(self, entry: ModuleType, path: YamlPath) -> None:
        """A `uses` of a node that names a module type with weights."""
        help_ = "declare it under `modules` and `call` it: two calls then share its weights"
        self._tell("C218", f"{entry.id} owns weights, so it cannot be used in place", path, (help_,))

    def cannot_generate(self, module: CheckedModule, path: YamlPath) -> None:
        """A `generate` of a module that is not a decoder."""
        message = f"module `{module.name}` ({module.type.id}) cannot generate: it has no decode method"
        can = [name for name, other in self.callees.modules.items() if other.type.generation is not None]
        self.callees.called.update(can)  # one of them was meant
        help_ = f"modules here that can: {', '.join(can)}" if can else "declare a text decoder"
        self._tell("C212", message, path, (help_,))

    def generated_method(self, module: CheckedModule, method: str, path: YamlPath) -> None:
        """A `generate` that names a method."""
        message = f"`{module.name}.{method}` names a method, and `generate` takes a module alone"
        self._tell("C212", message, path, (f"write `generate: {module.name}`",))

    def _called_type(self, text: str, path: YamlPath) -> None:
        """A `call` that names a module type."""
        tree, entry = self.callees.document.tree, self.callees.registry.module_types[text]
        declared = [name for name, module in self.callees.modules.items() if module.type is entry]
        self.callees.called.update(declared)
        fix: tuple[Edit, ...] = ()
        help_ = f"`{text}` is a module type: declare a module with it, and call that"
        if declared:
            help_ = f"`{text}` is a module type; call what is declared with it: {', '.join(declared)}"
            # a module that is called already might be meant to share its weights, or to have a second one beside it
            sure = len(declared) == 1 and declared[0] not in self._called_by_name
            fix = rename(tree.place(path), declared[0]) if sure else ()
        elif entry.stateless:
            help_ = f"`{text}` is a module type without weights: write `uses: {text}`"
            fix = rename(tree.place(path, key=True), "uses") if path[-1] == "call" else ()
        self._tell("C204", f"there is no module `{text}`", path, (help_,), fix)

    def unknown_module(self, name: str, text: str, path: YamlPath) -> None:
        findings = self.callees.findings
        if findings.is_silent(("modules",)) or findings.is_in_doubt(("modules",)):
            return  # `modules` could not be read, or the name stands there misspelt
        if text in self.callees.registry.module_types:
            self._called_type(text, path)
            return
        piece = self._used_piece(text, path)
        if piece is not None:
            self._tell("C204", f"there is no module `{text}`", path, *piece)
            return
        place = self.callees.document.tree.place(path)
        form = "{}" + text[len(name) :]
        meant = suggest(name, self.callees.declared, place, form=form, coined=True, used=self._called_by_name)
        helps = (*meant.helps, f"declared modules: {listed(name, self.callees.declared)}")
        called = _with_a_dot(text, self.callees.modules)
        if called is not None:
            helps = (f"did you mean `{called}`?", *helps)
        if name.startswith("$"):
            helps = ("parameters are filled in under `with` alone", *helps)
        message, notes, fix = f"there is no module `{name}`", tuple[Note, ...](), meant.fix
        gone = self.callees.document.removed.get(("modules", name))
        if gone is not None:
            message, notes, helps = removal(message, gone)
            fix = ()
        self.callees.findings.add(Problem("C204", "error", message, place, "", notes, helps, fix))
        if meant.word is not None:
            self.callees.called.add(meant.word)

    def unknown_method(self, module: CheckedModule, method: str, text: str, path: YamlPath) -> None:
        place = self.callees.document.tree.place(path)
        methods = list(module.type.methods)
        shown = [module.name if m == "forward" else f"{module.name}.{m}" for m in methods]
        if method == "forward":
            message = (
                f"module `{module.name}` ({module.type.id}) has several methods, and none is the default"
            )
            self._tell("C204", message, path, (f"call {' or '.join(shown)}",))
            return
        meant = suggest(method, methods, place, form=f"{module.name}.{{}}")
        helps = (*meant.helps, f"it has {', '.join(shown)}")
        message = f"module `{module.name}` ({module.type.id}) has no method `{method}`"
        self._tell("C204", message, path, helps, meant.fix)

    def disagreement(self, fault: str, path: YamlPath, what: str, module: YamlPath | None) -> None:
        """C206 at the option that the message speaks of, with a note at the module's own."""
        tree = self.callees.document.tree
        owners = [path[:-1], *([] if module is None else [module])]
        named = [
            (*owner, "with", word)
            for owner in owners
            for word in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", fault))
            if tree.node((*owner, "with", word)) is not None
        ]
        notes = tuple(Note(tree.place(each), f"{each[-1]} is set here") for each in named[1:])
        message = f"{what} refuses its config: {fault}"
        place = tree.place(named[0] if named else path)
        self.callees.findings.add(Problem("C206", "error", message, place, notes=notes))

    def too_large(
        self,
        error: TooLargeError,
        configs: Iterable[Config],
        path: YamlPath,
        what: str,
        module: YamlPath | None,
    ) -> None:
        """C206 at the option that is a size which no tensor has."""
        options = (option for config in configs for option in config)
        sizes = [f"{name} {str(value)[:SHOWN_DIGITS]}" for name, value in options if _is_too_large(value)]
        fault = f"{' and '.join(sizes)}: no tensor is as large" if sizes else str(error)
        self.disagreement(fault, path, what, module)

    @cached_property
    def _called_by_name(self) -> frozenset[str]:
        """The names that `call` and `generate` write anywhere in the document, without methods."""
        nodes = (node for _, _, nodes in graphs_of(self.callees.document.shape) for node in nodes.values())
        return frozenset(str(node.call or node.generate).partition(".")[0] for node in nodes)


def _is_too_large(value: object) -> bool:
    return isinstance(value, int) and value >= TooLargeError.FIRST


def _with_a_dot(text: str, modules: Mapping[str, CheckedModule]) -> str | None:
    """The call that a text means which joins module and method by another sign: `vision-video`."""
    for sign in ("/", "-", "_", ":"):
        name, _, method = text.partition(sign)
        module = modules.get(name)
        if module is not None and method in module.type.methods:
            return f"{name}.{method}"
    return None
