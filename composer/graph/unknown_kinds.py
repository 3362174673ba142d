"""Port types whose kind nobody has registered, or which an input cannot bring (C220)."""

from __future__ import annotations

from composer.language import Tree
from composer.plugin import Registry
from composer.problems import Edit, Problem, YamlPath
from composer.problems.suggest import Suggestion, listed, suggest
from composer.types import PortType

__all__ = ["kind_problem"]


def kind_problem(port: PortType, path: YamlPath, registry: Registry, tree: Tree) -> Problem | None:
    """What is wrong with the kind of a port that the entry at `path` has; None where nothing is."""
    kind = registry.kinds.get(port.kind)
    is_written = tree.text((*path, "with", "kind")) == port.name  # the document says the kind itself
    if kind is not None and is_written and not kind.holds_arrays:
        return _no_array(port, path, registry, tree)
    if kind is not None and len(kind.dims) == len(port.dims):
        return None
    fix: tuple[Edit, ...] = ()
    if is_written:
        has_dims = kind is not None and tree.node((*path, "with", "dims")) is not None
        place = tree.place((*path, "with", "dims" if has_dims else "kind"))
        meant = suggest(port.kind, registry.kinds, place) if kind is None else Suggestion()
        helps = list(meant.helps)
        helps.append(
            f"registered kinds: {listed(port.kind, registry.kinds)}"
            if kind is None
            else f"its dims are {', '.join(kind.dims) or 'none'}"
        )
        fix = () if port.role else meant.fix
    else:
        verb = next((v for v in ("uses", "call", "generate", "modality") if tree.node((*path, v))), None)
        place = tree.place((*path, verb) if verb else path)
        helps = ["this is a fault of the plugin that declares the port"]
    fault = (
        "is not a registered kind"
        if kind is None
        else f"has {len(port.dims)} dims; its kind has {len(kind.dims)}"
    )
    return Problem("C220", "error", f"the port type {port} {fault}", place, helps=tuple(helps), fix=fix)


def _no_array(port: PortType, path: YamlPath, registry: Registry, tree: Tree) -> Problem:
    """An input is an array per sample, and this kind is none."""
    place = tree.place((*path, "with", "kind"))
    kinds = registry.kinds
    helps = [
        f"kinds that arrays have: {', '.join(name for name, kind in kinds.items() if kind.holds_arrays)}"
    ]
    if not kinds[port.kind].dims:
        why = "is one number for the whole batch, and an input brings one array per sample"
        helps.insert(0, "for one number per sample write `kind: numbers` with `dims: [B]`")
    else:
        why = "holds no numbers, so no array is one"
        same = registry.modalities.get(port.kind)
        if same is not None:
            helps.insert(0, f"write `modality: {same.id}`, which reads it")
    message = f"an array cannot be of kind {port.kind}: it {why}"
    return Problem("C220", "error", message, place, helps=tuple(helps))
