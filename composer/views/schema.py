"""The JSON Schema (draft 2020-12) of documents, with the config of every installed module type and modality."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from composer.language import DocumentShape
from composer.plugin import Config, Modality, ModuleType, Registry

__all__ = ["document_schema"]

Json = dict[str, Any]

_PARAMETER: Json = {
    "type": "string",
    "pattern": r"^\$[A-Za-z_]",
    "description": "A parameter of the document.",
}
_NULL: Json = {"type": "null"}
_NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
_REFERENCE = r"^[^.]+(\.[^.]+)?$"
_RANGE = r"^\s*\d+\s*\.\.\s*\d+\s*(,\s*best\s+\d+\s*)?$"
_NAMED = ("parameters", "modules", "tasks", "inputs", "nodes")
_VERBS = ("call", "uses", "generate")


def document_schema(registry: Registry) -> Json:
    """The schema of one file, for editors and other tools; `composer check` knows more.

    A file that extends another may leave out what its parent says and may remove entries with null; the root's `if` holds the
    others to the whole.
    """
    schema: Json = DocumentShape.model_json_schema(by_alias=True)
    shapes: Json = schema.pop("$defs")
    configs: Json = {}
    for shape in (schema, *shapes.values()):
        _loosen(shape)
    stateless = [entry for entry in registry.module_types.values() if entry.stateless]
    _bind(shapes["ModuleShape"], "uses", registry.module_types.values(), configs)
    _bind(shapes["NodeShape"], "uses", stateless, configs)
    _bind(shapes["InputShape"], "modality", registry.modalities.values(), configs)
    _bind_generate(shapes["NodeShape"], registry, configs)
    _references(shapes)
    schema["properties"]["extends"] |= {"examples": sorted(registry.documents)} if registry.documents else {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A document: parameters, modules and tasks of one multimodal model",
        **schema,
        "required": ["composer"],
        "if": {"not": {"required": ["extends"]}},
        "then": _whole(registry, stateless),
        "$defs": {**shapes, **configs},
    }


def _loosen(shape: Json) -> None:
    """What one file must hold depends on what it extends, so nothing is required here; null removes an inherited entry."""
    shape.pop("required", None)
    shape.pop("title", None)
    for name, value in shape["properties"].items():
        value.pop("title", None)
        if isinstance(value.get("additionalProperties"), dict):
            value["additionalProperties"] = _or_null(value["additionalProperties"])
        if name in _NAMED and value.get("type") == "object":
            value["propertyNames"] = {"pattern": _NAME}


def _or_null(value: Json) -> Json:
    return {"anyOf": [*value.get("anyOf", [value]), _NULL]}


def _bind(shape: Json, key: str, entries: Iterable[ModuleType | Modality], configs: Json) -> None:
    """Let `key` name one of the entries, and let `with` follow the config of the one it names."""
    known = sorted(entries, key=lambda entry: entry.id)
    ids: Json = {
        "enum": [entry.id for entry in known],
        "markdownEnumDescriptions": [entry.summary for entry in known],
    }
    about = {"description": shape["properties"][key].get("description", "")}
    optional = "anyOf" in shape["properties"][key]  # a child may take `uses` away and `call` instead
    shape["properties"][key] = (
        {**about, "anyOf": [ids, _NULL]} if optional else {**about, "type": "string", **ids}
    )
    rules = shape.setdefault("allOf", [])
    for entry in known:
        configs |= _config(entry.id, entry.config)
        rules.append(_when(key, entry.id, {"with": {"$ref": f"#/$defs/{entry.id}"}}))


def _bind_generate(shape: Json, registry: Registry, configs: Json) -> None:
    """`with` of a `generate` node: the options of any type that generates, with the search policies by name."""
    found = {
        f"{entry.id}.generate": entry.generation.options
        for entry in sorted(registry.module_types.values(), key=lambda entry: entry.id)
        if entry.generation is not None
    }
    distinct = {options: name for name, options in reversed(found.items())}
    for options, name in distinct.items():
        configs |= _config(name, options)
        penalty = configs[name]["properties"].get("penalty")
        if penalty is not None and registry.policies:
            policies = [registry.policies[id] for id in sorted(registry.policies)]
            penalty["anyOf"] = [
                {
                    "enum": [policy.id for policy in policies],
                    "markdownEnumDescriptions": [policy.summary for policy in policies],
                },
                _PARAMETER,
                _NULL,
            ]
    if distinct:
        choices = [{"$ref": f"#/$defs/{name}"} for name in sorted(distinct.values())]
        shape["allOf"].append({"if": _has("generate"), "then": {"properties": {"with": {"anyOf": choices}}}})


def _config(name: str, config: type[Config]) -> Json:
    """The config's schema under a name, every value possibly a parameter, and the definitions that it refers to."""
    schema: Json = config.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    inner = {f"{name}.{key}": _with_parameters(value) for key, value in schema.pop("$defs", {}).items()}
    schema.pop("required", None)
    schema.pop("title", None)
    properties = {
        key: _or_null(_with_parameters(value)) for key, value in schema.pop("properties", {}).items()
    }
    own = {**schema, "type": "object", "properties": _lifted(properties), "additionalProperties": False}
    return {name: own, **inner}


