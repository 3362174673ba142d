"""A layout is asked for its rules, its parameters and its transforms: what nobody can use is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from offering import Offers
from torch import Tensor

from composer.conformance import ConformanceReport, check_plugin
from composer.plugin import Document, Layout, Rule
from composer.problems import InputError

RULES = (Rule(r"enc\.(\d+)\.w", r"text.layers.\1.weight"), Rule(r"old\..*", None, "not read"))


def turned(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    return tensor.T


def stacked(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Takes what no kit would try."""
    if tensor.ndim != 3:
        raise InputError("three axes are expected")
    return tensor.flatten(0, 1)


def shaped(tensor: Tensor, shape: Sequence[int]) -> Any:
    return tuple(shape)


def zeroed(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    return tensor.zero_()


def lost(tensor: Tensor) -> Tensor:
    return tensor


def report(
    rules: Any = lambda parameters: RULES, transforms: Sequence[str] = (), **options: Any
) -> ConformanceReport:
    named = {name: f"{__name__}:{name}" for name in transforms}
    return check_plugin(Offers(Layout("test.layout", "", rules, transforms=named, **options)))


def faults(found: ConformanceReport) -> str:
    return "; ".join(f"{each.check}: {each.reason}" for each in found.failures)


def test_a_layout_that_holds() -> None:
    found = report(
        lambda parameters: (*RULES, Rule("(?P<all>.+)", r"\g<all>", transform="turned")),
        ["turned", "stacked"],
        parameters=lambda config: {"layers": config["depth"]},
        configs=({"depth": 2},),
        shapes={"stacked": ((2, 3, 4), (6, 4))},
        initialised={r"text\..*": "starts anew"},
    )
    assert found.passed, str(found)
    assert [(each.check, each.outcome) for each in found.results] == [
        ("rules", "pass"),
        ("parameters", "pass"),
        ("transforms", "pass"),
    ]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("nonsense", "rules: `rules` returns 'nonsense': a tuple of `Rule`s is expected"),
        (None, "a tuple of `Rule`s is expected"),
        ((Rule("enc.(", "text.weight"),), "a rule has 'enc.(', which is not a regular expression"),
        ((Rule(r"enc", r"text.\1"),), r"the target 'text.\\1' of the rule 'enc' is faulty: invalid group"),
        ((Rule(r"enc", r"text.\g<i>"),), "is faulty"),
        ((Rule("enc", "some words"),), "maps to 'some words', which is not a name `<module>.<parameter>`"),
        ((Rule("enc", "text"),), "which is not a name"),
        ((Rule("enc", "text..weight"),), "which is not a name"),
        ((Rule("enc", 3),), "the target of the rule 'enc' is 3; a name is expected"),  # type: ignore[arg-type]
        ((Rule(3, "text.weight"),), "a rule has the pattern 3; a regular expression"),  # type: ignore[arg-type]
        (
            (Rule("enc", "text.weight", transform="flip"),),
            "the rule 'enc' names the transform 'flip', and it offers none",
        ),
    ],
)
def test_rules_that_cannot_be_applied(rules: Any, message: str) -> None:
    found = report(lambda parameters: rules)
    assert message in faults(found)
    assert len(found.failures) == 1


