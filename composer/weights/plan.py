"""Which key goes into which parameter, decided on names alone: no tensor is read and no torch is imported."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from composer.graph.checked import JOIN
from composer.plugin import Layout
from composer.weights.key_rules import Assignment, KeyRules, compiled_pattern

__all__ = ["FRESH_ADAPTER", "Assignment", "LoadPlan", "fresh_reason", "plan_loading"]


@dataclass(frozen=True)
class LoadPlan:
    """What becomes of every key and of every parameter; the last three make a plan that may not be carried out."""

    assignments: tuple[Assignment, ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)
    """key → the name of the rule that ignores it"""
    not_needed: Mapping[str, str] = field(default_factory=dict)
    """key → the declared module that it belongs to, which the loaded tasks do not use"""
    initialised: Mapping[str, str] = field(default_factory=dict)
    """parameter → the layout's reason why a checkpoint may lack it"""
    missing: tuple[str, ...] = ()
    unexpected: Mapping[str, str] = field(default_factory=dict)
    """key → the parameter that it was mapped to and that is not there, or "" where no rule takes the key"""
    claimed_twice: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """parameter → the keys that claim it"""

    def __str__(self) -> str:
        return (
            f"{len(self.assignments)} loaded, {len(self.ignored)} ignored, {len(self.not_needed)} not needed, "
            f"{len(self.initialised)} initialised, {len(self.missing)} missing, {len(self.unexpected)} unexpected, "
            f"{len(self.claimed_twice)} claimed twice"
        )


def plan_loading(
    checkpoint_keys: Iterable[str],
    targets: Iterable[str],
    layout: Layout | None = None,
    parameters: Mapping[str, object] | None = None,
    *,
    declared: Iterable[str] = (),
    aliases: Mapping[str, str] | None = None,
    fresh: Iterable[str] | Mapping[str, str] = (),
    below: str = "",
    replaced: Container[str] = (),
    averages: Container[str] = (),
    followed: Mapping[str, Collection[str]] | None = None,
) -> LoadPlan:
    """Account for every key and every parameter.

    An adapter (`text+qa`) of which the checkpoint holds nothing is fresh: as yet it changes nothing.

    Args:
        checkpoint_keys: the keys of the checkpoint.
        targets: names `<module>.<parameter>` of the modules that are to be loaded.
        layout: how the checkpoint names its tensors; None where keys are exactly the target names.
        parameters: values of the document's parameters, which the layout's rules may depend on.
        declared: every module of the document; keys of those that are not among the targets are not needed.
        aliases: name → first name, for parameters that several names share (tied weights).
        fresh: modules that keep their initial weights, whatever the checkpoint holds for them; in a map, to why.
        below: a module whose name the keys, or the targets of the layout, leave out.
        averages: modules that are averages of others here; what nothing is held of begins as that is.
        followed: modules that nothing calls, each with the averages that follow it; where these are held, it may lack.
        replaced: parameters that were trained since, and that the checkpoint of that training fills.

    Raises:
        WeightsError: a rule of the layout is not a valid pattern.
    """
    names = dict.fromkeys(targets)
    first_name = dict(aliases or {})
    built = {name.partition(".")[0] for name in names}
    unbuilt = frozenset(declared) - built
    starting = fresh if isinstance(fresh, Mapping) else {module: fresh_reason(module) for module in fresh}
    rules = None if layout is None else KeyRules(layout, parameters or {})

    claims: dict[str, list[Assignment]] = {}
    ignored: dict[str, str] = {}
    not_needed: dict[str, str] = {}
    unexpected: dict[str, str] = {}
    for key in checkpoint_keys:
        assignment, reason = rules.apply(key) if rules is not None else (Assignment(key, key), "")
        if below and assignment is not None:
            assignment = replace(assignment, target=f"{below}.{assignment.target}")
        module = assignment.target.partition(".")[0] if assignment else ""
        if assignment is None:
            (ignored if reason else unexpected)[key] = reason
        elif module in starting:
            ignored[key] = starting[module]
        elif assignment.target in replaced:
            ignored[key] = TRAINED_SINCE
        elif assignment.target in names:
            claims.setdefault(assignment.target, []).append(assignment)
        elif module in unbuilt:
            not_needed[key] = module
        elif reason and (assignment.spare or module not in built):
            ignored[key] = reason
        else:
            unexpected[key] = assignment.target if rules is not None else ""

    filled = {first_name.get(target, target) for target in claims}
    absent = [name for name in names if name not in first_name and name not in filled]
    initialised = _initialised(absent, layout, below)
    modules = {name: name.partition(".")[0] for name in absent}
    initialised |= {name: starting[module] for name, module in modules.items() if module in starting}
    held = {name.partition(".")[0] for name in (*filled, *unexpected.values())}
    initialised |= {
        name: FRESH_ADAPTER
        for name, module in modules.items()
        if JOIN in module and module not in held and module not in starting
    }
    initialised |= {
        name: AS_FOLLOWED
        for name, module in modules.items()
        if module in averages and module not in held and module not in starting
    }
    followers = followed or {}
    initialised |= {
        name: NOT_CALLED
        for name, module in modules.items()
        if module in followers and module not in held and held.issuperset(followers[module])
    }
    return LoadPlan(
        assignments=tuple(claim[0] for claim in claims.values() if len(claim) == 1),
        ignored=ignored,
        not_needed=not_needed,
        initialised=initialised,
        missing=tuple(name for name in absent if name not in initialised),
        unexpected=unexpected,
        claimed_twice={
            target: tuple(each.key for each in claim) for target, claim in claims.items() if len(claim) > 1
        },
    )


FRESH_ADAPTER = "a fresh adapter changes nothing until it is trained: its product is zero"
"""The rule by which a checkpoint may hold nothing of an adapter."""
AS_FOLLOWED = "an average of which nothing is held begins as the module that it follows"
"""The rule by which a checkpoint may hold nothing of an average."""
NOT_CALLED = "no task here calls it, and the average that follows it is held"
"""The rule by which a checkpoint may hold averages alone."""
TRAINED_SINCE = "trained since"


def fresh_reason(module: str) -> str:
    """The rule by which a module that the user named keeps its initial weights."""
    return f"--init {module}"


def _initialised(absent: Iterable[str], layout: Layout | None, below: str) -> dict[str, str]:
    if layout is None:
        return {}
    start = f"{below}." if below else ""
    reasons = [(compiled_pattern(pattern, layout), reason) for pattern, reason in layout.initialised.items()]
    found = {
        name: [reason for pattern, reason in reasons if pattern.fullmatch(name.removeprefix(start))]
        for name in absent
    }
    return {name: matches[0] for name, matches in found.items() if matches}
