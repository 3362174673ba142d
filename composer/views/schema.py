"""The JSON Schema (draft 2020-12) of documents, with the config of every installed module type and modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from composer.graph.checked import VERBS
from composer.graph.low_rank import LowRank
from composer.graph.moving_averages import Average
from composer.language import DocumentShape
from composer.plugin import Config, GenerateOptions, Metric, Modality, ModuleType, Registry, SearchPolicy
from composer.plugin.asking import ask
from composer.problems import ComposerError
from composer.types.field_docs import documented

__all__ = ["document_schema", "metrics_schema", "without_parameters"]

Json = dict[str, Any]

_PARAMETER: Json = {"$ref": "#/$defs/parameter"}
_PARAMETER_SHAPE: Json = {
    "type": "string",
    "pattern": r"^\$[A-Za-z_]",
    "description": "A parameter of the document, which stands for the whole value.",
}
_NULL: Json = {"type": "null"}
_NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
_REFERENCE = r"^[^.]+(\.[^.]+)?$"
_PORT_TYPE = r"^[a-z][\w.-]*(:[A-Za-z][\w-]*)?\s*(\[[^\[\]]*\])?[?*]?$"
_RANGE = r"^\s*\d+\s*\.\.\s*\d+\s*(,\s*best\s+\d+\s*)?$"
_NAMED = ("parameters", "modules", "adapters", "pieces", "tasks", "inputs", "nodes")


def document_schema(registry: Registry) -> Json:
    """The schema of one file, for editors and other tools; `composer check` knows more.

    A file that extends another may leave out what its parent says and may remove entries with null; the root's `if`
    holds the others to the whole.
    """
    schema: Json = documented(DocumentShape).model_json_schema(by_alias=True)
    shapes: Json = schema.pop("$defs")
    configs: Json = {}
    for shape in (schema, *shapes.values()):
        _loosen(shape)
    stateless = [entry for entry in registry.module_types.values() if entry.stateless]
    _bind(shapes["ModuleShape"], "uses", registry.module_types.values(), configs)
    _bind(shapes["NodeShape"], "uses", stateless, configs)
    _bind(shapes["InputShape"], "modality", registry.modalities.values(), configs)
    readers = [entry for entry in registry.modalities.values() if entry.reads]
    _bind(shapes["NodeShape"], "modality", readers, configs)
    _bind_options(shapes["NodeShape"], registry, configs)
    configs |= _config("adapter", LowRank)
    shapes["AdapterShape"]["properties"]["with"] = _or_parameter("adapter")
    configs |= _config("average", Average)
    follows = {
        "if": {"required": ["average_of"]},
        "then": {"properties": {"with": _or_parameter("average")}},
    }
    shapes["ModuleShape"]["allOf"].append(follows)
    shapes["EvaluationShape"]["properties"]["metrics"] = metrics_schema(
        shapes["EvaluationShape"]["properties"]["metrics"].get("description", ""), registry, configs
    )
    shapes.pop("MetricShape", None)
    _references(shapes)
    schema["properties"]["extends"] |= {"examples": sorted(registry.documents)} if registry.documents else {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A document: parameters, modules and tasks of one multimodal model",
        **schema,
        "required": ["composer"],
        "if": {"not": {"required": ["extends"]}},
        "then": _whole(registry, stateless, readers),
        "$defs": {"parameter": _PARAMETER_SHAPE, **shapes, **configs},
    }


def _loosen(shape: Json) -> None:
    """What one file must hold depends on what it extends, so nothing is required here; null removes an entry."""
    shape.pop("required", None)
    shape.pop("title", None)
    for name, value in list(shape["properties"].items()):
        value.pop("title", None)
        if name == "with":
            about = {"description": value.pop("description")} if "description" in value else {}
            shape["properties"][name] = {**about, "anyOf": [dict(value), _PARAMETER, _NULL]}
            continue
        if isinstance(value.get("additionalProperties"), dict):
            value["additionalProperties"] = _or_null(value["additionalProperties"])
        if name in _NAMED and value.get("type") == "object":
            value["propertyNames"] = {"pattern": _NAME}


def _or_null(value: Json) -> Json:
    return {**value, "anyOf": [*value["anyOf"], _NULL]} if "anyOf" in value else {"anyOf": [value, _NULL]}


def _or_parameter(name: str) -> Json:
    """The options of this name, or a parameter that is a map of them; null takes those of a parent back."""
    return {"anyOf": [{"$ref": f"#/$defs/{name}"}, _PARAMETER, _NULL]}


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
        rules.append(_when(key, entry.id, {"with": _or_parameter(entry.id)}))


def _bind_options(shape: Json, registry: Registry, configs: Json) -> None:
    """`with` of a `call` or `generate` node: which type it calls stands elsewhere in the document, so the options of
    any type with such a method will do.
    """
    entries = sorted(registry.module_types.values(), key=lambda entry: entry.id)
    methods: dict[str, dict[type[Config] | None, str]] = {}
    generating: dict[type[Config] | None, str] = {}
    for entry in entries:
        for name, method in entry.methods.items():
            methods.setdefault(name, {}).setdefault(method.options, f"{entry.id}.{name}")
        if entry.generation is not None:
            generating.setdefault(entry.generation.options, f"{entry.id}.generate")
    rules = shape["allOf"]
    for name, options in methods.items():
        pattern = r"^[^.]+$" if name == "forward" else rf"^[^.]+\.{name}$"
        calls = {"properties": {"call": {"type": "string", "pattern": pattern}}, "required": ["call"]}
        rules.append({"if": calls, "then": {"properties": {"with": _any_of(options, registry, configs)}}})
    if generating:
        options_schema = _any_of(generating, registry, configs)
        rules.append({"if": {"required": ["generate"]}, "then": {"properties": {"with": options_schema}}})


def _any_of(options: Mapping[type[Config] | None, str], registry: Registry, configs: Json) -> Json:
    """One of these option models; a method without options takes an empty map."""
    choices: list[Json] = []
    for model, name in options.items():
        if model is None:
            choices.append({"type": "object", "maxProperties": 0})
            continue
        configs |= _config(name, model)
        choices.append({"$ref": f"#/$defs/{name}"})
        if issubclass(model, GenerateOptions) and registry.policies:
            search = configs[name]["properties"]["search"]
            about = {key: search[key] for key in ("description",) if key in search}
            configs[name]["properties"]["search"] = {**about, **_search(registry, configs)}
            configs.pop(f"{name}.SearchChoice", None)
    return {"anyOf": [*choices, _PARAMETER]}


def _search(registry: Registry, configs: Json) -> Json:
    """How a text is found: the id of a policy, or its id with its options."""
    ids, rules = _chosen(registry.policies, "search", configs)
    options: Json = {
        "type": "object",
        "properties": {
            "uses": {"anyOf": [ids, _PARAMETER]},
            "with": {"anyOf": [{"type": "object"}, _PARAMETER]},
        },
        "additionalProperties": False,
        "allOf": rules,
    }
    return {"anyOf": [ids, options, _PARAMETER, _NULL]}


def _chosen(
    entries: Mapping[str, SearchPolicy] | Mapping[str, Metric], what: str, configs: Json
) -> tuple[Json, list[Json]]:
    """The ids of a section with what each is, and rules that hold `with` to the config of the id that is written."""
    found = [entries[id] for id in sorted(entries)]
    ids: Json = {
        "enum": [entry.id for entry in found],
        "markdownEnumDescriptions": [entry.summary for entry in found],
    }
    rules: list[Json] = []
    for entry in found:
        name = f"{entry.id}.{what}"
        configs |= _config(name, entry.config)
        rules.append(_when("uses", entry.id, {"with": _or_parameter(name)}))
    return ids, rules


def metrics_schema(about: str, registry: Registry, configs: Json) -> Json:
    """Name of a score to the id of a metric, or to that with a config."""
    ids, rules = _chosen(registry.metrics, "metric", configs)
    choice: Json = {
        "type": "object",
        "properties": {"uses": ids, "with": {"anyOf": [{"type": "object"}, _PARAMETER]}},
        "required": ["uses"],
        "additionalProperties": False,
        "allOf": rules,
    }
    scores: Json = {"type": "object", "additionalProperties": {"anyOf": [ids, choice, _NULL]}}
    return {"description": about, "anyOf": [scores, _NULL]}


def _config(name: str, config: type[Config]) -> Json:
    """The config's schema under a name, every value possibly a parameter, and the definitions that it refers to."""
    described = documented(config)
    try:
        ask_schema = partial(described.model_json_schema, ref_template=f"#/$defs/{name}.{{model}}")
        schema: Json = ask(ask_schema, what=f"the config model of `{name}`")
    except ComposerError:
        # one type's config that has no schema takes any options, and the others keep theirs
        return {name: {"type": "object", "properties": {}}}
    inner = {f"{name}.{key}": _with_parameters(value) for key, value in schema.pop("$defs", {}).items()}
    schema.pop("required", None)
    schema.pop("title", None)
    properties = {
        key: _removable(_with_parameters(value)) for key, value in schema.pop("properties", {}).items()
    }
    own = {**schema, "type": "object", "properties": properties, "additionalProperties": False}
    return {name: own, **inner}


