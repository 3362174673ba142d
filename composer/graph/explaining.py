"""Explaining why an edge does not fit: both chains of causes, the value that would cure it, the adapter that would."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from composer.graph.adapters import adapter_for, adapter_help
from composer.graph.asked import default_signature
from composer.graph.checked import text_of
from composer.graph.derivation import Cause, Derivation
from composer.graph.fitting import TASK, Edge, shown_dim
from composer.language import Resolved
from composer.plugin import Registry
from composer.problems import Note, Place, Problem
from composer.types import UNBOUNDED, Dim, Symbol

__all__ = ["Explainer"]

MAX_CAUSES = 3
MAX_NOTES = 6


@dataclass(frozen=True)
class Explainer:
    """Makes the problems of edges for one document."""

    document: Resolved
    registry: Registry

    def kinds(self, edge: Edge, fitting: Iterable[str], hints: Sequence[str] = ()) -> Problem:
        """C202. `fitting` names ports of the wanted kind that the author may have meant; `hints` come first."""
        from composer.graph.reading_hints import reading_hints

        fitting = list(fitting)
        hints = [*reading_hints(edge, self._written(edge), self.document, self.registry), *hints]
        helps = self._adapter(edge, "or " if fitting or hints else "")
        if fitting:
            helps.insert(0, f"ports of kind {edge.wanted.name} before this node: {', '.join(fitting[:6])}")
        elif not helps and not hints:
            makers = self._makers(edge.given.kind, edge.wanted.kind)
            if makers:
                made = f"{' or '.join(makers[:3])} makes {edge.wanted.kind} of {edge.given.kind}"
                helps.append(f"{made}: put one between them")
        source, target = text_of(edge.source), f"{edge.node}.{edge.port}"
        named = edge.given.kind == edge.wanted.kind  # then the roles differ
        given, wanted = (t.name if named else t.kind for t in (edge.given, edge.wanted))
        message = f"{source} is {given}, and {target} takes {wanted}"
        helps[:0] = hints
        return Problem("C202", "error", message, self._place(edge), edge.label, helps=tuple(helps))

    def dimensions(
        self, edge: Edge, indices: Sequence[int], derivation: Derivation, hints: Sequence[str] = ()
    ) -> Problem:
        """C203: the dimensions at `indices` differ. `hints` come first."""
        labels = self.registry.kinds[edge.given.kind].dims
        differences: dict[str, list[str]] = {}
        notes: dict[Note, None] = {}
        free: list[str] = []
        helps: list[str] = []
        for index in indices:
            offer, want = edge.given.dims[index], edge.wanted.dims[index]
            texts = (shown_dim(offer), shown_dim(want))
            if texts[0] == texts[1]:
                texts = (_owned(offer), _owned(want))
            differences.setdefault(f"{texts[0]} ≠ {texts[1]}", []).append(labels[index])
            symbols = (*offer.symbols, *want.symbols)
            free += [*_free(labels[index], symbols, derivation), *_made(labels[index], symbols, derivation)]
            own_notes, own_helps = self._causes(edge, index, derivation)
            notes.update(dict.fromkeys(own_notes))
            helps += own_helps[:MAX_CAUSES]
        listed = ", ".join(f"{' and '.join(names)} {texts}" for texts, names in differences.items())
        message = f"dimension mismatch on {edge}: {listed}"
        cures = list(dict.fromkeys([*hints, *free, *helps]))
        cures += self._adapter(edge, "or " if cures else "")
        shown_notes = tuple(notes)[: MAX_NOTES * len(differences)]
        return Problem("C203", "error", message, self._place(edge), edge.label, shown_notes, tuple(cures))

    def sizes(
        self, edge: Edge, index: int, derivation: Derivation, offered: tuple[int, int], taken: tuple[int, int]
    ) -> Problem:
        """C203: the dimension at `index` lies, or may lie, outside the sizes that the node takes."""
        name = self.registry.kinds[edge.given.kind].dims[index]
        notes: dict[Note, None] = {}
        helps: list[str] = []
        low, high = taken
        too_small = offered[1] < low
        sides = (
            (derivation.limit(*edge.source, index), min(offered[1], high) if not too_small else low),
            (derivation.limit(edge.node, f">{edge.port}", index), offered[1]),
        )
        for cause, wanted in sides:
            if cause is None:
                continue
            what = f"the limit of {cause.owner.title}"
            notes.update(dict.fromkeys(cause.notes(self.document.tree, self.document.parameter_places, what)))
            if wanted < UNBOUNDED:
                helps.extend(self._value(cause, wanted))
        notes.update(dict.fromkeys(self._causes(edge, index, derivation)[0]))
        source, target = text_of(edge.source), f"{edge.node}.{edge.port}"
        fault = f"the {name} of {source} {_can_be(offered)}, and {target} takes {_takes(taken)}"
        here = self._place(edge)
        shown_notes = tuple(note for note in notes if note.place != here)[:MAX_NOTES]
        return Problem("C203", "error", fault, here, edge.label, shown_notes, tuple(helps))

    def calls(
        self, edge: Edge, index: int, derivation: Derivation, module: str, first_call: tuple[Place, str]
    ) -> Problem:
        """C211: the module's weights were fixed by an earlier call, and this one wants another size."""
        place, first = first_call
        name = self.registry.kinds[edge.given.kind].dims[index]
        offer, want = shown_dim(edge.given.dims[index]), shown_dim(edge.wanted.dims[index])
        notes, _ = self._causes(edge, index, derivation)
        notes = (Note(place, f"{first} fixes the {name} at {want}"), *notes)[:MAX_NOTES]
        helps = (
            "declare a second module for the second size, or bring both callers to one size",
            *self._adapter(edge, "or "),
        )
        message = (
            f"module `{module}` is called in two incompatible ways: {name} {want} by {first}, {offer} here"
        )
        return Problem("C211", "error", message, self._place(edge), edge.label, notes, helps)

    def _causes(self, edge: Edge, index: int, derivation: Derivation) -> tuple[tuple[Note, ...], list[str]]:
        """Both chains, nearest cause first, and which config value would make its side fit the other."""
        tree = self.document.tree
        name = f"{edge.given.kind} {self.registry.kinds[edge.given.kind].dims[index]}"
        sides = (
            (derivation.causes(*edge.source, index), edge.wanted.dims[index]),
            (derivation.causes(edge.node, f">{edge.port}", index), edge.given.dims[index]),
        )
        notes: dict[Note, None] = {}
        helps: list[str] = []
        for causes, target in sides:
            for cause in causes[:MAX_CAUSES]:
                if isinstance(cause, Note):
                    notes[cause] = None
                    continue
                notes.update(dict.fromkeys(cause.notes(tree, self.document.parameter_places, name)))
                if target.is_number:
                    helps.extend(self._value(cause, target.constant))
        here = self._place(edge)
        return tuple(note for note in notes if note.place != here)[:MAX_NOTES], helps

    def _value(self, cause: Cause, target: int) -> list[str]:
        value = cause.value_for(target)
        if value is None:
            return []
        text = self.document.tree.text(cause.path)
        separator = ": " if " " in cause.owner.title else "."
        through = f" (it reads {text})" if text is not None and text.startswith("$") else ""
        return [f"set {cause.owner.title}{separator}{cause.field} to {value}{through}"]

    def _adapter(self, edge: Edge, before: str) -> list[str]:
        found = adapter_for(self.registry, edge.given, edge.wanted)
        return [] if found is None else [before + adapter_help(*found, self._written(edge))]

    def _written(self, edge: Edge) -> str:
        """The source of an edge as whoever reads it writes it."""
        text = self.document.tree.text(edge.reference) if "/" in edge.source[0] + edge.node else None
        return text or text_of(edge.source)

    def _makers(self, given: str, wanted: str) -> list[str]:
        """Types without weights that, as they are by default, make one kind of another."""
        found = []
        for entry in self.registry.module_types.values():
            signature = default_signature(entry)
            if signature is None:
                continue
            needed = [port.type.kind for port in signature.inputs.values() if not port.optional]
            made = {port.type.kind for port in signature.outputs.values()}
            if needed == [given] and made == {wanted}:
                found.append(f"`{entry.id}`")
        return found

    def _place(self, edge: Edge) -> Place:
        return self.document.tree.place(edge.reference)