def test_rules_that_raise_name_their_cure() -> None:
    def rules(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
        return RULES[: parameters["layers"]]

    assert "`rules` raises KeyError: 'layers': give the Layout `examples`" in faults(report(rules))
    assert report(rules, examples=({"layers": 2},)).passed
    assert "raises TypeError" in faults(report(rules, examples=({"layers": "two"},)))

    def refusing(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
        raise InputError("no `layers` among the parameters")

    assert "refuses what it is asked with (no `layers` among the parameters): give" in faults(
        report(refusing)
    )


def test_what_the_kit_is_told_to_ask_with_is_held() -> None:
    assert "its `examples` hold 'x'; values of parameters by name" in faults(report(examples=("x",)))
    assert "`shapes` names 'x', which is not one of its transforms" in faults(report(shapes={"x": 3}))
    assert "its `shapes` give 3 for 'turned'" in faults(report(transforms=["turned"], shapes={"turned": 3}))
    wrong = {"turned": (("a",), (2,))}
    assert "such a pair of shapes" in faults(report(transforms=["turned"], shapes=wrong))


def test_initialised_holds_patterns_with_reasons() -> None:
    assert "`initialised` holds '(', which is not a regular" in faults(report(initialised={"(": "anew"}))
    assert "`initialised` holds 3, which is not a regular" in faults(report(initialised={3: "anew"}))
    assert "the reason is expected" in faults(report(initialised={"text.*": ""}))


def test_parameters_are_asked_with_published_configs() -> None:
    found = report(parameters=lambda config: {})
    assert [each.reason for each in found.results if each.outcome == "skip"] == [
        "it names no published configs (`configs`), so `parameters` was not asked"
    ]
    wrong: list[tuple[Any, str]] = [
        (lambda config: 3, "`parameters` returns 3: a map by name is expected"),
        (lambda config: {3: 4}, "values by the names of parameters are expected"),
        (lambda config: {"layers": config["lost"]}, "`parameters` raises KeyError: 'lost'"),
    ]
    for parameters, message in wrong:
        assert message in faults(report(parameters=parameters, configs=({"depth": 2},)))


@pytest.mark.parametrize(
    ("transform", "shapes", "message"),
    [
        ("stacked", None, "its transform 'stacked' takes none of the tensors that were tried"),
        ("stacked", ((2, 3, 4), (2, 3, 4)), "to [2, 3, 4] as `shapes` says, gives a tensor [6, 4]"),
        ("shaped", None, "gives a tuple, not a tensor"),
        ("zeroed", None, "changes the tensor that it was given"),
        ("lost", None, "it raises TypeError"),
        ("nowhere", None, "implementation: "),
    ],
)
def test_transforms_are_run(transform: str, shapes: Any, message: str) -> None:
    found = report(transforms=[transform], shapes={} if shapes is None else {transform: shapes})
    assert message in faults(found)


def test_shapes_of_a_transform_that_is_not_there() -> None:
    found = report(transforms=["turned"], shapes={"turnd": ((1, 2), (2, 1))})
    assert "`shapes` names 'turnd', which is not one of its transforms" in faults(found)


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        (["enc[.].*", r"enc[.](\d+)[.]w"], "is never reached: 'enc[.].*', which stands before it"),
        ([r"(a|b)[.]w", r"a[.]w"], r"the rule 'a[.]w' is never reached"),
        ([r"a[.]w", r"a[.]w"], "is never reached"),
        ([r"head^[.]w"], "never matches a name as a whole"),
        ([r"head$[.]w"], "never matches a name as a whole"),
        ([r"a[.](\d+)", r"a[.](\w+)"], ""),
        ([r"a[.][a-m]", r"a[.][a-z]"], ""),
        ([r"(?!b)[.]w", r"[^b]*[.]w", r"x(y|z)?[.]{2,}\w+"], ""),
        ([r"^enc[.]w$", r"(?P<n>x+)(?P=n)"], ""),
    ],
)
def test_a_rule_that_no_name_can_reach_is_told(patterns: list[str], told: str) -> None:
    rules = tuple(Rule(pattern, None, "not read") for pattern in patterns)
    found = faults(report(lambda parameters: rules))
    assert told in found if told else not found


def test_rules_are_tried_on_the_names_that_a_layout_gives() -> None:
    assert report(keys=("enc.0.w", "old.step")).passed
    assert "the rule 'old\\\\..*' takes none of its `keys`" in faults(report(keys=("enc.0.w",)))
    assert "no rule takes 'head.w', one of its `keys`" in faults(report(keys=("enc.0.w", "old.x", "head.w")))


@pytest.mark.parametrize(
    ("pattern", "told"), [(".*", True), (r"step|aux\..*", False), (r"(?!proj\.).*", False)]
)
def test_a_rule_that_ignores_every_name_is_told(pattern: str, told: bool) -> None:
    rules = (Rule(r"proj\.b", "head.map.bias"), Rule(pattern, None, "the rest"))
    layout = Layout("test.layout", "", lambda parameters: rules, keys=("proj.b", "step"))
    message = f"the rule {pattern!r} ignores every name, so a tensor that no other rule knows goes unsaid"
    assert (message in faults(check_plugin(Offers(layout)))) is told


FILLED = """\
composer: 1
name: test-filled
summary: A classifier.
parameters: {width: 4}
modules:
  head: {uses: core.linear, with: {input_dim: $width, output_dim: 3}}
tasks:
  sort:
    inputs: {vector: {modality: array, with: {kind: embedding, dims: [B, $width]}}}
    nodes: {scores: {call: head.scores, inputs: vector}}
    outputs: {scores: scores}
"""


@pytest.mark.parametrize(
    ("target", "document", "message"),
    [
        ("head.map.bias", "test-filled", ""),
        (
            "head.map.bais",
            "test-filled",
            "targets: 'proj.b', one of its `keys`, comes to 'head.map.bais', which no module of 'test-filled' has: "
            "did you mean 'head.map.bias'?",
        ),
        ("head.map.bias", "test-fild", "targets: its `document` 'test-fild' gives no modules to fill: "),
    ],
)
def test_published_names_come_to_parameters_of_the_document(
    target: str, document: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "filled.yaml").write_text(FILLED)
    rules = (Rule(r"proj\.b", target), Rule("step", None, "a counter"))
    layout = Layout(
        "test.layout",
        "",
        lambda parameters: rules,
        lambda config: {"width": config["d"]},
        configs=({"d": 6},),
        keys=("proj.b", "step"),
        document=document,
    )
    found = check_plugin(Offers(layout, Document("test-filled", tmp_path / "filled.yaml", "A classifier.")))
    assert faults(found).startswith(message)
    assert found.passed == (not message)
