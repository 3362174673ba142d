"""`composer schema`: valid, up to date, fitting for good documents, and strict with misspelt ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from views_demo import DOCUMENT

from composer.plugin import Registry, load_registry
from composer.views import document_schema, recipe_schema

FIRST_PARTY = ("core", "text", "vision", "mplug2", "quickstart", "timm", "transformers", "graphs")
SHIPPED = sorted(Path(str(files("composer_graphs"))).glob("*.yaml"))


@pytest.fixture(scope="module")
def validator(registry: Registry) -> jsonschema.Draft202012Validator:
    schema = document_schema(registry)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def fits(validator: jsonschema.Draft202012Validator, document: Any) -> bool:
    return validator.is_valid(document)


def edited(*path: Any, **changes: Any) -> dict[str, Any]:
    """The demo document with keys of the map at `path` changed; None takes a key out."""
    document = yaml.safe_load(DOCUMENT)
    target = document
    for step in path:
        target = target[step]
    for key, value in changes.items():
        if value is None:
            del target[key]
        else:
            target[key] = value
    return document


def test_the_demo_document_fits(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(yaml.safe_load(DOCUMENT))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_documents_fit_and_name_the_schema(
    validator: jsonschema.Draft202012Validator, path: Path
) -> None:
    text = path.read_text(encoding="utf-8")
    validator.validate(yaml.safe_load(text))
    assert text.splitlines()[0] == "# yaml-language-server: $schema=composer.schema.json"


def test_the_shipped_schema_is_up_to_date() -> None:
    shipped = json.loads(
        (Path(str(files("composer_graphs"))) / "composer.schema.json").read_text(encoding="utf-8")
    )
    made = document_schema(load_registry(only=FIRST_PARTY))
    assert shipped == json.loads(json.dumps(made)), "run `composer schema --out graphs/composer.schema.json`"


def test_the_shipped_schema_of_recipes_is_up_to_date_and_fits_the_shipped_recipe() -> None:
    folder = Path(str(files("composer_graphs")))
    shipped = json.loads((folder / "recipe.schema.json").read_text(encoding="utf-8"))
    made = json.loads(json.dumps(recipe_schema(load_registry(only=FIRST_PARTY))))
    assert "#/$defs/parameter" not in json.dumps(made)  # a recipe has none
    assert shipped == made, "run `composer schema --recipe --out graphs/recipe.schema.json`"
    text = (folder / "training" / "quickstart.yaml").read_text(encoding="utf-8")
    jsonschema.validate(yaml.safe_load(text), made)
    assert text.splitlines()[0] == "# yaml-language-server: $schema=../recipe.schema.json"


def keys(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every key of a document that the language or a plugin defines, so that a misspelling of it must be seen."""
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        yield from keys(item, (*path, key))
        free = path and path[-1] in (
            "parameters",
            "modules",
            "pieces",
            "tasks",
            "outputs",
            "ranges",
            "nodes",
            "inputs",
            "metrics",
        )
        if not free:
            yield path, key


DOCUMENTS = {"demo": DOCUMENT, **{path.stem: path.read_text(encoding="utf-8") for path in SHIPPED}}
SPELLINGS = [
    (name, path, key)
    for name, text in DOCUMENTS.items()
    if "extends" not in text
    for path, key in keys(yaml.safe_load(text))
]


@pytest.mark.parametrize("name", sorted({name for name, _, _ in SPELLINGS}))
def test_every_misspelt_key_is_refused(validator: jsonschema.Draft202012Validator, name: str) -> None:
    """Each key in turn gets one letter more."""
    tried = [(path, key) for document, path, key in SPELLINGS if document == name]
    assert len(tried) > 50
    written = yaml.safe_load(DOCUMENTS[name])
    for path, key in tried:
        document = copy.deepcopy(written)
        target = document
        for step in path:
            target = target[step]
        target[f"{key}x"] = target.pop(key)
        assert not fits(validator, document), (path, key)


