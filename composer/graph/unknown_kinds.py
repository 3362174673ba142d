"""Port types whose kind nobody has registered, or which an input cannot bring (C220)."""

from __future__ import annotations

from dataclasses import dataclass

from composer.graph.checked import VERBS
from composer.language import Tree
from composer.plugin import Registry
from composer.problems import Edit, Problem, YamlPath
from composer.problems.suggest import listed, suggest
from composer.types import Kind, PortType

__all__ = ["KindFault"]


@dataclass(frozen=True)
class KindFault:
    """The kind of a port that the entry at a path has, and the problem of what is wrong with it."""

    port: PortType
    path: YamlPath
    is_written: bool
    """Whether the document says the kind itself."""
    registry: Registry
    tree: Tree

    def unknown(self) -> Problem:
        """A kind that is not registered."""
        kinds = self.registry.kinds
        known = f"registered kinds: {listed(self.port.kind, kinds)}"
        meant = suggest(self.port.kind, kinds, self.tree.place((*self.path, "with", "kind")))
        fix = () if self.port.role else meant.fix
        return self._problem("is not a registered kind", "kind", (*meant.helps, known), fix)

    def wrong_dims(self, kind: Kind) -> Problem:
        """Another number of dims than the kind has."""
        fault = f"has {len(self.port.dims)} dims; its kind has {len(kind.dims)}"
        key = "dims" if self.tree.node((*self.path, "with", "dims")) is not None else "kind"
        return self._problem(fault, key, (f"its dims are {', '.join(kind.dims) or 'none'}",))

    def no_array(self, kind: Kind) -> Problem:
        """An input is an array per sample, and this kind is not one."""
        kinds = self.registry.kinds
        helps = [
            f"kinds that arrays have: {', '.join(name for name, each in kinds.items() if each.holds_arrays)}"
        ]
        if not kind.dims:
            why = "is one number for the whole batch, and an input brings one array per sample"
            helps.insert(0, "for one number per sample write `kind: numbers` with `dims: [B]`")
        else:
            why = "holds no numbers, so no array is one"
            same = self.registry.modalities.get(self.port.kind)
            if same is not None:
                helps.insert(0, f"write `modality: {same.id}`, which reads it")
        message = f"an array cannot be of kind {self.port.kind}: it {why}"
        return Problem(
            "C220", "error", message, self.tree.place((*self.path, "with", "kind")), helps=tuple(helps)
        )

    def _problem(
        self,
        fault: str,
        key: str,
        helps: tuple[str, ...],
        fix: tuple[Edit, ...] = (),
    ) -> Problem:
        """C220 at the `key` of the document that says it; else at what has the port, whose plugin says it."""
        message = f"the port type {self.port} {fault}"
        if self.is_written:
            return Problem(
                "C220", "error", message, self.tree.place((*self.path, "with", key)), helps=helps, fix=fix
            )
        verbs = ((*self.path, verb) for verb in VERBS)
        place = self.tree.place(next((verb for verb in verbs if self.tree.node(verb) is not None), self.path))
        return Problem(
            "C220", "error", message, place, helps=("this is a fault of the plugin that declares the port",)
        )