def _lifted(properties: Json) -> Json:
    """Descriptions and defaults stand beside `anyOf`, where editors look for them."""
    result: Json = {}
    for name, value in properties.items():
        outer: Json = {}
        choices = []
        for choice in value["anyOf"]:
            kept = dict(choice)
            if choice is not _PARAMETER:
                for key in ("description", "default"):
                    if key in kept:
                        outer[key] = kept.pop(key)
            choices.append(kept)
        unique = [choice for index, choice in enumerate(choices) if choice not in choices[:index]]
        result[name] = {**outer, "anyOf": unique}
    return result


def _with_parameters(value: Json) -> Json:
    """The schema of a value that may also be `$name`, at every depth: a parameter stands for a whole value."""
    value = {key: item for key, item in value.items() if key != "title"}
    for key in ("items", "additionalProperties"):
        if isinstance(value.get(key), dict):
            value[key] = _with_parameters(value[key])
    for key in ("anyOf", "oneOf", "prefixItems"):
        if key in value:
            value[key] = [_with_parameters(item) for item in value[key]]
    if isinstance(value.get("properties"), dict):
        value["properties"] = {key: _with_parameters(item) for key, item in value["properties"].items()}
    about = {key: value.pop(key) for key in ("description", "default") if key in value}
    choices = value["anyOf"] if set(value) == {"anyOf"} else [value]
    flat = [choice for item in choices for choice in (item["anyOf"] if set(item) == {"anyOf"} else [item])]
    unique = [
        choice for index, choice in enumerate(flat) if choice not in flat[:index] and choice != _PARAMETER
    ]
    return {**about, "anyOf": [*unique, _PARAMETER]}


def _references(shapes: Json) -> None:
    """References are `node.port` or a bare name; ranges read `1..32, best 8`."""
    reference = {"type": "string", "pattern": _REFERENCE}
    several = {"type": "array", "items": reference, "minItems": 1}
    inputs = shapes["NodeShape"]["properties"]["inputs"]
    ports = {"type": "object", "additionalProperties": {"anyOf": [reference, several, _NULL]}}
    shapes["NodeShape"]["properties"]["inputs"] = {
        "description": inputs.get("description", ""),
        "anyOf": [reference, ports],
    }
    shapes["TaskShape"]["properties"]["outputs"]["additionalProperties"] = _or_null(reference)
    shapes["ObjectiveShape"]["properties"]["loss"] |= {"pattern": _REFERENCE}
    ranges = shapes["CompileShape"]["properties"]["ranges"]
    ranges["additionalProperties"] = _or_null({"type": "string", "pattern": _RANGE})


def _whole(registry: Registry, stateless: Iterable[ModuleType]) -> Json:
    """What a document that extends nothing must hold."""
    modalities = _required(registry.modalities.values(), "modality")
    node: Json = {
        "type": "object",
        "oneOf": [{"required": [verb]} for verb in _VERBS],
        **_needs(stateless, "uses"),
    }
    graph: Json = {"inputs": _each(modalities), "nodes": _each(node)}
    objective = {"properties": graph, "required": ["loss"]}
    task: Json = {"type": "object", "required": ["outputs"]}
    outputs = {**_each({"type": "string"}), "minProperties": 1}
    # `objective: null` is a task without one
    task["properties"] = {**graph, "outputs": outputs, "objective": {"anyOf": [_NULL, objective]}}
    return {
        "properties": {
            "modules": _each(_required(registry.module_types.values(), "uses")),
            "tasks": _each(task),
        }
    }


def _each(value: Json) -> Json:
    return {"additionalProperties": value}


def _required(entries: Iterable[ModuleType | Modality], key: str) -> Json:
    return {"type": "object", "required": [key], **_needs(entries, key)}


def _needs(entries: Iterable[ModuleType | Modality], key: str) -> Json:
    """For every entry whose config has required values: they must be given."""
    rules = []
    for entry in sorted(entries, key=lambda entry: entry.id):
        needed = [name for name, field in entry.config.model_fields.items() if field.is_required()]
        if needed:
            rules.append(_when(key, entry.id, {"with": {"required": needed}}, required=["with"]))
    return {"allOf": rules} if rules else {}  # an empty `allOf` is no valid schema


def _when(key: str, id: str, properties: Json, *, required: list[str] | None = None) -> Json:
    then: Json = {"properties": properties}
    if required:
        then["required"] = required
    return {"if": {"properties": {key: {"const": id}}, "required": [key]}, "then": then}


def _has(key: str) -> Json:
    return {"required": [key]}
