"""Declarations of what works with texts on the host: the modality `string`, types that join texts, and parsers."""

from __future__ import annotations

from collections.abc import Mapping

from composer.plugin import Method, Modality, ModuleType, NoConfig
from composer.types import Signature
from composer_core.text_configs import (
    PARSED,
    ChoiceConfig,
    FieldType,
    JoinConfig,
    JsonConfig,
    PatternConfig,
    StringConfig,
    TextTemplateConfig,
)

__all__ = ["STRING", "TEXT_TYPES"]

_KINDS: dict[str, str] = {
    "text": "text[B]",
    "number": "numbers[B]",
    "integer": "integers[B]",
    "flag": "flags[B]",
}


def _template(config: TextTemplateConfig) -> Signature:
    from composer.plugin.templates import fields_in

    fields = dict.fromkeys(fields_in(config.template), "text[B]")
    return Signature(fields, {"text": "text[B]"})


def _join(config: JoinConfig) -> Signature:
    return Signature({"parts": "text[B]*"}, {"text": "text[B]"})


def _best_text(config: NoConfig) -> Signature:
    return Signature({"ids": "labels[B, K]", "texts": "text[C]"}, {"text": "text[B]"})


def _fields(types: Mapping[str, FieldType]) -> Signature:
    found = {name: _KINDS[type_] for name, type_ in types.items()}
    return Signature({"text": "text[B]"}, {**found, PARSED: "flags[B]"})


def _pattern(config: PatternConfig) -> Signature:
    return _fields(config.types)


def _json(config: JsonConfig) -> Signature:
    return _fields(config.fields)


def _choice(config: ChoiceConfig) -> Signature:
    outputs = {"choice": "text[B]", "classes": "classes[B]", PARSED: "flags[B]"}
    return Signature({"text": "text[B]"}, outputs)


TEXT_TYPES: tuple[ModuleType, ...] = (
    ModuleType(
        "core.text_template",
        TextTemplateConfig,
        {"forward": Method(_template)},
        "composer_core.text_nodes:build_template",
        "Fill the fields of a template with texts of other nodes.",
        stateless=True,
        examples=({"template": "the picture shows {caption}. {question}"}, {"template": "{{{name}}}"}),
    ),
    ModuleType(
        "core.text_join",
        JoinConfig,
        {"forward": Method(_join)},
        "composer_core.text_nodes:build_join",
        "Put texts of several nodes behind each other.",
        stateless=True,
        examples=({}, {"separator": "\n"}),
    ),
    ModuleType(
        "core.best_text",
        NoConfig,
        {"forward": Method(_best_text)},
        "composer_core.answers:build_best_text",
        "The first of ranked texts, where a ranking gives their numbers.",
        stateless=True,
    ),
    ModuleType(
        "core.parse_pattern",
        PatternConfig,
        {"forward": Method(_pattern)},
        "composer_core.text_nodes:build_pattern",
        "Find a pattern with named groups in a text; each group is a typed output.",
        stateless=True,
        examples=(
            {"pattern": r"(?P<colour>\w+) (?P<shape>\w+)"},
            {
                "pattern": r"(?P<count>\d+)(?P<unit> ?cm)?",
                "fields": {"count": "integer"},
                "default": {"unit": ""},
            },
        ),
    ),
    ModuleType(
        "core.parse_json",
        JsonConfig,
        {"forward": Method(_json)},
        "composer_core.text_nodes:build_json",
        "Find a JSON object in a text; each of its fields is a typed output.",
        stateless=True,
        examples=(
            {"fields": {"verdict": "text", "score": "number", "count": "integer", "sure": "flag"}},
            {"fields": {"verdict": "text"}, "default": {"verdict": "unknown"}},
        ),
    ),
    ModuleType(
        "core.parse_choice",
        ChoiceConfig,
        {"forward": Method(_choice)},
        "composer_core.text_nodes:build_choice",
        "Find the one of several allowed answers that a text is, or names.",
        stateless=True,
        examples=({"choices": ["yes", "no"]}, {"choices": ["red", "dark red"], "default": "red"}),
    ),
)

STRING = Modality(
    "string",
    StringConfig,
    lambda config: {"text": "text[B]"},
    "composer_core.strings:StringProcessor",
    "A string as it is, for nodes that work with texts.",
    refuses=lambda config, value: "" if isinstance(value, str) else "a text is expected",
    examples=({}, {"max_characters": 40}),
    sample="composer_core.strings:sample",
)
