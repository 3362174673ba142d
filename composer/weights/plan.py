"""Which key goes into which parameter, decided on names alone: no tensor is read and no torch is imported."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Set
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
    built = {_module_of(name) for name in names}
    modules = _Modules(
        built=built,
        unbuilt=frozenset(declared) - built,
        starting=fresh if isinstance(fresh, Mapping) else {name: fresh_reason(name) for name in fresh},
        averages=averages,
        followed=followed or {},
    )
    rules = None if layout is None else KeyRules(layout, parameters or {})
    keys = _account_keys(checkpoint_keys, names, rules, modules, below=below, replaced=replaced)
    first_name = dict(aliases or {})
    filled = {first_name.get(target, target) for target in keys.claims}
    absent = [name for name in names if name not in first_name and name not in filled]
    held = {_module_of(name) for name in (*filled, *keys.unexpected.values())}
    initialised = _initialised(absent, layout, below)
    for name in absent:
        if (reason := modules.may_lack(_module_of(name), held)) is not None:
            initialised[name] = reason
    return LoadPlan(
        assignments=tuple(claim[0] for claim in keys.claims.values() if len(claim) == 1),
        ignored=keys.ignored,
        not_needed=keys.not_needed,
        initialised=initialised,
        missing=tuple(name for name in absent if name not in initialised),
        unexpected=keys.unexpected,
        claimed_twice={
            target: tuple(each.key for each in claim)
            for target, claim in keys.claims.items()
            if len(claim) > 1
        },
    )


FRESH_ADAPTER = "a fresh adapter changes nothing until it is trained: its product is zero"
"""The rule by which a checkpoint may hold nothing of an adapter."""
AS_FOLLOWED = "an average of which nothing is held begins as the module that it follows"
"""The rule by which a checkpoint may hold nothing of an average."""
NOT_CALLED = "no task here calls it, and the average that follows it is held"
"""The rule by which a checkpoint may hold averages alone."""
TRAINED_SINCE = "trained since"


@dataclass(frozen=True)
class _Modules:
    """What is known of the modules of a document, by name."""

    built: Collection[str]
    unbuilt: Collection[str]
    starting: Mapping[str, str]
    """Modules that start fresh, and why."""
    averages: Container[str]
    followed: Mapping[str, Collection[str]]

    def may_lack(self, module: str, held: Set[str]) -> str | None:
        """Why a parameter of a module may be lacking, where modules that are `held` are there; None: it may not."""
        if module in self.starting:
            return self.starting[module]
        if module in held:
            return None
        if module in self.followed and held >= set(self.followed[module]):
            return NOT_CALLED
        if module in self.averages:
            return AS_FOLLOWED
        return FRESH_ADAPTER if JOIN in module else None


@dataclass(frozen=True)
class _Keys:
    """What becomes of the keys of a checkpoint, as in a `LoadPlan`."""

    claims: dict[str, list[Assignment]] = field(default_factory=dict)
    """parameter → the keys that claim it"""
    ignored: dict[str, str] = field(default_factory=dict)
    not_needed: dict[str, str] = field(default_factory=dict)
    unexpected: dict[str, str] = field(default_factory=dict)


def _account_keys(
    checkpoint_keys: Iterable[str],
    names: Container[str],
    rules: KeyRules | None,
    modules: _Modules,
    *,
    below: str,
    replaced: Container[str],
) -> _Keys:
    found = _Keys()
    for key in checkpoint_keys:
        assignment, reason = rules.apply(key) if rules is not None else (Assignment(key, key), "")
        if assignment is None:
            (found.ignored if reason else found.unexpected)[key] = reason
            continue
        if below:
            assignment = replace(assignment, target=f"{below}.{assignment.target}")
        target, module = assignment.target, _module_of(assignment.target)
        if module in modules.starting:
            found.ignored[key] = modules.starting[module]
        elif target in replaced:
            found.ignored[key] = TRAINED_SINCE
        elif target in names:
            found.claims.setdefault(target, []).append(assignment)
        elif module in modules.unbuilt:
            found.not_needed[key] = module
        elif reason and (assignment.spare or module not in modules.built):
            found.ignored[key] = reason
        else:
            found.unexpected[key] = target if rules is not None else ""
    return found


def _module_of(name: str) -> str:
    return name.partition(".")[0]


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
