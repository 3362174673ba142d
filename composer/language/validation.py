"""Plain values to the document's shape: every pydantic message mapped to the place in the YAML that caused it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from composer.language.models import DocumentShape
from composer.language.tree import Tree, suggest_key
from composer.problems import Findings, Problem

__all__ = ["CURRENT_VERSION", "Form", "shape_document", "shaped", "type_name"]

Shape = TypeVar("Shape", bound=BaseModel)
Shape_co = TypeVar("Shape_co", bound=BaseModel, covariant=True)

CURRENT_VERSION = 1
_NAMES: dict[type, str] = {
    dict: "a map",
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
}


def type_name(value: object) -> str:
    """How messages call the type of a YAML value."""
    return "nothing" if value is None else _NAMES.get(type(value), type(value).__name__)


@dataclass(frozen=True)
class Form(Generic[Shape_co]):
    """What one sort of file holds: its model, how messages call the whole, and what its sections hold."""

    model: type[Shape_co]
    whole: str
    sections: Mapping[str, str] = field(default_factory=dict)
    """Key of a map from names to entries, to what one entry is called (`tasks`: `task`)."""
    stand_ins: Mapping[str, object] = field(default_factory=dict)
    """Values for required keys that are missing, so that what stands beside them can be checked all the same."""


DOCUMENT = Form(
    DocumentShape,
    "the document",
    {
        "modules": "module",
        "adapters": "adapter",
        "pieces": "piece",
        "tasks": "task",
        "nodes": "node",
        "inputs": "input",
    },
)


def shape_document(
    data: dict[str, object], tree: Tree, findings: Findings, *, partial: bool = False
) -> DocumentShape | None:
    """Validate the shape of a document and the language version that it says it is written in; see `shaped`."""
    findings.extend(_version_problems(data, tree))
    return shaped(DOCUMENT, {**data, "composer": 1}, tree, findings, partial=partial)


def shaped(
    form: Form[Shape], data: dict[str, object], tree: Tree, findings: Findings, *, partial: bool = False
) -> Shape | None:
    """Validate the shape. What is faulty is dropped from the result, so that the rest can be checked, and silenced, so
    that references to it are not reported a second time. In a `partial` document (a parent is missing) no key is
    required. None where so much is faulty that nothing is left.
    """
    try:
        return form.model.model_validate(data)
    except ValidationError:
        from composer.language.validation_faults import shaped_in_part

        return shaped_in_part(form, data, tree, findings, partial=partial)


def _version_problems(data: dict[str, object], tree: Tree) -> list[Problem]:
    version = data.get("composer")
    if version == CURRENT_VERSION and type(version) is int:
        return []
    if "composer" not in data:
        if any(suggest_key(str(key), ["composer"]).word is not None for key in data):
            return []  # the misspelt key is a problem of its own
        place = tree.place(())
        message = "the document does not say its language version"
        return [
            Problem("C005", "error", message, place, helps=(f"begin it with `composer: {CURRENT_VERSION}`",))
        ]
    place = tree.place(("composer",))
    if isinstance(version, int) and version > CURRENT_VERSION:
        message = f"language version {version} is newer than this installation reads ({CURRENT_VERSION})"
        return [Problem("C005", "error", message, place, helps=("upgrade multimodal-composer",))]
    message = f"{version!r} is not a language version"
    return [Problem("C005", "error", message, place, helps=(f"write `composer: {CURRENT_VERSION}`",))]