def _can_be(sizes: tuple[int, int]) -> str:
    low, high = sizes
    if low == high:
        return f"is {low}"
    if high >= UNBOUNDED:
        return "has no limit" if low <= 1 else f"can be {low} or more"
    return f"can be up to {high}"


def _takes(sizes: tuple[int, int]) -> str:
    low, high = sizes
    if high >= UNBOUNDED:
        return f"{low} or more"
    return f"at most {high}" if low <= 1 else f"{low} to {high}"


def _owned(dim: Dim) -> str:
    """A dimension with the owners of its symbols, where two have one name: `L of question`."""
    return str(dim.renamed(lambda symbol: f"{symbol.name} of {symbol.owner}" if symbol.owner else symbol))


def _free(name: str, symbols: Iterable[Symbol], derivation: Derivation) -> list[str]:
    """Why a dimension cannot give way: the caller chooses it."""
    each = tuple(dict.fromkeys(symbols))
    return [
        f"`{symbol.name}` in `dims` is whatever the caller brings: nothing can fix it; write a number for one size"
        for symbol in each
        if symbol.owner == TASK
    ] + [
        f"`{symbol.name}` is the {name} of input `{symbol.owner}`, whatever the caller brings: nothing can fix it"
        for symbol in each
        if not symbol.lasting and derivation.is_input(symbol.owner)
    ]


def _made(name: str, symbols: Iterable[Symbol], derivation: Derivation) -> list[str]:
    """Why a dimension cannot give way: only a node knows it, while it runs."""
    return [
        f"`{symbol.name}` is a {name} that only node `{symbol.owner}` knows, while it runs: "
        "no other size can be taken for it"
        for symbol in dict.fromkeys(symbols)
        if symbol in derivation.made
    ]
