"""Vocabularies: which ids flow along an edge, how many a module knows, and which a decoder writes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.graph.checked import CheckedModule
from composer.graph.derivation import Cause, Owner, entries_port, first_cause
from composer.language import Resolved, key_of_parameter
from composer.plugin import Config, Modality, Vocabulary
from composer.plugin.answers import as_vocabulary
from composer.plugin.asking import ask
from composer.problems import Findings, Note, Place, Problem, YamlPath
from composer.types import Dim, PortType, VocabularyIds

if TYPE_CHECKING:
    from composer.graph.fitting import Edge

__all__ = ["Carried", "Vocabularies"]

ROUNDED_TO = 128
"""Models round their number of entries up to a multiple of this, for speed."""
ROUNDED_BY = 1.02
"""... or by this factor."""


@dataclass(frozen=True)
class Carried:
    """A vocabulary with the input or module that brought it in."""

    ids: VocabularyIds
    path: YamlPath
    owner: str

    def notes(self, document: Resolved) -> Iterator[Note]:
        """The place that chose it, and the parameter behind that."""
        tree, where = document.tree, (*self.path, "with", self.ids.field)
        text = tree.text(where)
        if text is None:
            yield Note(tree.place(self.path, key=True), f"{self.owner} has {self} by default")
            return
        yield Note(tree.place(where), f"{self.owner} has {self}")
        key = key_of_parameter(text, where, document.parameter_places)
        if key is not None:
            yield Note(document.parameter_places[key], f"{text} is set here")

    def __str__(self) -> str:
        return f"the vocabulary `{self.ids.title}` of {self.ids.size} entries"


@dataclass
class Vocabularies:
    """Holds ids against those who read and write them. What a module knows is one for all tasks of a document."""

    document: Resolved
    findings: Findings
    known: dict[tuple[str, str], Carried] = field(default_factory=dict)
    """Module and the config field (or port) that sizes its table → the first vocabulary that met it."""
    written: dict[str, Carried] = field(default_factory=dict)
    """Decoder → the vocabulary that makes text of its ids."""
    _causes: dict[tuple[YamlPath, str, str], Cause | None] = field(default_factory=dict)

    def of_modality(
        self, modality: Modality, config: Config, path: YamlPath, owner: str
    ) -> dict[str, Carried]:
        """The vocabularies of the ports of what is read as a modality: an input, or a node."""
        found = {} if modality.vocabulary is None else modality.vocabulary(config)
        return {port: Carried(ids, path, owner) for port, ids in found.items()}

    def reads(self, carried: Carried, entries: int, edge: Edge, owner: Owner, module: str | None) -> bool:
        """Whether a port that knows `entries` ids can read what comes in; reports C222 where it cannot."""
        cause = self._cause(owner, edge.port)
        key = (module or edge.node, cause.field if cause is not None else edge.port)
        size = carried.ids.size
        reader = f"module `{module}`" if module is not None else f"node `{edge.node}`"
        if carried.ids.whole and size != entries:
            fault = f"there are {size} classes ({carried.ids.title}), and {reader} scores {entries}"
            notes = (*carried.notes(self.document), *self._notes(cause))
            help_ = f"make them as many: let what scores them (`output_dim`) score {size}, or name {entries} classes"
            return self._misfit(edge, fault, notes, help_, _one_fault(key, carried.ids))
        sized = module is not None or cause is not None  # a loss takes as many ids as its logits score
        if size > entries or (sized and _is_another(entries, size)):
            fault = (
                f"`{carried.ids.title}` has {size} entries, and {reader} knows {entries} for `{edge.port}`"
            )
            help_ = _cure(cause, size)
            notes = (*carried.notes(self.document), *self._notes(cause))
        else:
            first = self.known.setdefault(key, carried) if module is not None else carried
            if first.ids.digest == carried.ids.digest:
                return True
            fault = f"{reader} takes ids of `{carried.ids.title}` here, and of `{first.ids.title}` elsewhere"
            help_ = "give both places one tokenizer, or declare a second module"
            notes = (*carried.notes(self.document), *first.notes(self.document))
        return self._misfit(edge, fault, notes, help_, _one_fault(key, carried.ids))

    def joins(self, carried: list[Carried], node: str, path: YamlPath) -> bool:
        """Whether ids that a node puts together are of one vocabulary; reports C222 where they are not."""
        first = carried[0]
        other = next((each for each in carried if each.ids.digest != first.ids.digest), None)
        if other is None:
            return True
        tree = self.document.tree
        message = f"node `{node}` puts ids of `{first.ids.title}` and of `{other.ids.title}` into one text"
        notes = (*first.notes(self.document), *other.notes(self.document))
        helps = ("give both texts one tokenizer",)
        place = tree.place(path, key=True)
        self.findings.add(Problem("C222", "error", message, place, notes=notes, helps=helps))
        return False

    def _misfit(self, edge: Edge, fault: str, notes: tuple[Note, ...], help_: str, cause: Hashable) -> bool:
        place = self.document.tree.place(edge.reference)
        message = f"vocabulary mismatch on {edge}: {fault}"
        self.findings.add(Problem("C222", "error", message, place, notes=notes, helps=(help_,)), cause)
        return False

    def _cause(self, owner: Owner, port: str) -> Cause | None:
        """The config field that sizes the table behind a port; asked once for all calls of a method."""
        key = (owner.path, owner.method, port)
        if not owner.method:
            return first_cause(owner, entries_port(port))
        if key not in self._causes:
            self._causes[key] = first_cause(owner, entries_port(port))
        return self._causes[key]

    def writes(self, module: CheckedModule, vocabulary: Vocabulary, ids: VocabularyIds) -> None:
        """Hold a decoder against the vocabulary that makes text of its ids: C222 for its size, C206 for special ids."""
        if module.name in self.written:
            return
        carried = self.written[module.name] = Carried(ids, module.path, f"module `{module.name}`")
        cause = first_cause(_writer(module), entries_port(""))
        entries = ids.size if vocabulary.size is None else vocabulary.size
        if cause is not None:
            self.known.setdefault((module.name, cause.field), carried)
        if entries < ids.size or _is_another(entries, ids.size):
            message = f"module `{module.name}` writes {entries} ids, and its vocabulary `{ids.title}` has {ids.size}"
            notes = [*carried.notes(self.document), *self._notes(cause)]
            place = self._place(module, "" if cause is None else cause.field, ids.field)
            notes = [note for note in notes if note.place != place]
            helps = (_cure(cause, ids.size),)
            key = (module.name, "" if cause is None else cause.field)
            problem = Problem("C222", "error", message, place, "", tuple(notes), helps)
            self.findings.add(problem, _one_fault(key, ids))
            return
        self._special(module, vocabulary, ids, carried)
        self._within(module, vocabulary, ids, entries)

    def _special(
        self, module: CheckedModule, vocabulary: Vocabulary, ids: VocabularyIds, carried: Carried
    ) -> None:
        wrong = [
            (name, getattr(vocabulary, name), wanted)
            for name, wanted in (("start", ids.start), ("end", ids.end), ("pad", ids.pad))
            if wanted is not None and not _is_meant(name, wanted, module, vocabulary)
        ]
        for name, found, wanted in wrong:
            message = f"{module.type.id} refuses its config: {name} {found}, and the vocabulary has {wanted}"
            place = self._place(module, name, ids.field)
            notes = tuple(note for note in carried.notes(self.document) if note.place != place)
            helps = (f"write `{name}: {wanted}` in the `with` of `{module.name}`",)
            self.findings.add(Problem("C206", "error", message, place, "", notes, helps))
        is_fed = _opens_as_its_tokenizer(module)
        if not wrong and vocabulary.start == vocabulary.end and ids.start != ids.end and is_fed:
            message = f"{module.type.id} refuses its config: start and end are both {vocabulary.end}"
            helps = ("a text ends at the token that opens it: give two different ids",)
            place = self._place(module, "end", ids.field)
            self.findings.add(Problem("C206", "error", message, place, helps=helps))

    def _within(
        self, module: CheckedModule, vocabulary: Vocabulary, ids: VocabularyIds, entries: int
    ) -> None:
        """C206 for a special id that the decoder does not write at all."""
        special = {name: (getattr(vocabulary, name),) for name in ("start", "end", "pad")}
        known = {"start": ids.start, "end": ids.end, "pad": ids.pad}
        for name, found in {**special, "stop": vocabulary.stop}.items():
            for id_ in found:
                if 0 <= id_ < entries or known.get(name) is not None:  # the vocabulary's own was held above
                    continue
                fault = f"{name} {id_}, and it writes ids from 0 to {entries - 1}"
                message = f"{module.type.id} refuses its config: {fault}"
                place = self._place(module, name, ids.field)
                helps = (f"write an id of the vocabulary `{ids.title}`",)
                self.findings.add(Problem("C206", "error", message, place, helps=helps))

    def _place(self, module: CheckedModule, *fields: str) -> Place:
        """The first of some config values that is written, or what declares the module."""
        tree = self.document.tree
        written = [(*module.path, "with", name) for name in fields if name]
        found = next((path for path in written if tree.node(path) is not None), None)
        return tree.place(found if found is not None else (*module.path, "uses"))

    def _notes(self, cause: Cause | None) -> Iterator[Note]:
        if cause is not None:
            yield from cause.notes(self.document.tree, self.document.parameter_places, "the number of ids")


def _one_fault(table: tuple[str, str], ids: VocabularyIds) -> Hashable:
    """The cause of a problem: one table (module and field) that does not go with one vocabulary."""
    return "C222", table, ids.digest


def _writer(module: CheckedModule) -> Owner:
    function: Callable[[object], Vocabulary] = module.type.generation.vocabulary  # type: ignore[union-attr]
    what = f"`vocabulary` of {module.type.title}"

    def ports(config: object) -> Mapping[str, PortType]:
        size = ask(function, config, what=what, accept=as_vocabulary).size
        return {} if size is None else {entries_port(""): PortType("labels", (Dim(size),))}

    return Owner(module.name, module.config, ports, module.path, module.name)


def _opens_as_its_tokenizer(module: CheckedModule) -> bool:
    return module.type.generation is not None and module.type.generation.opens_as_its_tokenizer


def _is_meant(name: str, wanted: int, module: CheckedModule, vocabulary: Vocabulary) -> bool:
    """Whether a decoder can do with what its tokenizer calls its start, end or pad.

    Any of the tokens that end its texts may be the end, and the start may be its own.
    """
    if name == "start" and not _opens_as_its_tokenizer(module):
        return True
    return wanted == getattr(vocabulary, name) or (name == "end" and wanted in vocabulary.stop)


def _is_another(entries: int, size: int) -> bool:
    """Whether a table is so much larger than a vocabulary that it was not rounded up, but made for another one."""
    return entries > max(-(-size // ROUNDED_TO) * ROUNDED_TO, int(size * ROUNDED_BY))


def _cure(cause: Cause | None, size: int) -> str:
    if cause is None:
        return f"give it a vocabulary of {size} entries, or another tokenizer"
    return (
        f"set {cause.owner.title}.{cause.field} to {size}, or name the tokenizer that the module was made for"
    )
