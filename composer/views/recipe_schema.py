"""The JSON Schema (draft 2020-12) of training recipes, with every installed dataset and metric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from composer.plugin import Dataset, Registry
from composer.recipes import Recipe
from composer.types.field_docs import documented
from composer.views.schema import metrics_schema, without_parameters

__all__ = ["recipe_schema"]

Json = dict[str, Any]


def recipe_schema(registry: Registry) -> Json:
    """The schema of a recipe, for editors and other tools; `composer check` knows more."""
    schema: Json = documented(Recipe).model_json_schema(by_alias=True)
    shapes: Json = schema.pop("$defs")
    for shape in (schema, *shapes.values()):
        shape.pop("title", None)
        for value in shape["properties"].values():
            value.pop("title", None)
    task = shapes["TaskRecipe"]
    task["properties"]["dataset"] |= _ids(registry.datasets.values())
    configs: Json = {}
    about = task["properties"]["metrics"].get("description", "")
    task["properties"]["metrics"] = without_parameters(metrics_schema(about, registry, configs))
    shapes.pop("MetricShape", None)
    rules = [_with_config(entry, configs) for _, entry in sorted(registry.datasets.items())]
    if rules:
        task["allOf"] = rules
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recipe: which data trains which task of a document, and how",
        **schema,
        "$defs": {**shapes, **without_parameters(configs)},
    }


def _ids(entries: Iterable[Dataset]) -> Json:
    known = sorted(entries, key=lambda entry: entry.id)
    return {
        "enum": [entry.id for entry in known],
        "markdownEnumDescriptions": [entry.summary for entry in known],
    }


def _with_config(entry: Dataset, configs: Json) -> Json:
    """Let `with` follow the config of the dataset, and hold it to what that needs."""
    own: Json = documented(entry.config).model_json_schema(ref_template=f"#/$defs/{entry.id}.{{model}}")
    configs |= {f"{entry.id}.{key}": value for key, value in own.pop("$defs", {}).items()}
    own.pop("title", None)
    for value in own.get("properties", {}).values():
        value.pop("title", None)
    configs[entry.id] = own
    then: Json = {"properties": {"with": {"$ref": f"#/$defs/{entry.id}"}}}
    if own.get("required"):
        then["required"] = ["with"]
    return {"if": {"properties": {"dataset": {"const": entry.id}}, "required": ["dataset"]}, "then": then}
