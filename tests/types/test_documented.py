"""Docstrings below fields become descriptions, in messages and in schemas, when somebody asks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from composer.plugin import Config
from composer.types.field_docs import documented


class Inner(Config):
    depth: int = 1
    """How deep it goes."""


class Outer(Inner):
    """The outer one."""

    width: int
    """How wide it is,
    in two lines."""
    kind: Literal["a", "b"] = Field(default="a", description="Said itself.")
    """Not this."""
    bare: int = 0
    inner: list[Inner] | None = None
    """What is inside."""


def test_docstrings_describe_their_fields_and_those_of_parents_and_of_models_inside() -> None:
    fields = documented(Outer).model_fields
    assert {name: field.description for name, field in fields.items()} == {
        "depth": "How deep it goes.",
        "width": "How wide it is,\nin two lines.",
        "kind": "Said itself.",
        "bare": None,
        "inner": "What is inside.",
    }
    assert documented(Inner).model_fields["depth"].description == "How deep it goes."


def test_schemas_carry_them() -> None:
    schema = documented(Outer).model_json_schema()
    assert schema["properties"]["width"]["description"] == "How wide it is,\nin two lines."
    assert schema["$defs"]["Inner"]["properties"]["depth"]["description"] == "How deep it goes."


def test_validation_is_the_same_before_and_after() -> None:
    before = Outer(width=3, inner=[Inner(depth=2)])
    assert documented(Outer)(width=3, inner=[Inner(depth=2)]) == before


def test_a_model_whose_source_is_not_at_hand_has_none() -> None:
    namespace: dict[str, type[Config]] = {"Config": Config}
    exec('class Made(Config):\n    a: int = 1\n    """Lost."""\n', namespace)
    assert documented(namespace["Made"]).model_fields["a"].description is None