@pytest.mark.parametrize(
    "document",
    [
        edited(composer=2),
        edited(composer=None),
        edited("modules", "vision", uses="demo.encodr"),
        edited("modules", "vision", uses=None),
        edited("modules", "vision", **{"with": {"width": "wide"}}),
        edited("modules", "vision", **{"with": {"width": 0}}),
        edited("modules", "vision", **{"with": {"width": 64, "stem": "patch"}}),
        edited("modules", "vision", **{"with": {}}),
        edited("modules", "vision", **{"with": None}),
        edited("modules", **{"no name": {"uses": "core.layer_norm"}}),
        edited("tasks", "video-qa", "inputs", "video", modality="movie"),
        edited("tasks", "video-qa", "inputs", "video", "with", frames=None),
        edited("tasks", "video-qa", "nodes", "memory", uses="core.linear"),  # owns weights
        edited("tasks", "video-qa", "nodes", "memory", call="fusion"),  # two verbs
        edited("tasks", "video-qa", "nodes", "memory", uses=None),  # none
        edited("tasks", "video-qa", "nodes", "memory", inputs={"first": "a.b.c"}),
        edited("tasks", "video-qa", "nodes", "answer", **{"with": {"beams": "many"}}),
        edited("tasks", "video-qa", "nodes", "answer", **{"with": {"beam": 3}}),
        edited("tasks", "video-qa", "nodes", "answer", **{"with": {"search": "harsh"}}),
        edited("tasks", "video-qa", "nodes", "answer", **{"with": {"penalty": "demo"}}),
        edited("tasks", "video-qa", "nodes", "answer", **{"with": {"search": {"uses": "harsh"}}}),
        edited(
            "tasks",
            "video-qa",
            "nodes",
            "answer",
            **{"with": {"search": {"uses": "demo", "with": {"width": 3}}}},
        ),
        edited("tasks", "video-qa", outputs={}),
        edited("tasks", "video-qa", outputs=None),
        edited("tasks", "video-qa", "compile", ranges={"batch": "1-8"}),
        edited("tasks", "video-qa", "compile", precision="fp8"),
        edited("tasks", "video-qa", nodes=[{"call": "vision"}]),
        edited("modules", decoder={"uses": "demo.decoder", "with": [1]}),
    ],
)
def test_a_mistake_that_one_file_shows_is_refused(
    validator: jsonschema.Draft202012Validator, document: dict[str, Any]
) -> None:
    assert not fits(validator, document)


@pytest.mark.parametrize(
    "document",
    [
        edited("modules", "vision", "with", stem="$stem"),
        edited("modules", "vision", "with", width="$width", patch="$patch"),
        edited("tasks", "video-qa", "inputs", "video", "with", mean=["$red", 0.5, 0.5]),
        edited("tasks", "video-qa", "inputs", "video", "with", mean="$mean"),
        edited("tasks", "video-qa", "nodes", "answer", "with", search="$search", max_tokens="$most"),
        edited(
            "tasks", "video-qa", "nodes", "answer", "with", search={"uses": "$s", "with": {"beams": "$b"}}
        ),
        edited(
            "tasks", "video-qa", "nodes", "answer", "with", search={"uses": "demo", "with": {"beams": "$b"}}
        ),
        edited("tasks", "video-qa", "nodes", "answer", "with", search="core.greedy"),
        edited("tasks", "video-qa", "inputs", "question", "with", max_words=7),
        {"composer": 1},
    ],
)
def test_parameters_stand_for_any_value_of_a_config(
    validator: jsonschema.Draft202012Validator, document: dict[str, Any]
) -> None:
    validator.validate(document)


CHILD = {"composer": 1, "extends": "parent.yaml"}


@pytest.mark.parametrize(
    "changes",
    [
        {"modules": {"vision": {"with": {"patch": 8}}}},
        {"modules": {"vision": None}},
        {"tasks": {"video-qa": None}},
        {
            "tasks": {
                "video-qa": {"nodes": {"answer": {"with": {"search": {"with": {"beams": 1}}}}, "words": None}}
            }
        },
        {
            "tasks": {
                "video-qa": {"nodes": {"memory": {"uses": None, "call": "fusion", "inputs": {"first": None}}}}
            }
        },
    ],
)
def test_a_child_may_leave_out_and_remove_what_its_parent_says(
    validator: jsonschema.Draft202012Validator, changes: dict[str, Any]
) -> None:
    validator.validate({**CHILD, **changes})
    assert not fits(validator, {"composer": 1, **changes})  # a document of its own may not


def test_a_child_is_held_to_the_spelling_all_the_same(validator: jsonschema.Draft202012Validator) -> None:
    assert not fits(
        validator, {**CHILD, "modules": {"vision": {"uses": "demo.encoder", "with": {"pach": 8}}}}
    )
    assert not fits(validator, {**CHILD, "tasks": {"t": {"node": {}}}})


def test_ids_carry_their_descriptions(registry: Registry) -> None:
    schema = document_schema(registry)
    uses = schema["$defs"]["ModuleShape"]["properties"]["uses"]
    described = dict(zip(uses["enum"], uses["markdownEnumDescriptions"], strict=True))
    assert described["core.linear"] == registry.module_types["core.linear"].summary
    width = schema["$defs"]["demo.encoder"]["properties"]["width"]
    assert width["description"] == "Width of the states."
    assert {"type": "integer", "minimum": 1} in width["anyOf"]