def _with_parameters(value: Json) -> Json:
    """The schema of a value that may also be `$name`, at every depth. Its description and default stay outermost."""
    value = {key: item for key, item in value.items() if key != "title"}
    for key in ("items", "additionalProperties"):
        if isinstance(value.get(key), dict):
            value[key] = _with_parameters(value[key])
    if isinstance(value.get("properties"), dict):
        value["properties"] = {key: _with_parameters(item) for key, item in value["properties"].items()}
    if "prefixItems" in value:
        value["prefixItems"] = [_with_parameters(item) for item in value["prefixItems"]]
    about: Json = {key: value.pop(key) for key in ("description", "default") if key in value}
    choices = [_with_parameters(item) for item in value["anyOf"]] if set(value) == {"anyOf"} else [value]
    flat = [choice for item in choices for choice in (item["anyOf"] if set(item) == {"anyOf"} else [item])]
    if {"type": "string"} in flat:  # any text, `$name` too
        return {**about, **(flat[0] if len(flat) == 1 else {"anyOf": [c for c in flat if c != _PARAMETER]})}
    return {**about, "anyOf": [*(choice for choice in flat if choice != _PARAMETER), _PARAMETER]}


def _removable(value: Json) -> Json:
    """A value that a child document may take back with null."""
    about: Json = {key: value[key] for key in ("description", "default") if key in value}
    bare = {key: item for key, item in value.items() if key not in about}
    loose = _or_null(bare)
    return {
        **about,
        **loose,
        "anyOf": [c for i, c in enumerate(loose["anyOf"]) if c not in loose["anyOf"][:i]],
    }


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
    for shape in ("PieceShape", "TaskShape"):
        shapes[shape]["properties"]["outputs"]["additionalProperties"] = _or_null(reference)
    shapes["PieceShape"]["properties"]["inputs"]["additionalProperties"] = _or_null(
        {"type": "string", "pattern": _PORT_TYPE}
    )
    shapes["ObjectiveShape"]["properties"]["loss"] |= {"pattern": _REFERENCE}
    ranges = shapes["CompileShape"]["properties"]["ranges"]
    ranges["additionalProperties"] = _or_null({"type": "string", "pattern": _RANGE})


