"""Nodes that join and parse texts: row by row, whatever the texts are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from composer_core.text_nodes import build_choice, build_join, build_json, build_pattern, build_template
from composer_core.text_types import TEXT_TYPES
from pydantic import ValidationError

TYPES = {entry.id: entry for entry in TEXT_TYPES}
BUILDERS = {
    "core.text_template": build_template,
    "core.text_join": build_join,
    "core.parse_pattern": build_pattern,
    "core.parse_json": build_json,
    "core.parse_choice": build_choice,
}


def node(type_: str, **config: Any) -> Any:
    return BUILDERS[type_](TYPES[type_].config.model_validate(config))  # type: ignore[operator]


def plain(ports: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in ports.items()}


def test_what_fills_a_template_is_looked_at_no_further() -> None:
    filled = node("core.text_template", template="{{{a}}} {b}{a}")
    assert filled(a=["{b}", "$x"], b=["{a}{{", "\\1 %s"]) == ["{{b}} {a}{{{b}", "{$x} \\1 %s$x"]


def test_a_template_names_its_inputs() -> None:
    signature = TYPES["core.text_template"].methods["forward"].signature
    config = TYPES["core.text_template"].config.model_validate({"template": "{b} {a} {b}"})
    assert list(signature(config).inputs) == ["b", "a"]


@pytest.mark.parametrize(
    "template", ["no field", "{self}", "{a.b}", "{}", "{a", "a} {b}", "{a!r}", "{a:3}", "{0}"]
)
def test_a_template_takes_names_alone(template: str) -> None:
    with pytest.raises(ValidationError):
        node("core.text_template", template=template)


def test_texts_are_joined_row_by_row() -> None:
    assert node("core.text_join", separator=", ")(parts=(["a", "b"], ["c", ""])) == ["a, c", "b, "]


def test_groups_of_a_pattern_are_typed() -> None:
    found = node(
        "core.parse_pattern",
        pattern=r"(?P<count>-?\d+) (?P<what>\w+)( at (?P<part>[\d.e+]+))?( sure: (?P<sure>\w+))?",
        fields={"count": "integer", "part": "number", "sure": "flag"},
        default={"part": 0.5},
    )(text=["saw 3 cats at 0.25 sure: Yes", "-2 dogs", "nothing", "9" * 30 + " cats", "1 cat sure: maybe"])
    assert plain(found) == {
        "count": [3, -2, 0, 0, 1],
        "what": ["cats", "dogs", "", "cats", "cat"],
        "part": [0.25, 0.5, 0.5, 0.5, 0.5],
        "sure": [True, False, False, False, False],
        "parsed": [True, False, False, False, False],
    }
    assert (found["count"].dtype, found["part"].dtype, found["sure"].dtype) == (
        np.int64,
        np.float64,
        np.bool_,
    )


def test_half_a_pair_of_surrogates_is_no_reason_to_fail() -> None:
    parse = node("core.parse_pattern", pattern=r"(?P<before>.)(?P<n>\d+)", fields={"n": "integer"})
    found = plain(parse(text=["\ud800\udfff7", "\udcff", "é8"]))
    assert found == {"before": ["\ufffd", "", "é"], "n": [7, 0, 8], "parsed": [True, False, True]}
    choice = node("core.parse_choice", choices=["yes"])
    assert plain(choice(text=["\ud800 yes"]))["choice"] == ["yes"]


def test_json_is_found_in_what_stands_around_it() -> None:
    texts = [
        'Here: ```{"verdict": "yes", "score": 3, "count": 2, "sure": true, "more": []}``` done',
        '{"verdict": 1, "score": "3", "count": 2.5, "sure": 1}',
        '{bad} {"verdict": "a", "score": 1e400, "count": 9223372036854775808, "sure": false}',
        '{"verdict": "a", "score": NaN}',
        "[1, 2]",
        "{" * 5000,
        '{"a":' * 3000,
        "",
    ]
    fields = {"verdict": "text", "score": "number", "count": "integer", "sure": "flag"}
    assert plain(node("core.parse_json", fields=fields, default={"verdict": "?"})(text=texts)) == {
        "verdict": ["yes", "?", "a", "?", "?", "?", "?", "?"],
        "score": [3.0, 0, 0, 0, 0, 0, 0, 0],
        "count": [2, 0, 0, 0, 0, 0, 0, 0],
        "sure": [True, False, False, False, False, False, False, False],
        "parsed": [True, False, False, False, False, False, False, False],
    }


def test_json_fields_below_the_top() -> None:
    paths = {"score": ("result", 0, "score"), "why": ("notes", "why")}
    texts = [
        'so: {"result": [{"score": 0.5}, {"score": 1}], "notes": {"why": "wet"}, "score": 7}',
        '{"result": [], "notes": {"why": null}}',
        '{"result": {"0": {"score": 1}}, "notes": ["why"]}',
        "none",
    ]
    made = node(
        "core.parse_json", fields={"score": "number", "why": "text"}, paths=paths, default={"why": "?"}
    )
    assert plain(made(text=texts)) == {
        "score": [0.5, 0, 0, 0],
        "why": ["wet", "?", "?", "?"],
        "parsed": [True, False, False, False],
    }


def test_a_choice_is_named_once() -> None:
    choice = node("core.parse_choice", choices=["red", "dark red", "Blue"], default="Blue")
    texts = ["Dark  RED!", "it is red.", "blue", "red or blue", "redder", "", "red, red", "x" * 70_000]
    assert plain(choice(text=texts)) == {
        "choice": ["dark red", "red", "Blue", "Blue", "Blue", "Blue", "red", "Blue"],
        "classes": [1, 0, 2, 2, 2, 2, 0, 2],
        "parsed": [True, True, True, False, False, False, True, False],
    }
    strict = node("core.parse_choice", choices=["no"], ignore_case=False)
    assert plain(strict(text=["No"])) == {"choice": [""], "classes": [-1], "parsed": [False]}


def test_a_text_beyond_the_limit_is_not_parsed() -> None:
    found = node("core.parse_pattern", pattern="(?P<a>a+)", max_characters=3)(text=["aaa", "aaaa"])
    assert plain(found) == {"a": ["aaa", ""], "parsed": [True, False]}


@pytest.mark.parametrize(
    ("type_", "config"),
    [
        ("core.parse_pattern", {"pattern": "no group"}),
        ("core.parse_pattern", {"pattern": "(?P<a>a"}),
        ("core.parse_pattern", {"pattern": "(?P<parsed>a)"}),
        ("core.parse_pattern", {"pattern": "(?P<a>a)", "fields": {"b": "text"}}),
        ("core.parse_pattern", {"pattern": "(?P<a>a)", "default": {"a": 1}}),
        ("core.parse_json", {"fields": {}}),
        ("core.parse_json", {"fields": {"a": "integer"}, "default": {"a": 1 << 63}}),
        ("core.parse_json", {"fields": {"a": "number"}, "default": {"a": 1 << 63}}),
        ("core.parse_json", {"fields": {"a-b": "text"}}),
        ("core.parse_json", {"fields": {"a": "integer"}, "default": {"a": True}}),
        ("core.parse_json", {"fields": {"a": "text"}, "paths": {"b": ("a",)}}),
        ("core.parse_json", {"fields": {"a": "text"}, "paths": {"a": ()}}),
        ("core.parse_json", {"fields": {"a": "text"}, "paths": {"a": (-1,)}}),
        ("core.parse_choice", {"choices": []}),
        ("core.parse_choice", {"choices": ["yes", " YES "]}),
        ("core.parse_choice", {"choices": ["yes", ""]}),
    ],
)
def test_what_a_parser_cannot_be(type_: str, config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        node(type_, **config)
