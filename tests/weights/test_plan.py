"""Planning on names alone: every key and every parameter is accounted for by exactly one reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from composer.plugin import Layout, Rule
from composer.weights import Assignment, LoadPlan, WeightsError, plan_loading

TARGETS = ("text.layers.0.weight", "text.layers.1.weight", "text.bias")


def layout(*rules: Rule, initialised: Mapping[str, str] | None = None, **options: Any) -> Layout:
    return Layout(
        id="test",
        summary="for tests",
        rules=lambda parameters: rules,
        initialised=initialised or {},
        **options,
    )


def test_without_a_layout_keys_are_the_targets() -> None:
    plan = plan_loading(TARGETS, TARGETS)
    assert plan == LoadPlan(assignments=tuple(Assignment(name, name) for name in TARGETS))
    assert str(plan).startswith("3 loaded, 0 ignored")


def test_rules_rename_with_groups_and_the_first_full_match_wins() -> None:
    plan = plan_loading(
        ["enc.layer.0.w", "enc.layer.1.w", "enc.b", "enc.b.old"],
        TARGETS,
        layout(
            Rule(r"enc\.layer\.0\.w", r"text.layers.0.weight", transform="flip"),
            Rule(r"enc\.layer\.(?P<i>\d+)\.w", r"text.layers.\g<i>.weight"),
            Rule(r"enc\.b", "text.bias"),
            Rule(r"enc\.b.*", None, name="old biases"),
        ),
    )
    assert plan.assignments == (
        Assignment("enc.layer.0.w", "text.layers.0.weight", "flip"),
        Assignment("enc.layer.1.w", "text.layers.1.weight"),
        Assignment("enc.b", "text.bias"),
    )
    assert plan.ignored == {"enc.b.old": "old biases"}
    assert not plan.missing
    assert not plan.unexpected
    assert not plan.claimed_twice


def test_rules_may_depend_on_the_parameters() -> None:
    numbered = Layout(
        id="test",
        summary="",
        rules=lambda parameters: (Rule(rf"top\.{parameters['layers']}", "text.bias"), Rule(".*", None)),
    )
    plan = plan_loading(["top.1", "top.2"], ["text.bias"], numbered, {"layers": 2})
    assert plan.assignments == (Assignment("top.2", "text.bias"),)
    assert plan.ignored == {"top.1": ".*"}, "a rule without a name is named by its pattern"


def test_keys_of_declared_modules_that_were_not_built_are_not_needed() -> None:
    plan = plan_loading([*TARGETS, "fusion.w", "ghost.w"], TARGETS, declared=["text", "fusion"])
    assert plan.not_needed == {"fusion.w": "fusion"}
    assert plan.unexpected == {"ghost.w": ""}


def test_missing_unexpected_and_doubly_claimed_are_told_apart() -> None:
    plan = plan_loading(
        ["a", "b", "c", "d"],
        TARGETS,
        layout(Rule("[ab]", "text.bias"), Rule("c", "text.lost")),
    )
    assert plan.claimed_twice == {"text.bias": ("a", "b")}
    assert plan.unexpected == {"c": "text.lost", "d": ""}
    assert plan.missing == ("text.layers.0.weight", "text.layers.1.weight")
    assert plan.assignments == ()


def test_a_parameter_may_be_initialised_by_a_named_rule_but_a_key_wins() -> None:
    rules = layout(Rule("(.*)", r"\1"), initialised={r"text\.layers\..*": "layers are trained anew"})
    plan = plan_loading(["text.bias", "text.layers.1.weight"], TARGETS, rules)
    assert plan.initialised == {"text.layers.0.weight": "layers are trained anew"}
    assert not plan.missing


def test_one_name_of_a_tied_parameter_is_enough() -> None:
    tied = {"text.head": "text.words"}
    for key in ("text.words", "text.head"):
        plan = plan_loading([key], ["text.words", "text.head"], aliases=tied)
        assert not plan.missing
        assert plan.assignments == (Assignment(key, key),)
    assert plan_loading([], ["text.words", "text.head"], aliases=tied).missing == ("text.words",)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule("(", "text.bias"), r"layout test: '\(' is not a valid pattern"),
        (Rule("a", r"text.\g<name>"), r"layout test: the target .* of rule 'a' is faulty"),
    ],
)
def test_a_faulty_rule_is_named(rule: Rule, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        plan_loading(["a"], TARGETS, layout(rule))
