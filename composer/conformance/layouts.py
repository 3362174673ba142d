"""The promise of a layout: rules that can be applied, parameters from a published config, transforms that run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from composer.conformance.report import Failure, Skip
from composer.conformance.rule_reach import hold_reach
from composer.plugin.answers import as_map, as_rules
from composer.plugin.asking import PluginError, ask, fault_of, import_object
from composer.plugin.declarations import Layout, Rule
from composer.problems import InputError

__all__ = ["check_parameters", "check_rules", "check_transforms"]

T = TypeVar("T")
_GROUP = re.compile(r"\\g<\w+>|\\\d+")
_PARAMETER = re.compile(r"\w+(\.\w+)+")
Shapes = tuple[tuple[int, ...], tuple[int, ...]]
UNKNOWN = "conformance.no_such.tensor"
"""A name that no checkpoint has."""
TRIED: tuple[Shapes, ...] = (
    ((5, 4), (5, 4)),
    ((5, 4), (4, 5)),
    ((5, 4, 1, 1), (5, 4)),
    ((4, 3, 2, 2), (4, 3, 2, 2)),
    ((6,), (6,)),
    ((12, 4), (4, 4)),
)
"""Shapes of a tensor that a transform may take, and of what it then gives, where its layout names none."""


def check_rules(layout: Layout) -> str:
    """Asked with each example, its rules have patterns that can be matched, and targets that name a parameter."""
    for pattern, reason in layout.initialised.items():
        _compiled(pattern, "`initialised` holds")
        if not isinstance(reason, str) or not reason:
            raise Failure(f"`initialised` gives {reason!r} for {pattern!r}; the reason is expected, as text")
    cure = "" if layout.examples else ": give the Layout `examples`"
    for parameters in layout.examples or ({},):
        if not isinstance(parameters, Mapping):
            raise Failure(
                f"its `examples` hold {parameters!r:.60}; values of parameters by name are expected"
            )
        _hold_rules(layout, parameters, cure)
    return ""


def check_parameters(layout: Layout) -> str:
    """Asked with each published config, it gives values by the names of parameters, and rules for these."""
    if not layout.configs:
        raise Skip("it names no published configs (`configs`), so `parameters` was not asked")
    assert layout.parameters is not None
    for config in layout.configs:
        found = _asked(layout.parameters, config, "`parameters`", _named_values)
        for example in layout.examples or ({},):
            _hold_rules(layout, {**example, **found}, " (with the `parameters` of a config)")
    return ""


def check_transforms(layout: Layout) -> str:
    """Each transform makes a tensor of the shape that it is told from one that it takes."""
    unknown = [name for name in layout.shapes if name not in layout.transforms]
    if unknown:
        raise Failure(f"`shapes` names {unknown[0]!r}, which is not one of its transforms")
    for name, reference in layout.transforms.items():
        transform = import_object(reference, f"the transform {name!r}")
        if name in layout.shapes:
            given, wanted = _two_shapes(layout.shapes[name], name)
            fault = _fault(transform, tuple(given), tuple(wanted))
            if fault:
                raise Failure(
                    f"its transform {name!r}, from {list(given)} to {list(wanted)} as `shapes` says, {fault}"
                )
        else:
            faults = [_fault(transform, *shapes) for shapes in TRIED]
            if all(faults):
                raise Failure(
                    f"its transform {name!r} takes none of the tensors that were tried (it {faults[0]}): "
                    "name the shapes that it takes and gives in the Layout's `shapes`"
                )
    return ""


def _two_shapes(shapes: object, name: str) -> Shapes:
    """What `shapes` says of a transform, as it should be."""
    two = isinstance(shapes, (tuple, list)) and len(shapes) == 2
    if not two or not all(
        isinstance(shape, (tuple, list)) and all(isinstance(size, int) for size in shape)
        for shape in cast(Shapes, shapes)
    ):
        raise Failure(
            f"its `shapes` give {shapes!r:.60} for {name!r}; ((2, 3), (3, 2)) is such a pair of shapes"
        )
    return cast(Shapes, shapes)


def _hold_rules(layout: Layout, parameters: Mapping[str, Any], cure: str) -> None:
    rules = _asked(layout.rules, parameters, "`rules`", as_rules, cure)
    for rule in rules:
        _hold_rule(rule, layout)
        _hold_ignoring(rule, layout.keys)
    hold_reach(rules, layout.keys)


def _asked(
    function: Callable[..., object],
    given: Mapping[str, Any],
    what: str,
    accept: Callable[[Any], T],
    cure: str = "",
) -> T:
    try:
        return ask(function, given, what=what, accept=accept)
    except PluginError as error:
        raise Failure(f"{what} {error.fault}{cure}" + (f" ({error.where})" if error.where else "")) from None
    except InputError as error:
        raise Failure(f"{what} refuses what it is asked with ({error}){cure}") from None


def _hold_ignoring(rule: Rule, keys: Sequence[str]) -> None:
    """Raises Failure for a rule that ignores whatever no rule before it takes: what is missing would go unsaid."""
    if rule.target is None and keys and all(re.fullmatch(rule.pattern, name) for name in (*keys, UNKNOWN)):
        raise Failure(
            f"the rule {rule.pattern!r} ignores every name, so a tensor that no other rule knows goes unsaid: "
            "name what is left out"
        )


def _named_values(answer: object) -> dict[str, object]:
    found = dict(as_map(answer))
    if not all(isinstance(name, str) for name in found):
        raise TypeError("values by the names of parameters are expected")
    return found


def _hold_rule(rule: Rule, layout: Layout) -> None:
    if not isinstance(rule.pattern, str):
        raise Failure(
            f"a rule has the pattern {rule.pattern!r:.60}; a regular expression is expected, as text"
        )
    pattern = _compiled(rule.pattern, "a rule has")
    if rule.transform is not None and rule.transform not in layout.transforms:
        known = ", ".join(layout.transforms) or "none"
        raise Failure(
            f"the rule {rule.pattern!r} names the transform {rule.transform!r}, and it offers {known}"
        )
    if rule.target is None:
        return
    if not isinstance(rule.target, str):
        raise Failure(f"the target of the rule {rule.pattern!r} is {rule.target!r:.60}; a name is expected")
    try:
        pattern.sub(rule.target, "")  # reads the target, whether or not anything matches
    except (re.error, IndexError) as error:
        raise Failure(f"the target {rule.target!r} of the rule {rule.pattern!r} is faulty: {error}") from None
    if not any(_PARAMETER.fullmatch(_GROUP.sub(text, rule.target)) for text in ("x", "x.x", "")):
        raise Failure(
            f"the rule {rule.pattern!r} maps to {rule.target!r}, which is not a name `<module>.<parameter>`"
        )


def _compiled(pattern: str, holder: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:  # a key of `initialised` may be no text
        raise Failure(f"{holder} {pattern!r}, which is not a regular expression: {error}") from None


def _fault(transform: Callable[..., object], given: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """What is wrong with what a transform makes of a tensor; empty where nothing is."""
    tensor = torch.randn(given, generator=torch.Generator().manual_seed(0))
    before = tensor.clone()
    try:
        found = transform(tensor, wanted)
    except (Exception, SystemExit) as error:  # a plugin's code
        return fault_of(error)
    return next(_faults(found, wanted, torch.equal(tensor, before)), "")


def _faults(found: object, wanted: tuple[int, ...], unchanged: bool) -> Iterator[str]:
    if not isinstance(found, Tensor):
        yield f"gives a {type(found).__name__}, not a tensor"
    elif tuple(found.shape) != wanted:
        yield f"gives a tensor {list(found.shape)}"
    if not unchanged:
        yield "changes the tensor that it was given"
