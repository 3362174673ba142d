"""Proposals: flows that the checker has found nothing wrong with, as documents, in the order of their rank."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from composer.plugin import ModuleType, Registry, load_registry
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.types import Kind, PortType
from composer.views.proposing.flow_objectives import ObjectiveFinder
from composer.views.proposing.flow_search import FlowSearch
from composer.views.proposing.flows import CallFlow, FlowValue, Stream
from composer.views.proposing.offered_calls import Offered, OfferedInput, offered_calls, offered_input
from composer.views.proposing.proposal_sets import Proposal, ProposalSets

__all__ = ["Proposal", "Proposals", "propose"]

ALWAYS = "core"
"""The plugin whose calls without weights (joining, pooling) every flow may use, whatever `using` names."""


@dataclass(frozen=True)
class Proposals:
    """What was found, best first, and how many flows were looked at."""

    inputs: tuple[str, ...]
    goals: tuple[str, ...]
    found: tuple[Proposal, ...]
    looked_at: int

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "from": list(self.inputs),
            "to": list(self.goals),
            "looked_at": self.looked_at,
            "proposals": [each.as_json() for each in self.found],
        }

    def by_parameters(self) -> Proposals:
        """The same, the fewest parameters first. Raises ValueError where they were not counted."""
        if any(each.parameters is None for each in self.found):
            raise ValueError("the parameters were not counted")
        return replace(self, found=tuple(sorted(self.found, key=lambda each: each.parameters or 0)))


def propose(
    inputs: Sequence[str],
    goals: Sequence[str],
    *,
    using: Sequence[str] = (),
    most: int = 5,
    registry: Registry | None = None,
    counted: bool = False,
    objectives: bool = False,
    told: Callable[[int], object] = lambda looked_at: None,
) -> Proposals:
    """Documents that lead from inputs of these modalities to values of these kinds; at most `most`.

    The best document of each set of modules comes first, then the second of each, and so on: sets in the order of their
    parameters, documents of one set by how much they share.

    Args:
        inputs: modalities, such as `("video", "text")`; one that is named twice is two inputs.
        goals: kinds, such as `("text",)` or `("embedding", "embedding")`.
        using: plugins whose module types alone may be used, and module types that every proposal has to use.
        counted: whether the parameters of each are counted, which imports torch; without, fewer modules come first.
        objectives: whether every document is to have an `objective` that trains it, and an `evaluation` where its kind
            has one.
        told: hears now and then how many flows were looked at.

    Raises:
        InputError: for a name that nothing has, and where nothing is found.
    """
    registry = registry if registry is not None else load_registry()
    for name in inputs:
        if name not in registry.modalities:
            raise unknown("modality", name, registry.modalities)
    for name in goals:
        if name not in registry.kinds:
            raise unknown("kind", name, registry.kinds)
    demanded, types = _types(registry, using)
    named: dict[str, OfferedInput] = {}
    for name in inputs:
        key = next(n for n in (name, *(f"{name}_{i}" for i in range(2, 99))) if n not in named)
        named[key] = offered_input(registry.modalities[name])
    given = {port.kind for each in named.values() for port in each.ports.values()}
    offered = [
        call
        for call in offered_calls([registry.module_types[id] for id in types], registry.modalities)
        if call.type.id in demanded
        or not (_reads_writing(call, given, registry.kinds) or _makes_rows(call, registry.kinds))
    ]
    modalities = {name: given.modality.id for name, given in named.items()}
    search = FlowSearch(offered, registry.kinds, tuple(goals), modalities, demanded, told)
    found: list[Proposal] = []
    looked_at = 0
    for keeping in (False, True):
        flows = search.run(_starts(named), enough=max(400, 8 * most), keeping=keeping)
        looked_at += search.looked_at
        finder = ObjectiveFinder(registry, _losses(registry, using)) if objectives else None
        sets = ProposalSets(named, goals, registry, counted=counted, objectives=finder)
        found = sets.first(flows, most)
        if found:
            return Proposals(tuple(inputs), tuple(goals), tuple(found), looked_at)
    raise _nothing(inputs, goals, using, search, named, looked_at, bool(flows), objectives)


def _reads_writing(call: Offered, given: Collection[str], kinds: Mapping[str, Kind]) -> bool:
    """Whether a call reads texts or the like that no input gives, so that another node has to write them first.

    Such a type is proposed where it is named.
    """
    read = [port.type.kind for port in call.signature.inputs.values()]
    return any(kinds[kind].has_objects and kind not in given for kind in read if kind in kinds)


def _makes_rows(call: Offered, kinds: Mapping[str, Kind]) -> bool:
    """Whether a call gives other rows than it reads, such as pairs: what is made of them is no answer (C271).

    Such a type is proposed where it is named.
    """
    read, given = (
        {kinds[port.type.kind].batch_of(port.type.dims) for port in ports.values() if port.type.kind in kinds}
        for ports in (call.signature.inputs, call.signature.outputs)
    )
    return any(rows is not None and not rows.is_number for rows in given - read)


def _has_own_sizes(entry: ModuleType) -> bool:
    """Whether the config of a type holds the sizes of a published model in a map, where none can be set to fit others.

    Such a type is proposed where it is named.
    """
    return bool(entry.examples) and all(
        any(isinstance(value, Mapping) for value in example.values()) for example in entry.examples
    )


def _types(registry: Registry, using: Sequence[str]) -> tuple[frozenset[str], list[str]]:
    """The module types that have to be used, and those that may be."""
    plugins = {registry.module_types.origin(id).plugin for id in registry.module_types}
    for name in using:
        if name not in plugins and name not in registry.module_types:
            raise unknown("plugin or module type", name, (*sorted(plugins), *registry.module_types))
    demanded = frozenset(name for name in using if name not in plugins)
    allowed = {name for name in using if name in plugins}

    def may(id: str) -> bool:
        plugin = registry.module_types.origin(id).plugin
        free = plugin == ALWAYS and registry.module_types[id].stateless
        if not allowed and id not in demanded and _has_own_sizes(registry.module_types[id]):
            return False
        return not allowed or plugin in allowed or id in demanded or free

    return demanded, [id for id in registry.module_types if may(id)]


def _losses(registry: Registry, using: Sequence[str]) -> list[str]:
    """The module types that may be losses: those of the plugins that `using` limits to, and of `core`."""
    plugins = {registry.module_types.origin(id).plugin for id in registry.module_types}
    allowed = {name for name in using if name in plugins}
    return [
        id
        for id in registry.module_types
        if not allowed or registry.module_types.origin(id).plugin in {*allowed, ALWAYS}
    ]


def _starts(inputs: dict[str, OfferedInput]) -> list[CallFlow]:
    """The inputs as they are, each with all its ports or with one of them."""
    flows = [CallFlow(())]
    for name, given in inputs.items():
        each = [
            Stream(((FlowValue(name, port), type_),), frozenset({name}), frozenset())
            for port, type_ in given.ports.items()
        ]
        choices = [(stream,) for stream in each] + ([tuple(each)] if len(each) > 1 else [])
        flows = [replace(flow, streams=(*flow.streams, *chosen)) for flow in flows for chosen in choices]
    return flows[:64]


def _nothing(
    inputs: Sequence[str],
    goals: Sequence[str],
    using: Sequence[str],
    search: FlowSearch,
    named: dict[str, OfferedInput],
    looked_at: int,
    some: bool,
    objectives: bool,
) -> InputError:
    """The error of a search that found nothing: how far it came, and what is missing."""
    given: dict[str, PortType] = {p.kind: p for each in named.values() for p in each.ports.values()}
    reached = list(dict.fromkeys((*given, *search.reached)))
    missing = [goal for goal in goals if not any(search.leads_to(kind, goal) for kind in reached)]
    message = f"no flow leads from {' and '.join(inputs)} to {' and '.join(goals)}"
    message += f" ({looked_at:,} were looked at); reached: {', '.join(reached)}"
    if some and objectives:
        return InputError(
            f"{message}. Flows were found, and no loss here reads what they give; leave --objective out"
        )
    if some:
        return InputError(
            f"{message}. Flows were found, and none of their documents checks; name module types in --using"
        )
    if missing:
        givers = sorted(search.givers(missing[0]))
        lacks = (
            f"; {', '.join(givers)} would give it, and what they read is not reached"
            if givers
            else "; no module type here gives it"
        )
        return InputError(f"{message}. Missing: {', '.join(missing)}{lacks}")
    rest = ", which have to be used too" if search.demanded else ""
    whose = f" of {', '.join(using)}" if using else ""
    return InputError(f"{message}. Nothing{whose} joins all inputs on the way{rest}")
