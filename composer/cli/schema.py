"""Write the JSON Schema of documents, with the config of every installed module type and modality, for editors.

Name the file in the first line of a document: `# yaml-language-server: $schema=composer.schema.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from composer.plugin import Modality, ModuleType, Registry

__all__ = ["configure", "document_schema", "run"]

Json = dict[str, Any]
_PARAMETER: Json = {"type": "string", "pattern": r"^\$[A-Za-z_]"}
_NULL: Json = {"type": "null"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write to this file instead of standard output"
    )


def run(args: argparse.Namespace) -> int:
    from composer.plugin import load_registry

    text = json.dumps(document_schema(load_registry()), indent=2) + "\n"
    if args.out is None:
        sys.stdout.write(text)
    else:
        args.out.write_text(text, encoding="utf-8")
        print(f"wrote {args.out}; name it in a document: # yaml-language-server: $schema={args.out}")
    return 0


def document_schema(registry: Registry) -> Json:
    """The JSON Schema (draft 2020-12) of the language with what `registry` holds.

    A schema sees one file, so keys that an extended document may supply are not demanded, and `null`, which removes
    an inherited entry, is allowed for every entry. `composer check` knows the whole.
    """
    from composer.language import DocumentShape

    schema: Json = DocumentShape.model_json_schema(by_alias=True)
    shapes: Json = schema["$defs"]
    for shape in shapes.values():
        shape.pop("required", None)
        for name, value in shape.get("properties", {}).items():
            shape["properties"][name] = _described(value)
    stateless = [entry for entry in registry.module_types.values() if entry.stateless]
    shapes |= (
        _offer(shapes["ModuleShape"], "uses", registry.module_types.values())
        | _offer(shapes["NodeShape"], "uses", stateless)
        | _offer(shapes["InputShape"], "modality", registry.modalities.values())
    )
    schema["required"] = ["composer"]
    for owner, names in (
        (schema, ("modules", "tasks")),
        (shapes["TaskShape"], ("inputs", "nodes", "outputs")),
        (shapes["ObjectiveShape"], ("inputs", "nodes")),
    ):
        for name in names:
            entries = owner["properties"][name]
            entries["additionalProperties"] = {"anyOf": [entries["additionalProperties"], _NULL]}
    title = "A document: parameters, modules and tasks of one multimodal model"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}


def _described(value: Json) -> Json:
    """Without the titles that the generator adds: an editor would show them in place of the descriptions."""
    return {key: item for key, item in value.items() if key != "title"}


def _offer(shape: Json, key: str, entries: Iterable[ModuleType | Modality]) -> Json:
    """Let `key` name one of `entries`, and let `with` follow the config of the one it names.

    Returns the definitions that those configs need, to be put where `#/$defs/` finds them.
    """
    known = sorted(entries, key=lambda entry: entry.id)
    shape["properties"][key] = {
        "description": shape["properties"][key].get("description", ""),
        "anyOf": [{"const": entry.id, "description": entry.summary} for entry in known],
    }
    shape["allOf"] = [
        {
            "if": {"properties": {key: {"const": entry.id}}, "required": [key]},
            "then": {"properties": {"with": {"$ref": f"#/$defs/{entry.id}"}}},
        }
        for entry in known
    ]
    definitions: Json = {}
    for entry in known:
        definitions |= _config_definitions(entry)
    return definitions


def _config_definitions(entry: ModuleType | Modality) -> Json:
    """The config's schema under the entry's id, every value possibly a parameter, and the definitions it refers to."""
    schema: Json = entry.config.model_json_schema(ref_template=f"#/$defs/{entry.id}.{{model}}")
    properties = {
        name: {"description": value.get("description", ""), "anyOf": [_described(value), _PARAMETER, _NULL]}
        for name, value in schema.get("properties", {}).items()
    }
    own: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    inner = {f"{entry.id}.{name}": value for name, value in schema.get("$defs", {}).items()}
    return {entry.id: own} | inner
