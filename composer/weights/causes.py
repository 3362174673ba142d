"""Why a checkpoint does not fit, in a sentence per cause: the useful part of a long list of tensors, told first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction

from composer.plugin import Layout
from composer.problems import ComposerError
from composer.weights.cures import Cures
from composer.weights.load_faults import Faults
from composer.weights.names import first_words
from composer.weights.plan import LoadPlan
from composer.weights.wrappers import common_start

__all__ = ["name_causes", "size_causes"]

_MOST_CAUSES = 3


def name_causes(
    plan: LoadPlan,
    keys: Mapping[str, str],
    planned: Callable[..., LoadPlan],
    layout: Layout | None,
    layouts: Iterable[Layout],
    cures: Cures = Cures(),  # noqa: B008 (a frozen value)
) -> Iterator[str]:
    """Causes that the names alone tell. `planned(keys, layout)` plans the loading of other keys, by another layout."""
    if plan.unexpected and not plan.assignments:
        if layout is None and (reader := _reader(plan, keys, planned, layouts)) is not None:
            yield f"its keys read like those of the layout `{reader}`: {cures.layout(reader)}"
            return
        start = common_start(keys)
        if start and planned(_without(keys, start)).assignments:
            yield (
                f"every key begins with `{start}.`: where that only wraps the model, name it with {cures.root(start)}"
            )
            return
    if not plan.assignments and plan.not_needed and plan.missing:
        words = ", ".join(f"`{name}`" for name in dict.fromkeys(plan.not_needed.values()))
        yield f"it holds nothing for {_names(first_words(plan.missing))}: its keys are those of {words}"
    yield from _wrapped_in_part(plan, planned, cures)
    absent = _wholly_missing(plan)
    if absent and plan.assignments:
        named = _names(absent)
        yield (
            f"the checkpoint holds nothing for {named}: to start {'it' if len(absent) == 1 else 'them'} with fresh "
            f"weights, say so with {cures.fresh(absent)}"
        )
        for name in absent:
            if name in cures.replaced:
                kept = cures.replaced[name]
                yield f"the document names weights for `{name}`, which this replaces: keep them by {kept}"


def _names(modules: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in modules)


def _without(keys: Iterable[str], start: str) -> list[str]:
    return [key.removeprefix(f"{start}.") for key in keys]


def _wrapped_in_part(plan: LoadPlan, planned: Callable[..., LoadPlan], cures: Cures) -> Iterator[str]:
    """Keys that nothing takes as they stand, and that would find places without what they begin with."""
    for start in (*_likely_starts(plan, cures.module), *first_words(plan.unexpected)):
        below = [key for key in plan.unexpected if key.startswith(f"{start}.")]
        if len(planned(_without(below, start)).assignments) * 2 > len(below):
            yield (
                f"{len(below)} keys begin with `{start}.` and fit without it: {cures.root(start)} takes them, and "
                "leaves out the others"
            )
            return


def _likely_starts(plan: LoadPlan, module: str) -> Iterator[str]:
    """What stands before the name of a parameter that is missing, where the key goes on as that does: most often so."""
    wanted = {name.removeprefix(f"{module}.") if module else name for name in plan.missing}
    starts: Counter[str] = Counter()
    for key in plan.unexpected:
        words = key.split(".")
        ends = (length for length in range(1, len(words)) if ".".join(words[length:]) in wanted)
        starts.update(".".join(words[:length]) for length in ends)
    yield from (start for start, _ in starts.most_common(1))


def _reader(
    plan: LoadPlan, keys: Mapping[str, str], planned: Callable[..., LoadPlan], layouts: Iterable[Layout]
) -> str | None:
    """The layout whose rules fill most, where they fill at least half of what is missing."""
    filled: dict[str, int] = {}
    for each in layouts:
        try:
            filled[each.id] = len(planned(keys, each).assignments)
        except (ComposerError, KeyError):  # rules that need parameters which this document has not
            continue
    best = max(filled, key=filled.__getitem__, default=None)
    return best if best is not None and filled[best] * 2 >= len(plan.missing) else None


def _wholly_missing(plan: LoadPlan) -> list[str]:
    """Modules of which no parameter is loaded."""
    loaded = {assignment.target.partition(".")[0] for assignment in plan.assignments}
    claimed = {target.partition(".")[0] for target in plan.unexpected.values()}
    claimed |= {key.partition(".")[0] for key in plan.unexpected}
    return [name for name in first_words(plan.missing) if name not in loaded | claimed]


def size_causes(faults: Faults) -> Iterator[str]:
    """Causes that the shapes tell: each ratio of sizes is one, named by the parameters of that size."""
    pairs: Counter[tuple[int, int]] = Counter()
    for expected, found in faults.shapes.values():
        if len(expected) == len(found):
            pairs.update({pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]})
    causes: dict[Fraction, list[tuple[int, int]]] = {}
    for pair, _ in pairs.most_common():
        causes.setdefault(Fraction(pair[0], pair[1] or 1), []).append(pair)
    for alike in list(causes.values())[:_MOST_CAUSES]:
        if sum(pairs[pair] for pair in alike) > 1:  # one tensor alone says it itself
            yield _size_cause(alike, faults)


def _size_cause(pairs: list[tuple[int, int]], faults: Faults) -> str:
    of_parameters = [(pair, names) for pair in pairs if (names := _parameters_at(pair[0], faults))]
    (expected, found), names = of_parameters[0] if of_parameters else (min(pairs), [])
    modules = first_words(
        name
        for name, (ours, theirs) in faults.shapes.items()
        if any(pair in pairs for pair in zip(ours, theirs, strict=False))
    )
    text = f"the document asks {', '.join(modules)} for {expected} where the checkpoint has {found}"
    if not names:
        return f"{text}: change the module's config, or load weights of that size"
    named = " or ".join(f"`{name}`" for name in names)
    return f"{text}: set {named} to {found} (now {expected}), or load weights of that size"


def _parameters_at(size: int, faults: Faults) -> list[str]:
    """The parameters that have this value; where the user gave some of them, those alone."""
    names = [name for name, value in faults.parameters.items() if value == size and type(value) is int]
    return [name for name in names if name in faults.changed] or names