def _whole(registry: Registry, stateless: Iterable[ModuleType], readers: Iterable[Modality]) -> Json:
    """What a document that extends nothing must hold."""
    modalities = _required(registry.modalities.values(), "modality")
    node: Json = {
        "type": "object",
        "oneOf": [{"required": [verb]} for verb in VERBS],
        "allOf": [
            rule
            for needs in (_needs(stateless, "uses"), _needs(readers, "modality"))
            for rule in needs.get("allOf", ())
        ],
    }
    graph: Json = {"inputs": _each(modalities), "nodes": _each(node)}
    objective = {"properties": graph, "required": ["loss"]}
    piece = {"type": "object", "required": ["outputs"], "properties": {"nodes": _each(node)}}
    task: Json = {"type": "object", "required": ["outputs"]}
    outputs = {**_each({"type": "string"}), "minProperties": 1}
    adapter = {"required": ["with"], "properties": {"with": {"required": ["targets"]}}}
    # `objective: null` is a task without one
    task["properties"] = {**graph, "outputs": outputs, "objective": {"anyOf": [_NULL, objective]}}
    return {
        "properties": {
            "modules": _each(
                {
                    "if": {"required": ["average_of"]},
                    "then": {"not": {"anyOf": [{"required": [key]} for key in _NOT_OF_AN_AVERAGE]}},
                    "else": {
                        **_required(registry.module_types.values(), "uses"),
                        "properties": {"adapters": _each(adapter)},
                    },
                }
            ),
            "pieces": _each(piece),
            "tasks": _each(task),
        }
    }


_NOT_OF_AN_AVERAGE = ("uses", "freeze", "adapters")


def _each(value: Json) -> Json:
    return {"additionalProperties": value}


def _required(entries: Iterable[ModuleType | Modality], key: str) -> Json:
    return {"type": "object", "required": [key], **_needs(entries, key)}


def _needs(entries: Iterable[ModuleType | Modality], key: str) -> Json:
    """For every entry whose config has required values: they must be given."""
    rules = []
    for entry in sorted(entries, key=lambda entry: entry.id):
        needed = [name for name, field in entry.config.model_fields.items() if field.is_required()]
        if not needed:
            continue
        rule = _when(key, entry.id, {"with": {"required": needed}}, required=["with"])
        if key == "modality":  # an input may take its values over from a module
            rule["if"] |= {"not": {"required": ["for"]}}
        rules.append(rule)
    return {"allOf": rules} if rules else {}


def _when(key: str, id: str, properties: Json, *, required: list[str] | None = None) -> Json:
    then: Json = {"properties": properties}
    if required:
        then["required"] = required
    return {"if": {"properties": {key: {"const": id}}, "required": [key]}, "then": then}


def without_parameters(value: Any) -> Any:
    """A schema of a file that has no parameters."""
    if isinstance(value, list):
        return [without_parameters(item) for item in value if item != _PARAMETER]
    if not isinstance(value, dict):
        return value
    bare = {key: without_parameters(item) for key, item in value.items()}
    only = bare["anyOf"] if isinstance(bare.get("anyOf"), list) and len(bare["anyOf"]) == 1 else None
    return bare if only is None else {**{k: v for k, v in bare.items() if k != "anyOf"}, **only[0]}
